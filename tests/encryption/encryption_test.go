//go:build goolm

package encryption

import (
	"fmt"
	"net/http"
	"testing"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/tests/internal/dendrite"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// portal is an encrypted room of alice and a ghost, and alice's phone.
type portal struct {
	*site
	t     *testing.T
	alice *dendrite.User
	phone *phone
	ghost id.UserID
	room  id.RoomID
	calls int
}

func newPortal(t *testing.T, s *site) *portal {
	t.Helper()
	p := &portal{site: s, t: t, alice: s.User(t, "alice"), ghost: s.ghost(t, "2001")}
	p.phone = s.phone(t, p.alice, p.alice.Device, p.alice.Token)
	p.room = id.RoomID(p.alice.CreateRoom(t, dendrite.Room{Invite: []string{string(p.ghost)}, Direct: true, Encrypted: true}))
	s.as(t, p.ghost, http.MethodPost, "/join/"+string(p.room), map[string]any{}, nil)
	return p
}

// call has alice's phone send an invite and the ghost answer it.
func (p *portal) call(k *keeper) {
	p.t.Helper()
	p.calls++
	content := fmt.Sprintf(`{"call_id":"%d","version":"1"}`, p.calls)
	if got := k.open(p.t, p.ghost, p.phone.send(p.t, p.room, p.ghost, content)); got != "m.call.invite "+content {
		p.t.Errorf("the ghost reads %q", got)
	}
	p.answer(k, p.phone)
}

// answer has the ghost send an answer, which the phone reads.
func (p *portal) answer(k *keeper, reader *phone) {
	p.t.Helper()
	sent := p.post(p.t, p.ghost, p.room, k.seal(p.t, p.ghost, p.room, id.UserID(p.alice.ID), `{"party_id":"g"}`))
	harness.Eventually(p.t, within, "the answer", func() (bool, string) {
		got, err := reader.read(p.t, p.room, sent)
		return got == `m.call.answer {"party_id":"g"}`, fmt.Sprint(got, err)
	})
}

func TestBothWays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	k := s.keeper(t)
	p := newPortal(t, s)
	k.ensure(t, p.ghost)
	p.call(k)
	p.call(k)

	t.Run("clients need not warn", func(t *testing.T) {
		for _, d := range p.devices(t) {
			if !p.phone.mach.IsDeviceTrusted(t.Context(), d) {
				t.Errorf("device %s is not signed", d.DeviceID)
			}
		}
	})
	t.Run("what others write wakes nobody", func(t *testing.T) {
		before := k.syncs.Load()
		for i := range 20 {
			p.alice.Send(t, string(p.room), "m.room.message", map[string]any{"msgtype": "m.text", "body": fmt.Sprint(i)})
		}
		if n := k.syncs.Load() - before; n > 3 {
			t.Errorf("%d requests for 20 messages", n)
		}
	})
	t.Run("another device", func(t *testing.T) {
		laptop := s.phone(t, p.alice, "LAPTOP", "")
		harness.Eventually(t, within, "the laptop can read", func() (bool, string) {
			sent := s.post(t, p.ghost, p.room, k.seal(t, p.ghost, p.room, id.UserID(p.alice.ID), `{}`))
			got, err := laptop.read(t, p.room, sent)
			return err == nil, fmt.Sprint(got, err)
		})
		p.answer(k, p.phone)
	})
	t.Run("another node", func(t *testing.T) {
		k.stop()
		k = s.keeper(p.t)
		k.ensure(t, p.ghost)
		p.call(k)
		if n := len(p.devices(t)); n != 1 {
			t.Errorf("the ghost has %d devices", n)
		}
	})
	t.Run("another log-in", func(t *testing.T) { // which ends the first one's
		s.as(t, "", http.MethodPost, "/login", map[string]any{
			"type": "m.login.application_service", "device_id": p.one(t),
			"identifier": map[string]string{"type": "m.id.user", "user": string(p.ghost)},
		}, nil)
		p.call(k)
	})
	t.Run("the homeserver ends", func(t *testing.T) {
		s.Kill()
		s.Resume(t)
		k.ensure(t, p.ghost)
		p.call(k)
	})
}

// Users of the application service may be in a room with each other.
func TestTwoGhosts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	k := s.keeper(t)
	a, b := s.ghost(t, "1"), s.ghost(t, "2")
	var made struct {
		ID id.RoomID `json:"room_id"`
	}
	s.as(t, a, http.MethodPost, "/createRoom", map[string]any{
		"preset": "trusted_private_chat", "invite": []id.UserID{b}, "initial_state": []any{map[string]any{
			"type": "m.room.encryption", "state_key": "", "content": map[string]any{"algorithm": "m.megolm.v1.aes-sha2"},
		}},
	}, &made)
	s.as(t, b, http.MethodPost, "/join/"+string(made.ID), map[string]any{}, nil)
	k.ensure(t, a)
	k.ensure(t, b)
	for range 3 {
		for _, way := range [][2]id.UserID{{a, b}, {b, a}} {
			sent := s.post(t, way[0], made.ID, k.seal(t, way[0], made.ID, way[1], `{"x":1}`))
			if got := k.open(t, way[1], s.event(t, way[1], made.ID, sent)); got != `m.call.answer {"x":1}` {
				t.Errorf("%s reads %q", way[1], got)
			}
		}
	}
}
