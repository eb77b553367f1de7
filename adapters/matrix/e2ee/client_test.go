//go:build goolm

package e2ee

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/kit"
)

const (
	ghost = id.UserID("@tandem_2001:example.org")
	alice = id.UserID("@alice:example.org")
	room  = id.RoomID("!portal:example.org")
)

// within bounds what a test waits for.
const within = 30 * time.Second

// client is a user's client: mautrix's machine with its own store.
type client struct {
	*mautrix.Client
	mach *crypto.OlmMachine
	next string
}

// rooms is what client machines ask about rooms.
type rooms struct{ shared map[id.UserID][]id.RoomID }

func (rooms) IsEncrypted(context.Context, id.RoomID) (bool, error) { return true, nil }
func (rooms) GetEncryptionEvent(context.Context, id.RoomID) (*event.EncryptionEventContent, error) {
	return &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1}, nil
}
func (rooms) GetHistoryVisibility(context.Context, id.RoomID) (*event.HistoryVisibilityEventContent, error) {
	return nil, nil
}
func (r rooms) FindSharedRooms(_ context.Context, user id.UserID) ([]id.RoomID, error) {
	return r.shared[user], nil
}

func newClient(t *testing.T, h *homeserver, user id.UserID, device id.DeviceID) *client {
	t.Helper()
	c, err := mautrix.NewClient(h.URL, "", asToken)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Login(t.Context(), &mautrix.ReqLogin{
		Type: mautrix.AuthTypeAppservice, DeviceID: device, StoreCredentials: true,
		Identifier: mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: string(user)},
	})
	if err != nil {
		t.Fatal(err)
	}
	log := zerolog.Nop()
	m := crypto.NewOlmMachine(c, &log, crypto.NewMemoryStore(nil), rooms{map[id.UserID][]id.RoomID{ghost: {room}}})
	if err := errors.Join(m.Load(t.Context()), m.ShareKeys(t.Context(), 0)); err != nil {
		t.Fatal(err)
	}
	return &client{Client: c, mach: m}
}

// pump takes what waits for the client.
func (c *client) pump(t *testing.T) {
	t.Helper()
	resp, err := c.FullSyncRequest(t.Context(), mautrix.ReqSync{Since: c.next})
	if err != nil {
		t.Fatal(err)
	}
	c.mach.ProcessSyncResponse(t.Context(), resp, c.next)
	c.next = resp.NextBatch
}

var serial atomic.Int64

// sealed makes an event of an encrypted content.
func sealed(t *testing.T, sender id.UserID, content json.RawMessage) *event.Event {
	t.Helper()
	e := &event.Event{
		Type: event.EventEncrypted, Sender: sender, RoomID: room, Timestamp: time.Now().UnixMilli(),
		ID: id.EventID(fmt.Sprintf("$event-%d", serial.Add(1))), Content: event.Content{VeryRaw: content},
	}
	return e
}

// invite makes an encrypted event in the room; the ghost gets the keys if share
// says so and it has none.
func (c *client) invite(t *testing.T, share bool) *event.Event {
	t.Helper()
	if share {
		if err := c.mach.ShareGroupSession(t.Context(), room, []id.UserID{ghost}); err != nil {
			t.Fatal(err)
		}
	}
	content, err := c.mach.EncryptMegolmEvent(t.Context(), room, event.CallInvite, json.RawMessage(`{"call_id":"one","version":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	return sealed(t, c.UserID, raw)
}

// read decrypts what the ghost sent.
func (c *client) read(t *testing.T, content json.RawMessage) (string, error) {
	t.Helper()
	e := sealed(t, ghost, content)
	if err := e.Content.ParseRaw(e.Type); err != nil {
		t.Fatal(err)
	}
	out, err := c.mach.DecryptMegolmEvent(t.Context(), e)
	if err != nil {
		return "", err
	}
	return out.Type.Type + " " + string(out.Content.VeryRaw), nil
}

// node is a Keeper that runs.
type node struct {
	*Keeper
	came chan id.SessionID
	stop func()
}

func (h *homeserver) config(store kit.Store) Config {
	return Config{
		Homeserver: h.URL, Token: asToken, Secret: []byte(asToken), Store: store, Log: slog.New(slog.DiscardHandler),
		AskAfter: 50 * time.Millisecond, PollTimeout: 10 * time.Second,
	}
}

func start(t *testing.T, cfg Config) *node {
	t.Helper()
	k, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Keeper: k, came: make(chan id.SessionID, 100)}
	k.OnKeys(func(_ id.UserID, _ id.RoomID, session id.SessionID) { n.came <- session })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	stopped := false
	n.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(within):
			t.Error("the keeper does not end")
		}
	}
	t.Cleanup(n.stop)
	eventually(t, "running", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.ctx != nil })
	return n
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(within); !f(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not yet: %s", what)
		}
	}
}

// open decrypts an event as the ghost, as soon as the keys are there.
func (n *node) open(t *testing.T, e *event.Event) *event.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for {
		out, err := n.Decrypt(ctx, ghost, e)
		switch {
		case err == nil:
			return out
		case !errors.Is(err, ErrNoKeys):
			t.Fatalf("decrypt: %v", err)
		}
		select {
		case <-n.came:
		case <-ctx.Done():
			t.Fatalf("the keys do not come: %v", err)
		}
	}
}

const answer = `{"call_id":"one","party_id":"g"}`

// say encrypts an answer as the ghost and has the client read it.
func (n *node) say(t *testing.T, c *client) {
	t.Helper()
	content := n.seal(t)
	c.pump(t)
	got, err := c.read(t, content)
	if err != nil || got != "m.call.answer "+answer {
		t.Fatalf("the client reads %q, %v", got, err)
	}
}

func (n *node) seal(t *testing.T) json.RawMessage {
	t.Helper()
	content, err := n.Encrypt(t.Context(), ghost, room, []id.UserID{ghost, alice}, "m.call.answer", json.RawMessage(answer))
	if err != nil {
		t.Fatalf("encrypt: %v", err)
	}
	return content
}
