package matrix

import (
	"context"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// ensureGhost makes a ghost known to the homeserver, under the present name of
// whom it stands for.
func (t *term) ensureGhost(ctx context.Context, ghost id.UserID, shown string) error {
	t.mu.Lock()
	before, known := t.known[ghost]
	t.mu.Unlock()
	if known && before == shown {
		return nil
	}
	if !known {
		if err := t.a.hs.register(ctx, ghost); err != nil {
			return err
		}
	}
	if err := t.a.hs.displayName(ctx, ghost, shown); again(err) {
		return err
	} else if err != nil { // it can be called by its number, too
		t.log.Info("a ghost's name was not set", "ghost", ghost, "error", err)
	}
	t.mu.Lock()
	t.known[ghost] = shown
	t.mu.Unlock()
	return t.storeGhost(ctx, ghost, shown)
}

// storeGhost remembers a ghost's name, so that a restart does not set it again.
func (t *term) storeGhost(ctx context.Context, ghost id.UserID, shown string) error {
	key := storeKey(ghostKey, ghost.Localpart())
	_, revision, err := t.store().Get(ctx, key)
	if err != nil && schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		return err //nolint:wrapcheck // has a code
	}
	if _, err := t.store().Put(ctx, key, []byte(shown), revision); err != nil && schema.CodeOf(err) != callv1.Code_CODE_CONFLICT {
		return err //nolint:wrapcheck // has a code
	}
	return nil
}

// showCaller gives the bot a caller's name in a line, where the bot stands for
// everybody who calls.
func (t *term) showCaller(ctx context.Context, r *room, shown string) {
	t.mu.Lock()
	same := r.ShownAs == shown
	t.mu.Unlock()
	if same {
		return
	}
	err := t.a.hs.setState(ctx, r.Own, r.ID, typeMember, r.Own.String(), membership{memberJoin, shown})
	if err == nil {
		err = t.update(ctx, r, func() bool { r.ShownAs = shown; return true })
	}
	if err != nil { // the asserted identity says it as well
		t.log.Info("a caller's name is not shown on the line", "room", r.ID, "error", err)
	}
}

// makePortal makes the room of a person and a ghost, for calls to come: the person
// is invited, and can call back once it has joined.
func (t *term) makePortal(ctx context.Context, person, ghost id.UserID) {
	unlock, err := t.lock(ctx, person.String()+" "+ghost.String())
	if err != nil {
		return
	}
	defer unlock()
	t.mu.Lock()
	there := t.pairs[pair{person, ghost}] != nil
	t.mu.Unlock()
	if there {
		return
	}
	in, err := t.a.hs.createDirect(ctx, ghost, person)
	if err == nil {
		r := &room{ID: in, User: person, Own: ghost}
		if err = t.remember(ctx, r); err == nil { // what the homeserver told before that, was of no room of ours
			err = t.readEncryption(ctx, r)
		}
	}
	if err != nil {
		t.log.Info("no room made for a caller", "user", person, "ghost", ghost, "error", err)
		return
	}
	t.log.Info("room made for a caller", "room", in, "user", person, "ghost", ghost)
}
