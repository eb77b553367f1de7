package matrix

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Types of state events that matter here.
const (
	typeMember     = "m.room.member"
	typeEncryption = "m.room.encryption"
	typeTombstone  = "m.room.tombstone"
	typeFunctional = "io.element.functional_members"
	typeEncrypted  = "m.room.encrypted"
)

// maxKey is the longest name that stands in a key as it is.
const maxKey = 180

// keyOf makes a key of a prefix and a name of the homeserver's.
func keyOf(prefix, name string) string {
	if len(name) > maxKey {
		sum := sha256.Sum256([]byte(name))
		name = hex.EncodeToString(sum[:])
	}
	return storeKey(prefix, name)
}

// roomOf gives a known room; nil for others.
func (t *term) roomOf(in id.RoomID) *room {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rooms[in]
}

// update changes a room and stores it, if f says that it changed it.
func (t *term) update(ctx context.Context, r *room, f func() bool) error {
	return r.stored.save(ctx, t.store(), func() ([]byte, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if !f() {
			return nil, nil
		}
		return json.Marshal(r) //nolint:wrapcheck // wrapped by save
	})
}

// remember makes a room of a person and a user of ours known. The room's lock is
// held.
func (t *term) remember(ctx context.Context, r *room) error {
	t.mu.Lock()
	if before := t.pairs[pair{r.User, r.Own}]; before != nil && before.Replaced {
		r.LastCaller = before.LastCaller
	}
	t.mu.Unlock()
	r.stored = &record{key: keyOf(roomPrefix, r.ID.String())}
	if err := t.update(ctx, r, func() bool { return true }); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rooms[r.ID] = r
	t.pairs[pair{r.User, r.Own}] = better(t.pairs[pair{r.User, r.Own}], r)
	return nil
}

// forget drops a room that we are no longer in.
func (t *term) forget(ctx context.Context, r *room) error {
	if err := r.stored.remove(ctx, t.store()); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.rooms, r.ID)
	if p := (pair{r.User, r.Own}); t.pairs[p] == r {
		delete(t.pairs, p)
		t.choose(p)
	}
	return nil
}

// choose finds the room of a pair anew. t.mu is held.
func (t *term) choose(p pair) {
	for _, r := range t.rooms {
		if r.User == p.person && r.Own == p.own {
			t.pairs[p] = better(t.pairs[p], r)
		}
	}
}

// replaced notes that a room goes on as another: as soon as we are in that, calls
// ring there. In the one before, most may say nothing any more.
func (t *term) replaced(ctx context.Context, r *room) error {
	err := t.update(ctx, r, func() bool {
		changed := !r.Replaced
		r.Replaced = true
		return changed
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.choose(pair{r.User, r.Own})
	return nil
}

// ringsIn gives the room in which a call of own's, or of anybody through the bot,
// rings at a person: nil if the person has joined none, or none of the two alone.
func (t *term) ringsIn(ctx context.Context, person, own id.UserID) (*room, error) {
	for _, u := range []id.UserID{own, t.a.bot} {
		t.mu.Lock()
		r := t.pairs[pair{person, u}]
		joined := r != nil && r.Joined
		t.mu.Unlock()
		if !joined {
			continue
		}
		two, err := t.twoParty(ctx, r)
		switch {
		case again(err):
			return nil, err
		case two:
			return r, nil
		}
		t.log.Info("no call rings in a room that has not exactly two members", "room", r.ID, "user", person, "error", err)
	}
	return nil, nil //nolint:nilnil // none
}

// line reports whether a room is a person's line.
func (t *term) line(r *room) bool { return r.Own == t.a.bot }

// functional lists members that do not count (MSC4171).
type functional struct {
	Members []id.UserID `json:"service_members"`
}

// present gives who is in a room, without functional members.
func (t *term) present(ctx context.Context, r *room) ([]id.UserID, error) {
	t.mu.Lock()
	members := r.members
	t.mu.Unlock()
	if members != nil {
		return members, nil
	}
	all, err := t.a.hs.joined(ctx, r.Own, r.ID)
	if err != nil {
		return nil, err
	}
	var f functional
	if len(all) > 2 {
		if _, err := t.a.hs.state(ctx, r.Own, r.ID, typeFunctional, &f); err != nil {
			return nil, err
		}
	}
	members = slices.DeleteFunc(all, func(u id.UserID) bool {
		return u != r.User && u != r.Own && slices.Contains(f.Members, u)
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	r.members = members
	return members, nil
}

// twoParty reports whether a room is one in which calls are made: with its person,
// our user and nobody else.
func (t *term) twoParty(ctx context.Context, r *room) (bool, error) {
	members, err := t.present(ctx, r)
	if err != nil {
		return false, err
	}
	return len(members) == 2 && slices.Contains(members, r.User) && slices.Contains(members, r.Own), nil
}

// changedMembers forgets who is in a room.
func (t *term) changedMembers(r *room) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.members = nil
}

// whom says whom a call in a room calls: a portal's ghost stands for somebody; who
// calls on its line calls back who called there last.
func (t *term) whom(r *room) (schema.Address, error) {
	if a, ok := t.a.ghostOf(r.Own); ok {
		return a, nil
	}
	t.mu.Lock()
	last := r.LastCaller
	t.mu.Unlock()
	if a, err := schema.ParseAddress(last); last != "" && err == nil {
		return a, nil
	}
	return schema.Address{}, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "matrix: nobody has called on this line to be called back")
}
