package dendrite

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
)

// Room describes a room to be made.
type Room struct {
	// Invite are the ids of the users who are invited.
	Invite []string
	// Direct marks the room as one of two people.
	Direct bool
	// Encrypted rooms carry encrypted events only.
	Encrypted bool
}

// CreateRoom makes a private room and gives its id. Who is invited to it gets the
// creator's rights.
func (u *User) CreateRoom(t testing.TB, r Room) string {
	t.Helper()
	in := map[string]any{"preset": "trusted_private_chat", "invite": append([]string{}, r.Invite...), "is_direct": r.Direct}
	if r.Encrypted {
		in["initial_state"] = []any{map[string]any{
			"type": "m.room.encryption", "state_key": "", "content": map[string]any{"algorithm": "m.megolm.v1.aes-sha2"},
		}}
	}
	var made struct {
		ID string `json:"room_id"`
	}
	u.request(t, http.MethodPost, "/createRoom", in, &made)
	return made.ID
}

// Invite invites a user to a room.
func (u *User) Invite(t testing.TB, room, user string) {
	t.Helper()
	u.request(t, http.MethodPost, "/rooms/"+escape(room)+"/invite", map[string]any{"user_id": user}, nil)
}

// Join joins a room.
func (u *User) Join(t testing.TB, room string) {
	t.Helper()
	u.request(t, http.MethodPost, "/join/"+escape(room), map[string]any{}, nil)
}

// Leave leaves a room.
func (u *User) Leave(t testing.TB, room string) {
	t.Helper()
	u.request(t, http.MethodPost, "/rooms/"+escape(room)+"/leave", map[string]any{}, nil)
}

// Joined gives the ids of the room's members that have joined, sorted.
func (u *User) Joined(t testing.TB, room string) []string {
	t.Helper()
	var out struct {
		Joined map[string]any `json:"joined"`
	}
	u.request(t, http.MethodGet, "/rooms/"+escape(room)+"/joined_members", nil, &out)
	var ids []string
	for id := range out.Joined {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Invitations gives the rooms that the user is invited to, each with who invites.
func (u *User) Invitations(t testing.TB) map[string]string {
	t.Helper()
	var out struct {
		Rooms struct {
			Invite map[string]struct {
				State struct{ Events []Event } `json:"invite_state"`
			}
		}
	}
	u.request(t, http.MethodGet, "/sync?timeout=0", nil, &out)
	invitations := make(map[string]string)
	for room, r := range out.Rooms.Invite {
		for _, e := range r.State.Events {
			if e.Type == "m.room.member" && e.StateKey != nil && *e.StateKey == u.ID {
				invitations[room] = e.Sender
			}
		}
	}
	return invitations
}

// Membership gives how another user stands in a room: "join", "invite", "leave", or
// "" for somebody who never was there.
func (u *User) Membership(t testing.TB, room, user string) string {
	t.Helper()
	var out struct{ Membership string }
	err := u.Do(t, http.MethodGet, "/rooms/"+escape(room)+"/state/m.room.member/"+escape(user), nil, &out)
	var refused *Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return ""
	}
	if err != nil {
		t.Fatalf("membership of %s: %v", user, err)
	}
	return out.Membership
}

// Send sends a message event and gives its id.
func (u *User) Send(t testing.TB, room, kind string, content any) string {
	t.Helper()
	var out struct {
		ID string `json:"event_id"`
	}
	txn := fmt.Sprintf("test-%d", u.server.txn.Add(1))
	u.request(t, http.MethodPut, "/rooms/"+escape(room)+"/send/"+escape(kind)+"/"+txn, content, &out)
	return out.ID
}

// Event is an event as the server shows it to a client.
type Event struct {
	ID       string          `json:"event_id"`
	Type     string          `json:"type"`
	Sender   string          `json:"sender"`
	StateKey *string         `json:"state_key"`
	Content  json.RawMessage `json:"content"`
}

// Timeline gives the room's last events, oldest first, at most 200.
func (u *User) Timeline(t testing.TB, room string) []Event {
	t.Helper()
	var out struct {
		Chunk []Event `json:"chunk"`
	}
	query := url.Values{"dir": {"b"}, "limit": {"200"}}
	u.request(t, http.MethodGet, "/rooms/"+escape(room)+"/messages?"+query.Encode(), nil, &out)
	slices.Reverse(out.Chunk)
	return out.Chunk
}
