package matrix

import (
	"context"
	"encoding/json"
	"fmt"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// membership is the content of m.room.member.
type membership struct {
	Membership  string `json:"membership"`
	DisplayName string `json:"displayname"`
}

const (
	memberJoin   = "join"
	memberInvite = "invite"
	memberLeave  = "leave"
	memberBan    = "ban"
)

// handleMember takes a change of who is in a room.
func (t *term) handleMember(ctx context.Context, r *room, in incoming) error {
	var m membership
	if err := json.Unmarshal(in.data, &m); err != nil {
		return schema.Invalid("content", "not a membership: %v", err)
	}
	who := id.UserID(*in.key)
	if r != nil {
		t.changedMembers(r)
	}
	switch {
	case t.a.ours(who) && m.Membership == memberInvite && !t.a.ours(in.sender):
		return t.welcome(ctx, in.room, who, in.sender)
	case t.a.ours(who) && (m.Membership == memberLeave || m.Membership == memberBan):
		return t.removed(ctx, r, who)
	case !t.a.ours(who) && m.Membership == memberInvite && r == nil:
		return t.adopt(ctx, in.room, in.sender, who)
	case t.a.ours(who) || r == nil || who != r.User:
		return nil
	case m.Membership == memberJoin:
		return t.personJoined(ctx, r, m)
	case m.Membership == memberLeave, m.Membership == memberBan:
		return t.personLeft(ctx, r)
	}
	return nil
}

// welcome follows an invitation of a person to a user of ours: a room with the bot
// is the person's line, one with a ghost a portal.
func (t *term) welcome(ctx context.Context, in id.RoomID, own, person id.UserID) error {
	if _, err := t.authenticate(ctx, person, ""); err != nil {
		return t.decline(ctx, in, own, person, err)
	}
	if a, ghost := t.a.ghostOf(own); ghost {
		p, err := t.a.host.LookUp(ctx, a.String())
		if err != nil {
			return t.decline(ctx, in, own, person, err)
		}
		if err := t.ensureGhost(ctx, own, shownName(p)); err != nil {
			return err
		}
	}
	if err := t.a.hs.join(ctx, own, in); err != nil {
		if again(err) {
			return err
		}
		return fmt.Errorf("matrix: the invitation cannot be followed: %w", err)
	}
	r := t.roomOf(in)
	if r == nil {
		r = &room{ID: in, User: person, Own: own, Joined: true}
		if err := t.remember(ctx, r); err != nil {
			return err
		}
		t.log.Info("room joined", "room", in, "user", person, "as", own)
	}
	if err := t.readEncryption(ctx, r); err != nil {
		return err
	}
	// Only now, since calls ring from then on.
	if _, err := t.ensureUser(ctx, person, t.a.bot); err != nil {
		return err
	}
	return t.catchUp(ctx, r)
}

// adopt makes a room known that a ghost has invited a person to, unless it is: who
// made it may have ended before it was stored.
func (t *term) adopt(ctx context.Context, in id.RoomID, own, person id.UserID) error {
	if _, ghost := t.a.ghostOf(own); !ghost {
		return nil
	}
	unlock, err := t.lock(ctx, person.String()+" "+own.String()) // it may just be being made
	if err != nil {
		return err
	}
	defer unlock()
	if t.roomOf(in) != nil {
		return nil
	}
	return t.remember(ctx, &room{ID: in, User: person, Own: own})
}

// decline leaves a room to which somebody was invited who may not be called, or
// who is nobody. An error that may pass is given back.
func (t *term) decline(ctx context.Context, in id.RoomID, own, person id.UserID, why error) error {
	if again(why) {
		return why
	}
	t.log.Info("invitation declined", "room", in, "user", person, "as", own, "error", why)
	if own != t.a.bot { // it must be somebody to leave
		if err := t.a.hs.register(ctx, own); err != nil && again(err) {
			return err
		}
	}
	if err := t.a.hs.leave(ctx, own, in); again(err) {
		return err
	}
	return nil
}

// personJoined: calls ring in the room from now on.
func (t *term) personJoined(ctx context.Context, r *room, m membership) error {
	err := t.update(ctx, r, func() bool {
		changed := !r.Joined
		r.Joined = true
		t.pairs[pair{r.User, r.Own}] = better(t.pairs[pair{r.User, r.Own}], r)
		return changed
	})
	if err != nil {
		return err
	}
	if _, err := t.ensureUser(ctx, r.User, t.a.bot); err != nil {
		return err
	}
	t.renamed(ctx, r.User, m.DisplayName)
	return nil
}

// personLeft ends the calls of a room, as if the person had hung up.
func (t *term) personLeft(ctx context.Context, r *room) error {
	t.hangUpAll(ctx, r, callv1.Reason_REASON_UNSPECIFIED)
	err := t.update(ctx, r, func() bool {
		changed := r.Joined
		r.Joined = false
		return changed
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.choose(pair{r.User, r.Own})
	t.mu.Unlock()
	t.forgetUser(r.User)
	return nil
}

// removed ends the calls of a room that a user of ours was put out of.
func (t *term) removed(ctx context.Context, r *room, own id.UserID) error {
	if r == nil || r.Own != own {
		return nil
	}
	t.hangUpAll(ctx, r, callv1.Reason_REASON_UNSPECIFIED)
	if err := t.forget(ctx, r); err != nil {
		return err
	}
	t.forgetUser(r.User)
	return nil
}
