package matrix

import (
	"context"
	"strings"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// backlog is how many of a room's latest events are read again.
const backlog = 50

// catchUp handles what was said in a room and may not have been told: before we
// joined, or while the homeserver or we were away. The room's lock is held. What
// was handled is known by its id, and old invites do not ring.
func (t *term) catchUp(ctx context.Context, r *room) error {
	events, err := t.a.hs.recent(ctx, r.Own, r.ID, backlog)
	if err != nil {
		if again(err) {
			return err
		}
		t.log.Info("a room's latest events cannot be read", "room", r.ID, "error", err)
		return nil
	}
	var todo []incoming
	for _, e := range events {
		if in, ok := read(e); ok && in.key == nil && !t.a.ours(in.sender) && (isCallType(in.kind) || in.kind == typeEncrypted) {
			todo = append(todo, in)
		}
	}
	todo = t.news(r, todo)
	t.endFirst(todo)
	for _, in := range todo {
		if err := t.handle(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

// news leaves out what a call of the room is known to have had: an offer that is
// told again long after it was answered would be a new one.
func (t *term) news(r *room, all []incoming) []incoming {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := map[id.EventID]bool{}
	for _, k := range t.calls {
		if k.Room == r.ID && k.Last != "" {
			last[k.Last] = true
		}
	}
	from := 0
	for i, in := range all {
		if last[in.id] {
			from = i + 1
		}
	}
	return all[from:]
}

// endFirst marks the calls that a backlog has the end of, so that their invites,
// which come before it, do not ring for a moment.
func (t *term) endFirst(backlog []incoming) {
	for _, in := range backlog {
		if in.kind != typeHangup || t.wasSeen(in.id) {
			continue
		}
		if c, err := parse(in.kind, in.data); err == nil && t.namedCall(in.room, c.CallID) == nil {
			t.markHung(in.room, c.CallID)
		}
	}
}

// takeOver begins a term: the bot is there, users are reachable again, those in
// calls first, and every call that was stored is either taken up or told its end.
func (t *term) takeOver() {
	if !t.untilDone("making the bot known", t.makeBot) {
		return
	}
	first, rest := t.people()
	for _, p := range first {
		t.untilDone("making a user reachable", func(ctx context.Context) error { return t.reach(ctx, p) })
	}
	for _, k := range t.allCalls() {
		t.untilDone("taking up a call", func(ctx context.Context) error { return t.takeUp(ctx, k) })
	}
	for _, p := range rest {
		t.untilDone("making a user reachable", func(ctx context.Context) error { return t.reach(ctx, p) })
	}
	t.log.Info("all users are reachable", "users", len(first)+len(rest))
	t.eachEncrypted(t.ready)
}

// untilDone tries f until it does not fail with CODE_RETRY; false when the term
// ended first.
func (t *term) untilDone(what string, f func(context.Context) error) bool {
	for try := 0; ; try++ {
		ctx, cancel := context.WithTimeout(t.ctx, t.cfg.SendTimeout)
		err := f(ctx)
		cancel()
		if !again(err) {
			if err != nil {
				t.log.Warn(what+" failed", "error", err)
			}
			return t.ctx.Err() == nil
		}
		if try%10 == 3 {
			t.log.Warn(what+" is not possible yet", "error", err)
		}
		if !wait(t.ctx, backoff(try)) {
			return false
		}
	}
}

func (t *term) makeBot(ctx context.Context) error { return t.ensureGhost(ctx, t.a.bot, "Tandem") }

func (t *term) reach(ctx context.Context, person id.UserID) error {
	_, err := t.ensureUser(ctx, person, t.a.bot)
	return err
}

// people lists who is in a room with us: those in calls, and the others.
func (t *term) people() (inCalls, others []id.UserID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := map[id.UserID]bool{}
	for _, k := range t.calls {
		if !seen[k.User] {
			seen[k.User] = true
			inCalls = append(inCalls, k.User)
		}
	}
	for _, r := range t.rooms {
		if r.Joined && !seen[r.User] {
			seen[r.User] = true
			others = append(others, r.User)
		}
	}
	return inCalls, others
}

func (t *term) allCalls() (out []*call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.calls {
		out = append(out, k)
	}
	return out
}

func (t *term) eachEncrypted(f func(own id.UserID)) {
	t.mu.Lock()
	owns := map[id.UserID]bool{}
	for _, r := range t.rooms {
		if r.Encrypted && r.Joined {
			owns[r.Own] = true
		}
	}
	t.mu.Unlock()
	for own := range owns {
		f(own)
	}
}

// takeUp finds out how a stored call stands, by a command that changes nothing in
// one that goes on, and says again that its user is alerted in one that rings. Then
// what its room says since is read. Of a call that ended while nobody served, call
// state tells the end now.
//
// The room is held meanwhile: an owner that has not heard of the call yet shall not
// hear of it between its answer and what follows from that.
func (t *term) takeUp(ctx context.Context, k *call) error {
	unlock, err := t.lock(ctx, k.Room.String())
	if err != nil {
		return err
	}
	defer unlock()
	command := k.command("")
	command.Body = &callv1.Command_Ringing{Ringing: &callv1.Ringing{}}
	ended, unknown, failed := false, false, error(nil)
	t.accept(ctx, command, func(reply *callv1.Reply, err error) {
		switch schema.CodeOf(err) {
		case callv1.Code_CODE_ENDED:
			ended = true
		case callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_REDIRECTED:
			unknown = true
		case callv1.Code_CODE_RETRY:
			failed = err
		}
		ended = ended || err == nil && reply.GetLegState() == callv1.LegState_LEG_STATE_ENDED
	})
	if failed != nil {
		return failed
	}
	t.mu.Lock()
	asked := k.Placed && !k.Answered
	t.mu.Unlock()
	switch {
	case t.callOf(k.Leg) != k:
	case !ended && !unknown:
		t.chore(func() { t.identifyAgain(k) })
	case ended:
		t.chore(func() { t.awaitEnd(k) })
	case asked:
		// Its owner has never heard of it, or has long forgotten it: its invite, if that
		// is still fresh, is told again or read from the room.
		t.unlearn(ctx, k)
	default:
		t.endLost(ctx, k)
	}
	r := t.roomOf(k.Room)
	if r == nil {
		return nil
	}
	return t.catchUp(ctx, r)
}

// identifyAgain tells a client who the other party is, as a former start may not have
// done, if that has said what the identity follows: else it is about to be said.
func (t *term) identifyAgain(k *call) {
	t.mu.Lock()
	nobody, txn := k.Who == nil, k.WhoTxn
	t.mu.Unlock()
	r := t.roomOf(k.Room)
	if r == nil || nobody {
		return
	}
	after := &message{Room: r.ID, As: r.Own, Txn: strings.TrimSuffix(txn, whoSuffix)}
	if said, err := t.wasSaid(t.ctx, after); said && err == nil {
		t.identify(k)
	}
}

// untoldFor is how long call state may take to tell the end of a call to those who
// serve again.
const untoldFor = 10 * time.Second

// awaitEnd ends a call that has ended, unless its end is told: call state tells only
// for a while, and nobody may have served for longer.
func (t *term) awaitEnd(k *call) {
	if wait(t.ctx, untoldFor) && t.callOf(k.Leg) == k {
		t.endLost(t.ctx, k)
	}
}

// endLost ends a call of which nobody can say what became of it.
func (t *term) endLost(ctx context.Context, k *call) {
	t.log.Info("a call ended while nobody served", "leg", k.Leg, "room", k.Room, "user", k.User)
	t.end(ctx, k, callv1.Reason_REASON_TERMINAL_LOST)
}
