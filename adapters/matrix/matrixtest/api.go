package matrixtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the API's
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// api is the client-server API, with a session once there is one.
type api struct {
	base      string
	http      *http.Client
	token     string
	user      string
	transport *http.Transport
}

func newAPI(base string) *api {
	t := &http.Transport{MaxIdleConnsPerHost: 4}
	return &api{base: base, http: &http.Client{Transport: t}, transport: t}
}

// Error is an error answer of the homeserver.
type Error struct {
	// Status is the HTTP status, Code the errcode.
	Status     int
	Code       string `json:"errcode"`
	Message    string `json:"error"`
	RetryAfter int64  `json:"retry_after_ms"`
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("homeserver: %d %s: %s", e.Status, e.Code, e.Message)
}

// do makes a request; a rate limit is waited for. in and out may be nil.
func (a *api) do(ctx context.Context, method, path string, in, out any) error {
	for {
		err := a.once(ctx, method, path, in, out)
		var e *Error
		if !errors.As(err, &e) || e.Status != http.StatusTooManyRequests {
			return err
		}
		wait := time.NewTimer(time.Duration(max(e.RetryAfter, 10)) * time.Millisecond)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
	}
}

func (a *api) once(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	switch in := in.(type) {
	case nil:
	case json.RawMessage:
		body = bytes.NewReader(in)
	default:
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return err
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	resp, err := a.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		e := &Error{Status: resp.StatusCode}
		if json.Unmarshal(b, e) != nil {
			e.Message = string(b)
		}
		return e
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

const v3 = "/_matrix/client/v3"

// register makes an account with the homeserver's shared secret and signs in.
func (a *api) register(ctx context.Context, secret, name, password string) error {
	var n struct {
		Nonce string `json:"nonce"`
	}
	const path = "/_synapse/admin/v1/register"
	if err := a.do(ctx, http.MethodGet, path, nil, &n); err != nil {
		return err
	}
	h := hmac.New(sha1.New, []byte(secret))
	_, _ = h.Write([]byte(n.Nonce + "\x00" + name + "\x00" + password + "\x00notadmin"))
	return a.enter(ctx, path, map[string]any{"nonce": n.Nonce, "username": name, "password": password, "admin": false,
		"mac": hex.EncodeToString(h.Sum(nil))})
}

// login signs in.
func (a *api) login(ctx context.Context, name, password string) error {
	return a.enter(ctx, v3+"/login", map[string]any{"type": "m.login.password", "password": password,
		"identifier": map[string]string{"type": "m.id.user", "user": name}})
}

func (a *api) enter(ctx context.Context, path string, in any) error {
	var s struct {
		User  string `json:"user_id"`
		Token string `json:"access_token"`
	}
	if err := a.do(ctx, http.MethodPost, path, in, &s); err != nil {
		return err
	}
	a.user, a.token = s.User, s.Token
	return nil
}

// createRoom makes a room of two.
func (a *api) createRoom(ctx context.Context, with string) (string, error) {
	var made struct {
		Room string `json:"room_id"`
	}
	err := a.do(ctx, http.MethodPost, v3+"/createRoom",
		map[string]any{"preset": "trusted_private_chat", "is_direct": true, "invite": []string{with}}, &made)
	return made.Room, err
}

// send sends an event.
func (a *api) send(ctx context.Context, room, eventType, txn string, content any) error {
	return a.do(ctx, http.MethodPut, fmt.Sprintf("%s/rooms/%s/send/%s/%s", v3, url.PathEscape(room), eventType, txn), content, nil)
}

func (a *api) join(ctx context.Context, room string) error {
	return a.do(ctx, http.MethodPost, v3+"/join/"+url.PathEscape(room), struct{}{}, nil)
}

func (a *api) leave(ctx context.Context, room string) error {
	return a.do(ctx, http.MethodPost, v3+"/rooms/"+url.PathEscape(room)+"/leave", struct{}{}, nil)
}

// event is an event as /sync has it.
type event struct {
	ID       string          `json:"event_id"`
	Sender   string          `json:"sender"`
	Type     string          `json:"type"`
	StateKey *string         `json:"state_key"`
	Content  json.RawMessage `json:"content"`
	At       int64           `json:"origin_server_ts"`
}

type eventList struct {
	Events []event `json:"events"`
}

type synced struct {
	Next  string `json:"next_batch"`
	Rooms struct {
		Join map[string]struct {
			State    eventList `json:"state"`
			Timeline eventList `json:"timeline"`
		} `json:"join"`
		Invite map[string]json.RawMessage `json:"invite"`
		Leave  map[string]struct {
			Timeline eventList `json:"timeline"`
		} `json:"leave"`
	} `json:"rooms"`
}

// filter leaves out what has nothing to do with calls.
const filter = `{"presence":{"types":[]},"account_data":{"types":[]},"room":{"account_data":{"types":[]},` +
	`"ephemeral":{"types":[]},"timeline":{"limit":100}}}`

// pollFor is how long a /sync waits.
const pollFor = 20 * time.Second

func (a *api) sync(ctx context.Context, since string) (*synced, error) {
	q := url.Values{"filter": {filter}, "set_presence": {"offline"}}
	if since != "" {
		q.Set("since", since)
		q.Set("timeout", fmt.Sprint(pollFor.Milliseconds()))
	}
	s := &synced{}
	return s, a.do(ctx, http.MethodGet, v3+"/sync?"+q.Encode(), nil, s)
}
