package matrix

import (
	"context"
	"strconv"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// deliver puts an event into its call's room. The transaction follows from leg and
// number, so that one that comes again is not said again.
func (t *term) deliver(ctx context.Context, e *callv1.Event) error {
	if b := e.GetIncoming(); b != nil {
		return t.ring(ctx, e, b)
	}
	k := t.callOf(e.GetLegId())
	if k == nil {
		if e.GetEnded() != nil {
			return nil // told already
		}
		return schema.Errorf(callv1.Code_CODE_NOT_FOUND, "matrix: no such call")
	}
	txn := txnOf(e)
	switch b := e.GetBody().(type) {
	case *callv1.Event_Answered:
		return t.deliverAnswer(ctx, k, b.Answered, txn)
	case *callv1.Event_Ended:
		return t.deliverEnd(ctx, k, b.Ended)
	case *callv1.Event_Reoffer:
		return t.deliverOffer(ctx, k, e, b.Reoffer)
	}
	return nil // alerting, established and pushes have no word
}

// txnOf is the transaction that says an event.
func txnOf(e *callv1.Event) string {
	return schema.CompactUUID(e.GetLegId()) + "." + strconv.FormatUint(e.GetNumber(), 10)
}

func (t *term) deliverAnswer(ctx context.Context, k *call, a *callv1.Answered, txn string) error {
	t.mu.Lock()
	content := k.answer(a.GetSdp())
	t.mu.Unlock()
	if err := t.say(ctx, k, typeAnswer, content, txn, false); err != nil {
		return err
	}
	r := t.roomOf(k.Room)
	t.changeCall(ctx, k, func() { k.Answered, k.Who, k.WhoTxn = true, t.who(r, a.GetCallee()), txn+whoSuffix })
	t.chore(func() { t.identify(k) })
	return nil
}

func (t *term) deliverOffer(ctx context.Context, k *call, e *callv1.Event, o *callv1.Reoffer) error {
	t.mu.Lock()
	old := k.Version == version0
	k.offered = time.Now()
	content := k.negotiate("offer", o.GetSdp(), t.cfg.InviteLifetime)
	t.mu.Unlock()
	if old { // not while this event is being delivered: the command is of the same leg
		t.chore(func() { t.refuseOffer(t.ctx, k) })
		return nil
	}
	return t.say(ctx, k, typeNegotiate, content, txnOf(e), false)
}

func (t *term) deliverEnd(ctx context.Context, k *call, e *callv1.Ended) error {
	err := t.sayEnd(ctx, k, e.GetReason(), endOf(k.Leg))
	if again(err) {
		return err
	}
	t.log.Info("call over", "leg", k.Leg, "room", k.Room, "user", k.User, "reason", schema.ReasonName(e.GetReason()))
	t.dropCall(ctx, k)
	return err
}

// ring puts a call into the person's room with the caller, or on its line.
func (t *term) ring(ctx context.Context, e *callv1.Event, b *callv1.Incoming) error {
	k := t.callOf(e.GetLegId())
	if k == nil {
		var err error
		if k, err = t.ringing(ctx, e, b); err != nil {
			return err
		}
	}
	r := t.roomOf(k.Room)
	if r == nil {
		return schema.Errorf(callv1.Code_CODE_GONE, "matrix: the room is gone")
	}
	if t.line(r) {
		t.showCaller(ctx, r, shownName(b.GetCaller()))
	}
	t.mu.Lock()
	content := k.invite(b.GetSdp(), k.User.String(), t.cfg.InviteLifetime)
	t.mu.Unlock()
	if err := t.say(ctx, k, typeInvite, content, txnOf(e), false); err != nil {
		if !again(err) {
			t.dropCall(ctx, k)
		}
		return err
	}
	t.mu.Lock()
	k.rung = time.Now()
	t.mu.Unlock()
	t.log.Info("call rings", "call", e.GetCallId(), "leg", k.Leg, "room", k.Room, "user", k.User, "line", t.line(r))
	t.chore(func() { t.identify(k) })
	t.chore(func() { t.alert(t.ctx, k) })
	return nil
}

// ringing decides where a call rings and remembers it, before the room hears of it.
func (t *term) ringing(ctx context.Context, e *callv1.Event, b *callv1.Incoming) (*call, error) {
	t.mu.Lock()
	u := t.terminals[e.GetTerminalId()]
	t.mu.Unlock()
	if u == nil {
		return nil, schema.Errorf(callv1.Code_CODE_GONE, "matrix: no such user here")
	}
	caller, shown := shownAddress(b.GetCaller())
	own := t.callerAt(u.id, b.GetCaller())
	if own != t.a.bot {
		if err := t.ensureGhost(ctx, own, shownName(b.GetCaller())); err != nil {
			return nil, err
		}
	}
	r, err := t.ringsIn(ctx, u.id, own)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "matrix: the user has no room that could ring")
	}
	unlock, err := t.lock(ctx, r.ID.String()) // until the room's other calls can see it
	if err != nil {
		return nil, err
	}
	defer unlock()
	if shown && t.callsBack(r, caller) {
		return nil, schema.Errorf(callv1.Code_CODE_RETRY, "matrix: the person calls the caller in this room")
	}
	if t.line(r) && shown {
		if err := t.update(ctx, r, func() bool {
			changed := r.LastCaller != caller.String()
			r.LastCaller = caller.String()
			return changed
		}); err != nil {
			return nil, err
		}
		if own != t.a.bot && t.cfg.Portals {
			t.chore(func() { t.makePortal(t.ctx, u.id, own) })
		}
	}
	// A client that still has its former leg would decline the new one as busy.
	for _, k := range t.former(e.GetLegId(), u.id) {
		t.end(ctx, k, callv1.Reason_REASON_TERMINAL_LOST)
	}
	k := &call{
		Leg: e.GetLegId(), Subscriber: e.GetSubscriber(), Room: r.ID, User: u.id, CallID: e.GetLegId(),
		Party: partyOf(e.GetLegId()), Version: version1, Who: t.who(r, b.GetCaller()), WhoTxn: txnOf(e) + whoSuffix,
	}
	if err := t.keepCall(ctx, k); err != nil {
		return nil, err
	}
	return k, nil
}

// former gives the legs that a person had in a leg's call, which comes anew.
func (t *term) former(leg string, person id.UserID) (out []*call) {
	of, _, _ := schema.SplitLegID(leg)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.calls {
		if other, _, ok := schema.SplitLegID(k.Leg); ok && other == of && k.Leg != leg && k.User == person {
			out = append(out, k)
		}
	}
	return out
}

// callerAt gives the ghost as which a caller rings at a person: the one that has a
// room with the person, since a caller can have several addresses, or that of the
// address that is shown. It is the bot for callers without a ghost.
func (t *term) callerAt(person id.UserID, caller *callv1.Party) id.UserID {
	own := t.a.bot
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range shownAddresses(caller) {
		ghost, ok := t.a.ghost(a)
		if !ok {
			continue
		}
		if r := t.pairs[pair{person, ghost}]; r != nil && r.Joined {
			return ghost
		}
		if own == t.a.bot {
			own = ghost
		}
	}
	return own
}

// alert says that the user is being alerted: no event of Matrix does, and the room
// has the invite.
func (t *term) alert(ctx context.Context, k *call) {
	command := k.command("")
	command.Body = &callv1.Command_Ringing{Ringing: &callv1.Ringing{}}
	t.accept(ctx, command, func(*callv1.Reply, error) {}) // it may be over by now
}

// whoSuffix makes the transaction of an identity of that of what it follows.
const whoSuffix = ".who"

// identify tells a client who the other party is, where the room does not. The event
// that says so is delivered without it: it may take longer than that may. After a
// restart it is said again, unless it was.
func (t *term) identify(k *call) {
	ctx, cancel := context.WithTimeout(t.ctx, t.cfg.InviteLifetime)
	defer cancel()
	t.mu.Lock()
	who, txn := k.Who, k.WhoTxn
	content := wireIdentity{wireBase: k.base()}
	t.mu.Unlock()
	if who == nil {
		return
	}
	content.Identity = *who
	if err := t.say(ctx, k, typeIdentity, content, txn, false); err != nil {
		t.log.Info("who calls was not told", "leg", k.Leg, "error", err)
	}
}

// who is how a party is shown in a room; nil if nothing is known of it.
func (t *term) who(r *room, p *callv1.Party) *identity {
	if r == nil || p == nil {
		return nil
	}
	who := &identity{DisplayName: shownName(p)}
	if a, ok := shownAddress(p); !t.line(r) {
		who.ID = r.Own.String()
	} else if ok {
		if ghost, ok := t.a.ghost(a); ok {
			who.ID = ghost.String()
		}
	}
	return who
}
