//go:build goolm

package e2ee

import (
	"errors"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/matrix/e2ee/storetest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestBothWays(t *testing.T) {
	t.Parallel()
	h, data := newHomeserver(t), &storetest.Data{}
	n := start(t, h.config(data.Open(-1, false)))
	if err := n.Ensure(t.Context(), ghost); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, h, alice, "PHONE")
	e := c.invite(t, true)
	out := n.open(t, e)
	if out.Type != event.CallInvite || string(out.Content.VeryRaw) != `{"call_id":"one","version":"1"}` || out.ID != e.ID || out.Sender != alice {
		t.Errorf("decrypted: %v %s", out.Type, out.Content.VeryRaw)
	}
	n.say(t, c)
	n.open(t, c.invite(t, true))
	n.say(t, c)
	// A new node reads it all from the store, without logging in.
	n.stop()
	n = start(t, h.config(data.Open(-1, false)))
	n.open(t, e)
	n.open(t, c.invite(t, true))
	n.say(t, c)
	var device string
	h.set(func() {
		device = string(only(h.keys[ghost]))
		if h.logins != 2 {
			t.Errorf("%d log-ins, want one each", h.logins)
		}
		if len(h.keys[ghost]) != 1 {
			t.Errorf("the ghost has %d devices", len(h.keys[ghost]))
		}
		if h.signed[inbox{ghost, only(h.keys[ghost])}] != 1 {
			t.Error("the ghost's device is not signed, or more than once")
		}
	})
	for _, secret := range []string{"token-", "example.org", device, "signing"} {
		if data.Contains(secret) {
			t.Errorf("the store has %q in clear", secret)
		}
	}
}

func only[K comparable, V any](m map[K]V) (k K) {
	for k = range m {
	}
	return k
}

func TestSecondDevice(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	n := start(t, h.config((&storetest.Data{}).Open(-1, false)))
	if err := n.Ensure(t.Context(), ghost); err != nil {
		t.Fatal(err)
	}
	phone := newClient(t, h, alice, "PHONE")
	n.say(t, phone)
	laptop := newClient(t, h, alice, "LAPTOP")
	// As soon as the homeserver has told of it, the laptop gets keys too.
	eventually(t, "the laptop can read", func() bool {
		content := n.seal(t)
		laptop.pump(t)
		_, err := laptop.read(t, content)
		return err == nil
	})
	n.say(t, phone)
}

func TestLateKeys(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	n := start(t, h.config((&storetest.Data{}).Open(-1, false)))
	if err := n.Ensure(t.Context(), ghost); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, h, alice, "PHONE")
	n.say(t, c) // a session between the devices
	h.set(func() { h.lose = func(string) bool { return true } })
	e := c.invite(t, true)
	if _, err := n.Decrypt(t.Context(), ghost, e); !errors.Is(err, ErrNoKeys) || schema.CodeOf(err) != callv1.Code_CODE_RETRY {
		t.Fatalf("without keys: %v", err)
	}
	h.set(func() { h.lose = func(string) bool { return false } })
	// It asks for them, and the client gives them.
	for asked := false; !asked; {
		select {
		case <-n.came:
			asked = true
		default:
			c.pump(t)
			_, err := n.Decrypt(t.Context(), ghost, e)
			asked = err == nil
		}
	}
	n.open(t, e)
}

func TestForgery(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	n := start(t, h.config((&storetest.Data{}).Open(-1, false)))
	if err := n.Ensure(t.Context(), ghost); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, h, alice, "PHONE")
	e := c.invite(t, true)
	n.open(t, e)
	for name, change := range map[string]func(*event.Event){
		"another event of the same text": func(e *event.Event) { e.ID = "$other" },
		"another time":                   func(e *event.Event) { e.Timestamp++ },
		"another room":                   func(e *event.Event) { e.RoomID = "!other:example.org" },
		"another sender":                 func(e *event.Event) { e.Sender = "@mallory:example.org" },
		"garbage": func(e *event.Event) {
			e.Content = event.Content{VeryRaw: []byte(`{"algorithm":"m.megolm.v1.aes-sha2","ciphertext":"A"}`)}
		},
		"no text": func(e *event.Event) {
			e.Content = event.Content{VeryRaw: []byte(`{"algorithm":"m.megolm.v1.aes-sha2"}`)}
		},
		"an unknown way": func(e *event.Event) { e.Content = event.Content{VeryRaw: []byte(`{"algorithm":"x"}`)} },
	} {
		forged := *e
		change(&forged)
		if out, err := n.Decrypt(t.Context(), ghost, &forged); err == nil {
			t.Errorf("%s: decrypted %v", name, out)
		}
	}
	n.open(t, e)
}

func TestDevicesAreBounded(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	cfg := h.config((&storetest.Data{}).Open(-1, false))
	cfg.MaxDevices = 2
	n := start(t, cfg)
	names := []id.UserID{"@tandem_1:example.org", "@tandem_2:example.org", "@tandem_3:example.org"}
	for range 2 {
		for _, as := range names {
			if err := n.Ensure(t.Context(), as); err != nil {
				t.Fatalf("%s: %v", as, err)
			}
		}
	}
	h.set(func() {
		if h.logins != 3 {
			t.Errorf("%d log-ins", h.logins)
		}
	})
	for _, as := range names[:2] {
		_, release, err := n.device(t.Context(), as)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
	}
	if err := n.Ensure(t.Context(), names[2]); schema.CodeOf(err) != callv1.Code_CODE_OVERLOAD {
		t.Errorf("a third one: %v", err)
	}
}

func TestHomeserverAway(t *testing.T) {
	t.Parallel()
	h, data := newHomeserver(t), &storetest.Data{}
	n := start(t, h.config(data.Open(-1, false)))
	h.set(func() { h.down = true })
	if err := n.Ensure(t.Context(), ghost); schema.CodeOf(err) != callv1.Code_CODE_RETRY {
		t.Fatalf("away: %v", err)
	}
	h.set(func() { h.down = false })
	eventually(t, "it is back", func() bool { return n.Ensure(t.Context(), ghost) == nil })
	c := newClient(t, h, alice, "PHONE")
	n.say(t, c)
	// The homeserver forgets the log-in: the device logs in again and is the same.
	h.set(func() {
		for token, who := range h.tokens {
			if who.user == ghost {
				delete(h.tokens, token)
			}
		}
		h.bump()
	})
	eventually(t, "it has logged in again", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return h.logins == 3 })
	n.open(t, c.invite(t, true))
	n.say(t, c)
	h.set(func() {
		if len(h.keys[ghost]) != 1 {
			t.Errorf("the ghost has %d devices", len(h.keys[ghost]))
		}
	})
}

func TestNotRunning(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	k, err := New(h.config((&storetest.Data{}).Open(-1, false)))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Ensure(t.Context(), ghost); schema.CodeOf(err) != callv1.Code_CODE_RETRY {
		t.Errorf("before Run: %v", err)
	}
	n := start(t, h.config((&storetest.Data{}).Open(-1, false)))
	n.stop()
	if err := n.Ensure(t.Context(), ghost); schema.CodeOf(err) != callv1.Code_CODE_RETRY {
		t.Errorf("after Run: %v", err)
	}
	for _, broken := range []func(*Config){
		func(c *Config) { c.Homeserver = "" }, func(c *Config) { c.Token = "" }, func(c *Config) { c.Secret = nil },
		func(c *Config) { c.Store = nil }, func(c *Config) { c.MaxDevices = -1 },
	} {
		cfg := h.config((&storetest.Data{}).Open(-1, false))
		broken(&cfg)
		if _, err := New(cfg); schema.CodeOf(err) != callv1.Code_CODE_INVALID {
			t.Errorf("a broken configuration: %v", err)
		}
	}
}
