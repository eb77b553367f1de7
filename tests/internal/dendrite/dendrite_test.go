package dendrite

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// What was there before a server ended without warning is there afterwards.
func TestDurableServer(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{Durable: true})
	alice, bob := s.User(t, "alice"), s.User(t, "bob")
	if want := "@alice:" + Name; alice.ID != want {
		t.Errorf("user id %s, want %s", alice.ID, want)
	}
	room := alice.CreateRoom(t, Room{Invite: []string{bob.ID}, Direct: true})
	if got := bob.Invitations(t); len(got) != 1 || got[room] != alice.ID {
		t.Errorf("bob is invited to %v", got)
	}
	bob.Join(t, room)
	if got := []string{alice.Membership(t, room, bob.ID), alice.Membership(t, room, "@nobody:"+Name)}; got[0] != "join" || got[1] != "" {
		t.Errorf("members: %q", got)
	}
	first := alice.Send(t, room, "m.room.message", map[string]string{"msgtype": "m.text", "body": "one"})
	s.Kill()
	s.Resume(t)
	second := bob.Send(t, room, "m.room.message", map[string]string{"msgtype": "m.text", "body": "two"})
	if got := alice.Joined(t, room); !slices.Equal(got, []string{alice.ID, bob.ID}) {
		t.Errorf("joined: %v", got)
	}
	// What was sent is in the timeline a moment later.
	want := []string{first, second}
	harness.Eventually(t, requestWithin, "both messages", func() (bool, string) {
		var seen []string
		for _, e := range alice.Timeline(t, room) {
			if e.Type == "m.room.message" {
				seen = append(seen, e.ID)
			}
		}
		return slices.Equal(seen, want), fmt.Sprintf("messages %v, want %v", seen, want)
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{Name: "other.test"})
	alice := s.User(t, "alice")
	if want := "@alice:other.test"; alice.ID != want {
		t.Errorf("user id %s, want %s", alice.ID, want)
	}
	room := alice.CreateRoom(t, Room{})
	bob := s.User(t, "bob")
	var refused *Error
	err := bob.Do(t, http.MethodPost, "/join/"+escape(room), map[string]any{}, nil)
	if !errors.As(err, &refused) || refused.Status != http.StatusForbidden || refused.Code != "M_FORBIDDEN" {
		t.Errorf("joining a private room: %v, want to be refused", err)
	}
}
