//go:build goolm

package encryption

import (
	"errors"
	"testing"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/matrix/e2ee"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// devices are the ghost's, as alice's phone sees them.
func (p *portal) devices(t *testing.T) map[id.DeviceID]*id.Device {
	t.Helper()
	found, err := p.phone.mach.FetchKeys(t.Context(), []id.UserID{p.ghost}, true)
	if err != nil {
		t.Fatal(err)
	}
	return found[p.ghost]
}

func (p *portal) one(t *testing.T) id.DeviceID {
	t.Helper()
	for name := range p.devices(t) {
		return name
	}
	t.Fatal("the ghost has no device")
	return ""
}

// The keys of an invite come only when they are asked for.
func TestLateKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	k := s.keeper(t)
	p := newPortal(t, s)
	k.ensure(t, p.ghost)
	p.answer(k, p.phone) // so that the devices know each other

	session, err := p.phone.mach.CryptoStore.GetOutboundGroupSession(t.Context(), p.room)
	if err != nil || session != nil {
		t.Fatalf("a session is there already: %v", err)
	}
	// A session that nobody is given.
	if err := p.phone.mach.ShareGroupSession(t.Context(), p.room, nil); err != nil {
		t.Fatal(err)
	}
	e := p.phone.send(t, p.room, "", `{"late":true}`)
	if _, err := k.Decrypt(t.Context(), p.ghost, e); !errors.Is(err, e2ee.ErrNoKeys) {
		t.Fatalf("without keys: %v", err)
	}
	// The phone may give it to the ghost's device when it asks.
	session, err = p.phone.mach.CryptoStore.GetOutboundGroupSession(t.Context(), p.room)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range p.devices(t) {
		if err := p.phone.mach.CryptoStore.MarkOutboundGroupSessionShared(t.Context(), p.ghost, d.IdentityKey, session.ID()); err != nil {
			t.Fatal(err)
		}
	}
	harness.Eventually(t, within, "the keys", func() (bool, string) {
		p.phone.pump(t)
		_, err := k.Decrypt(t.Context(), p.ghost, e)
		if err != nil {
			return false, err.Error()
		}
		return true, ""
	})
	if got := k.open(t, p.ghost, e); got != `m.call.invite {"late":true}` {
		t.Errorf("the ghost reads %q", got)
	}
}

// A node takes over while the other still runs.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.keeper(t)
	p := newPortal(t, s)
	first.ensure(t, p.ghost)
	p.call(first)
	second := s.keeper(t)
	second.ensure(t, p.ghost)
	p.call(second)
	first.stop()
	p.call(second)
	p.call(second)
	if n := len(p.devices(t)); n != 1 {
		t.Errorf("the ghost has %d devices", n)
	}
}
