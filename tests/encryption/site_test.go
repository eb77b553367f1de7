//go:build goolm

package encryption

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/matrix"
	"github.com/tandem-rtc/tandem/adapters/matrix/e2ee"
	"github.com/tandem-rtc/tandem/adapters/matrix/e2ee/storetest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/tests/internal/dendrite"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// within bounds what a test waits for.
const within = 60 * time.Second

// site is a homeserver with an application service.
type site struct {
	*dendrite.Server
	token string
	data  storetest.Data
	txn   atomic.Int64
}

func newSite(t *testing.T) *site {
	t.Helper()
	r := matrix.NewRegistration("", dendrite.Name, matrix.BotLocalpart, matrix.GhostPrefix)
	path := filepath.Join(t.TempDir(), "registration.yaml")
	if err := r.Save(path); err != nil {
		t.Fatal(err)
	}
	return &site{Server: dendrite.Start(t, dendrite.Options{Registrations: []string{path}, Durable: true}), token: r.AppToken}
}

// as sends a request as the application service, or one of its users.
func (s *site) as(t *testing.T, user id.UserID, method, path string, in, out any) {
	t.Helper()
	if status := s.ask(t, user, method, path, in, out); status != http.StatusOK {
		t.Fatalf("%s %s: status %d", method, path, status)
	}
}

// ask sends such a request and gives the status of the answer; out is read only if it
// is OK.
func (s *site) ask(t *testing.T, user id.UserID, method, path string, in, out any) int {
	t.Helper()
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	url := s.URL + "/_matrix/client/v3" + path
	if user != "" {
		url += "?user_id=" + string(user)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	if res.StatusCode == http.StatusOK && out != nil {
		if err := json.NewDecoder(res.Body).Decode(out); err != nil {
			t.Fatal(err)
		}
	}
	return res.StatusCode
}

// ghost makes a user of the application service.
func (s *site) ghost(t *testing.T, name string) id.UserID {
	t.Helper()
	s.as(t, "", http.MethodPost, "/register", map[string]string{"type": "m.login.application_service", "username": matrix.GhostPrefix + name}, nil)
	return id.UserID("@" + matrix.GhostPrefix + name + ":" + s.Name)
}

// post sends an encrypted content to a room as a user of the application service.
func (s *site) post(t *testing.T, as id.UserID, room id.RoomID, content json.RawMessage) id.EventID {
	t.Helper()
	var out struct {
		ID id.EventID `json:"event_id"`
	}
	path := fmt.Sprintf("/rooms/%s/send/m.room.encrypted/as-%d", room, s.txn.Add(1))
	s.as(t, as, http.MethodPut, path, content, &out)
	return out.ID
}

// event reads an event of a room as a user of the application service, once it can be
// read: homeservers say that it is sent a moment before.
func (s *site) event(t *testing.T, as id.UserID, room id.RoomID, name id.EventID) *event.Event {
	t.Helper()
	var e event.Event
	path := fmt.Sprintf("/rooms/%s/event/%s", room, name)
	harness.Eventually(t, within, path, func() (bool, string) {
		status := s.ask(t, as, http.MethodGet, path, nil, &e)
		return status == http.StatusOK, fmt.Sprint("status ", status)
	})
	e.RoomID = room
	return &e
}

// keeper is a node's Keeper.
type keeper struct {
	*e2ee.Keeper
	came  chan struct{}
	syncs atomic.Int64
	stop  func()
}

// RoundTrip counts the requests for to-device messages.
func (k *keeper) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasSuffix(req.URL.Path, "/sync") {
		k.syncs.Add(1)
	}
	return http.DefaultTransport.RoundTrip(req)
}

func (s *site) keeper(t *testing.T) *keeper { return s.keeperOn(t, s.data.Open(-1, false)) }

func (s *site) keeperOn(t *testing.T, store kit.Store) *keeper {
	t.Helper()
	k := &keeper{came: make(chan struct{}, 100)}
	var err error
	k.Keeper, err = e2ee.New(e2ee.Config{
		Homeserver: s.URL, Token: s.token, Secret: []byte(s.token), Store: store, HTTP: k,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), AskAfter: 200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	k.OnKeys(func(id.UserID, id.RoomID, id.SessionID) {
		select {
		case k.came <- struct{}{}:
		default:
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	k.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(within):
			t.Error("the keeper does not end")
		}
	})
	t.Cleanup(k.stop)
	return k
}

// ensure makes a user's device ready.
func (k *keeper) ensure(t *testing.T, as id.UserID) {
	t.Helper()
	harness.Eventually(t, within, "device of "+string(as), func() (bool, string) {
		err := k.Ensure(t.Context(), as)
		return err == nil, fmt.Sprint(err)
	})
}

// open decrypts an event of a room as soon as the keys are there.
func (k *keeper) open(t *testing.T, as id.UserID, e *event.Event) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for {
		out, err := k.Decrypt(ctx, as, e)
		if err == nil {
			return out.Type.Type + " " + string(out.Content.VeryRaw)
		}
		if schema.CodeOf(err) != callv1.Code_CODE_RETRY {
			t.Fatalf("decrypt: %v", err)
		}
		select {
		case <-k.came:
		case <-time.After(100 * time.Millisecond): // the device may be about to log in again
		case <-ctx.Done():
			t.Fatalf("the keys do not come: %v", err)
		}
	}
}

// seal encrypts an answer for a room.
func (k *keeper) seal(t *testing.T, as id.UserID, room id.RoomID, peer id.UserID, content string) json.RawMessage {
	t.Helper()
	return k.sealAs(t, as, room, peer, "m.call.answer", content)
}

func (k *keeper) sealAs(t *testing.T, as id.UserID, room id.RoomID, peer id.UserID, kind, content string) json.RawMessage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	out, err := k.Encrypt(ctx, as, room, []id.UserID{as, peer}, kind, json.RawMessage(content))
	if err != nil {
		t.Fatalf("encrypt: %v", err)
	}
	return out
}

// phone is a client of a user: mautrix's machine.
type phone struct {
	*mautrix.Client
	mach *crypto.OlmMachine
	next string
}

// phone signs the user in at a device, or uses the first one if token is set.
func (s *site) phone(t *testing.T, u *dendrite.User, device, token string) *phone {
	t.Helper()
	c, err := mautrix.NewClient(s.URL, id.UserID(u.ID), token)
	if err != nil {
		t.Fatal(err)
	}
	c.DeviceID = id.DeviceID(device)
	if token == "" {
		_, err := c.Login(t.Context(), &mautrix.ReqLogin{
			Type: mautrix.AuthTypePassword, Password: u.Password, DeviceID: c.DeviceID, StoreCredentials: true,
			Identifier: mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: u.ID},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	c.StateStore = mautrix.NewMemoryStateStore()
	log := zerolog.Nop()
	p := &phone{Client: c}
	p.mach = crypto.NewOlmMachine(c, &log, crypto.NewMemoryStore(nil), mautrix.NewMemoryStateStore().(crypto.StateStore))
	if err := errors.Join(p.mach.Load(t.Context()), p.mach.ShareKeys(t.Context(), 0)); err != nil {
		t.Fatal(err)
	}
	return p
}

// pump takes what waits for the device and waits a little for more.
func (p *phone) pump(t *testing.T) {
	t.Helper()
	resp, err := p.FullSyncRequest(t.Context(), mautrix.ReqSync{Since: p.next, Timeout: 50})
	if err != nil {
		t.Fatal(err)
	}
	p.mach.ProcessSyncResponse(t.Context(), resp, p.next)
	p.next = resp.NextBatch
}

// send sends an encrypted event to the room, whose keys it gives to to.
func (p *phone) send(t *testing.T, room id.RoomID, to id.UserID, content string) *event.Event {
	t.Helper()
	if to != "" {
		_, err := p.mach.FetchKeys(t.Context(), []id.UserID{to}, true)
		if err = errors.Join(err, p.mach.ShareGroupSession(t.Context(), room, []id.UserID{to})); err != nil {
			t.Fatal(err)
		}
	}
	enc, err := p.mach.EncryptMegolmEvent(t.Context(), room, event.CallInvite, json.RawMessage(content))
	if err != nil {
		t.Fatal(err)
	}
	sent, err := p.SendMessageEvent(t.Context(), room, event.EventEncrypted, enc)
	if err != nil {
		t.Fatal(err)
	}
	return p.event(t, room, sent.EventID)
}

// event reads an event of the room from the homeserver, once it can be read.
func (p *phone) event(t *testing.T, room id.RoomID, name id.EventID) (e *event.Event) {
	t.Helper()
	harness.Eventually(t, within, "event "+string(name), func() (bool, string) {
		var err error
		e, err = p.GetEvent(t.Context(), room, name)
		return err == nil, fmt.Sprint(err)
	})
	e.Content.Parsed = nil
	return e
}

// read decrypts an event of the room; what it gives is an error's text if it
// cannot.
func (p *phone) read(t *testing.T, room id.RoomID, name id.EventID) (string, error) {
	t.Helper()
	p.pump(t)
	e := p.event(t, room, name)
	if err := e.Content.ParseRaw(event.EventEncrypted); err != nil {
		t.Fatal(err)
	}
	out, err := p.mach.DecryptMegolmEvent(t.Context(), e)
	if err != nil {
		return "", err
	}
	return out.Type.Type + " " + string(out.Content.VeryRaw), nil
}
