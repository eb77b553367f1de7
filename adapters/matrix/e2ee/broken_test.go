//go:build goolm

package e2ee

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/matrix/e2ee/storetest"
)

// forget loses the sessions with a user, as a store would that was put back to
// an earlier state.
func (s *store) forget(t *testing.T, user id.UserID) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.peer(t.Context(), user)
	must(t, err)
	r.val.Sessions = nil
	must(t, s.peers.put(t.Context(), r))
}

// What a device sends cannot be read any more; after that it is given a new
// session and can be read again.
func TestBrokenSession(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	n := start(t, h.config((&storetest.Data{}).Open(-1, false)))
	if err := n.Ensure(t.Context(), ghost); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, h, alice, "PHONE")
	n.open(t, c.invite(t, true))
	n.say(t, c) // both have heard from each other
	d, release, err := n.device(t.Context(), ghost)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	d.store.forget(t, alice)
	if err := c.mach.CryptoStore.RemoveOutboundGroupSession(t.Context(), room); err != nil {
		t.Fatal(err)
	}
	c.invite(t, true) // by a session that the ghost does not know
	// The client's store in memory gives no session that came later precedence, as
	// clients do. So the old one is taken away.
	key := d.mach.OwnIdentity().IdentityKey
	old, err := c.mach.CryptoStore.GetLatestSession(t.Context(), key)
	must(t, err)
	eventually(t, "a new session", func() bool {
		c.pump(t)
		all, err := c.mach.CryptoStore.GetSessions(t.Context(), key)
		must(t, err)
		return len(all) == 2
	})
	must(t, c.mach.CryptoStore.DeleteSession(t.Context(), key, old))
	if err := c.mach.CryptoStore.RemoveOutboundGroupSession(t.Context(), room); err != nil {
		t.Fatal(err)
	}
	n.open(t, c.invite(t, true))
	n.say(t, c)
}

// Whom nobody knows is not listened to.
func TestStrangers(t *testing.T) {
	t.Parallel()
	h, data := newHomeserver(t), &storetest.Data{}
	cfg := h.config(data.Open(-1, false))
	cfg.Known = func(as, peer id.UserID) bool { return as == ghost && peer == alice }
	n := start(t, cfg)
	if err := n.Ensure(t.Context(), ghost); err != nil {
		t.Fatal(err)
	}
	mallory := newClient(t, h, "@mallory:example.org", "PHONE")
	mallory.invite(t, true)
	c := newClient(t, h, alice, "PHONE")
	n.open(t, c.invite(t, true)) // comes after it
	users := 0
	keys, _ := data.Keys("olm/")
	for _, k := range keys {
		if strings.Contains(k, "/u/") {
			users++
		}
	}
	if users != 2 { // the ghost itself and alice
		t.Errorf("%d users are known: %v", users, keys)
	}
	if d, release, err := n.device(t.Context(), ghost); err != nil {
		t.Fatal(err)
	} else {
		defer release()
		if known, err := d.store.knows(t.Context(), "@mallory:example.org"); known || err != nil {
			t.Errorf("mallory is known: %v", err)
		}
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := zerologTo(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	log.Error().Str("session_id", "s").Str("ciphertext", "secret").Msg("broken")
	log.Warn().Msg("odd")
	log.Info().Msg("chatter")
	got := out.String()
	if !strings.Contains(got, `level=WARN msg="encryption: broken" session_id=s`) || !strings.Contains(got, `level=DEBUG msg="encryption: odd"`) ||
		strings.Contains(got, "secret") || strings.Contains(got, "chatter") {
		t.Errorf("log:\n%s", got)
	}
}

// A message over which everything breaks is passed by, and the next one read.
func TestPanic(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	cfg := h.config((&storetest.Data{}).Open(-1, false))
	panics := make(chan struct{}, 100)
	cfg.Known = func(_, peer id.UserID) bool {
		if peer == "@mallory:example.org" {
			panics <- struct{}{}
			panic("as asked for")
		}
		return true
	}
	n := start(t, cfg)
	must(t, n.Ensure(t.Context(), ghost))
	newClient(t, h, "@mallory:example.org", "PHONE").invite(t, true)
	c := newClient(t, h, alice, "PHONE")
	e := c.invite(t, true)
	eventually(t, "the keys", func() bool {
		_, err := n.Decrypt(t.Context(), ghost, e)
		return err == nil
	})
	n.say(t, c)
	if len(panics) != 1 {
		t.Errorf("%d panics", len(panics))
	}
}
