package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// api is the client-server API, spoken as users of the application service.
// Requests are tried once; who calls decides what to do about an error, which is a
// *schema.Error: CODE_RETRY for what may pass.
type api struct {
	template mautrix.Client
	http     *http.Client
	prefix   string // of the ghosts' localparts
}

func newAPI(cfg *Config, token string) (*api, error) {
	c, err := mautrix.NewClient(cfg.Homeserver, "", token)
	if err != nil {
		return nil, fmt.Errorf("matrix: homeserver: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:errcheck,forcetypeassert // documented type
	transport.MaxIdleConnsPerHost, transport.MaxConnsPerHost = cfg.Concurrency, 2*cfg.Concurrency
	h := &api{http: &http.Client{Transport: transport, Timeout: cfg.SendTimeout}}
	h.template = mautrix.Client{
		AccessToken: token, UserAgent: "Tandem", HomeserverURL: c.HomeserverURL, Client: h.http,
		SetAppServiceUserID: true, Log: c.Log, ResponseSizeLimit: maxResponse,
	}
	return h, nil
}

// maxResponse bounds what is read of one response.
const maxResponse = 64 << 20

// as gives the API as a user of ours.
func (h *api) as(user id.UserID) *mautrix.Client {
	return &mautrix.Client{
		AccessToken: h.template.AccessToken, UserAgent: h.template.UserAgent, HomeserverURL: h.template.HomeserverURL,
		Client: h.http, SetAppServiceUserID: true, Log: h.template.Log, UserID: user, ResponseSizeLimit: maxResponse,
	}
}

func (h *api) close() { h.http.CloseIdleConnections() }

// retryError is CODE_RETRY with the time that the homeserver asked to wait.
type retryError struct {
	error
	after time.Duration
}

func (e retryError) Unwrap() error { return e.error }

// failure gives an error of the homeserver its code.
func failure(what string, err error) error {
	if err == nil {
		return nil
	}
	var refused *schema.Error
	if errors.As(err, &refused) {
		return err
	}
	var h mautrix.HTTPError
	status := 0
	if errors.As(err, &h) && h.Response != nil {
		status = h.Response.StatusCode
	}
	code := callv1.Code_CODE_RETRY
	switch {
	case status == http.StatusTooManyRequests:
		return retryError{schema.Errorf(code, "matrix: %s: the homeserver limits us: %w", what, err), retryAfter(&h)}
	case status == 0, status >= 500, status == http.StatusRequestTimeout,
		status == http.StatusUnauthorized,                   // a wrong token is the operator's to mend; nothing is lost meanwhile
		status == http.StatusNotFound && h.RespError == nil: // a proxy that has no homeserver behind it yet
	case status == http.StatusRequestEntityTooLarge, errors.Is(err, mautrix.MTooLarge):
		code = callv1.Code_CODE_NOT_ACCEPTABLE
	case status == http.StatusForbidden:
		code = callv1.Code_CODE_FORBIDDEN
	case status == http.StatusNotFound:
		code = callv1.Code_CODE_NOT_FOUND
	default:
		code = callv1.Code_CODE_REJECTED
	}
	return schema.Errorf(code, "matrix: %s: %w", what, err)
}

// maxRetryAfter bounds what a homeserver can ask for.
const maxRetryAfter = time.Minute

// retryAfter reads how long to wait from a 429, in either of its forms (Matrix
// specification, "Rate limiting").
func retryAfter(e *mautrix.HTTPError) time.Duration {
	d := time.Duration(0)
	if e.RespError != nil {
		if ms, ok := e.RespError.ExtraData["retry_after_ms"].(float64); ok {
			d = time.Duration(ms) * time.Millisecond
		}
	}
	if s, err := strconv.Atoi(e.Response.Header.Get("Retry-After")); err == nil && d == 0 {
		d = time.Duration(s) * time.Second
	}
	return min(max(d, 0), maxRetryAfter)
}

// send sends a message event; txn makes a repeated one no second event.
func (h *api) send(ctx context.Context, as id.UserID, room id.RoomID, kind string, content json.RawMessage, txn string) error {
	_, err := h.as(as).SendMessageEvent(ctx, room, event.Type{Type: kind, Class: event.MessageEventType}, content,
		mautrix.ReqSendEvent{TransactionID: txn})
	return failure("sending "+kind, err)
}

func (h *api) setState(ctx context.Context, as id.UserID, room id.RoomID, kind, key string, content any) error {
	_, err := h.as(as).SendStateEvent(ctx, room, event.Type{Type: kind, Class: event.StateEventType}, key, content)
	return failure("setting "+kind, err)
}

// register makes a user of the namespace known; one that is known stays as it is.
func (h *api) register(ctx context.Context, user id.UserID) error {
	c := h.as("") // the request names the user itself
	c.SetAppServiceUserID = false
	_, err := c.MakeRequest(ctx, http.MethodPost, c.BuildClientURL("v3", "register"), &mautrix.ReqRegister[any]{
		Username: user.Localpart(), Type: mautrix.AuthTypeAppservice, InhibitLogin: true,
	}, nil)
	if errors.Is(err, mautrix.MUserInUse) {
		return nil
	}
	return failure("registering a user", err)
}

func (h *api) join(ctx context.Context, as id.UserID, room id.RoomID) error {
	_, err := h.as(as).JoinRoomByID(ctx, room)
	return failure("joining a room", err)
}

func (h *api) leave(ctx context.Context, as id.UserID, room id.RoomID) error {
	_, err := h.as(as).LeaveRoom(ctx, room)
	return failure("leaving a room", err)
}

func (h *api) displayName(ctx context.Context, as id.UserID, name string) error {
	return failure("setting a display name", h.as(as).SetDisplayName(ctx, name))
}

// nameOf gives a user's display name, "" if it has none.
func (h *api) nameOf(ctx context.Context, as, user id.UserID) (string, error) {
	r, err := h.as(as).GetDisplayName(ctx, user)
	if errors.Is(err, mautrix.MNotFound) || err == nil && r == nil {
		return "", nil
	}
	if err != nil {
		return "", failure("reading a display name", err)
	}
	return schema.CleanText(r.DisplayName, schema.DefaultLimits().DisplayName), nil
}

// joined lists who is in a room.
func (h *api) joined(ctx context.Context, as id.UserID, room id.RoomID) ([]id.UserID, error) {
	r, err := h.as(as).JoinedMembers(ctx, room)
	if err != nil {
		return nil, failure("listing a room's members", err)
	}
	out := make([]id.UserID, 0, len(r.Joined))
	for u := range r.Joined {
		out = append(out, u)
	}
	return out, nil
}

// state reads the state event of a type, that has no key, into v; false if the room
// has none.
func (h *api) state(ctx context.Context, as id.UserID, room id.RoomID, kind string, v any) (bool, error) {
	c := h.as(as)
	_, err := c.MakeRequest(ctx, http.MethodGet, c.BuildClientURL("v3", "rooms", room, "state", kind), nil, v)
	if errors.Is(err, mautrix.MNotFound) {
		return false, nil
	}
	return err == nil, failure("reading "+kind, err)
}

// recent gives the latest events of a room, the oldest first.
func (h *api) recent(ctx context.Context, as id.UserID, room id.RoomID, limit int) ([]*event.Event, error) {
	r, err := h.as(as).Messages(ctx, room, "", "", mautrix.DirectionBackward, nil, limit)
	if err != nil {
		return nil, failure("reading a room", err)
	}
	out := make([]*event.Event, 0, len(r.Chunk))
	for i := len(r.Chunk) - 1; i >= 0; i-- {
		r.Chunk[i].RoomID = room
		out = append(out, r.Chunk[i])
	}
	return out, nil
}

// createDirect makes a room of two and invites the person.
func (h *api) createDirect(ctx context.Context, as, person id.UserID) (id.RoomID, error) {
	r, err := h.as(as).CreateRoom(ctx, &mautrix.ReqCreateRoom{
		Preset: "trusted_private_chat", IsDirect: true, Invite: []id.UserID{person},
	})
	if err != nil {
		return "", failure("making a room", err)
	}
	return r.RoomID, nil
}
