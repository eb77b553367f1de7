package step

import (
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// mayTakeUp reports whether a terminal could take up a leg if that was lost: same
// subscriber and protocol, and not in this call already.
func mayTakeUp(c *callv1.CallRecord, target *callv1.Terminal, l *callv1.Leg) bool {
	old := l.GetTerminal()
	return live(l) && old.GetFeatures().GetResumes() && target.GetId() != old.GetId() &&
		target.GetKind() == old.GetKind() && target.GetSubscriber() == old.GetSubscriber() &&
		!takesPart(c, target.GetId())
}

// outlives reports whether a terminal lives on without its adapter.
func outlives(t *callv1.Terminal) bool {
	f := t.GetFeatures()
	return f.GetDurable() && f.GetResumes() && f.GetRemembersCalls()
}

// succeeds reports whether a terminal goes on from another that its subscriber had
// at another node, or start of one: both live on without their adapter, which one
// node is at a time.
func succeeds(target, former *callv1.Terminal) bool {
	return outlives(target) && outlives(former) &&
		target.GetKind() == former.GetKind() && target.GetSubscriber() == former.GetSubscriber() &&
		(target.GetNode() != former.GetNode() || target.GetInstance() != former.GetInstance())
}

// isFormer reports whether another of the terminals goes on from this one.
func isFormer(terminal *callv1.Terminal, all []*callv1.Terminal) bool {
	if !outlives(terminal) {
		return false
	}
	for _, other := range all {
		if succeeds(other, terminal) && other.GetAttachedAt().AsTime().After(terminal.GetAttachedAt().AsTime()) {
			return true
		}
	}
	return false
}

// restarted reports whether a leg's terminal is gone with the former start of its
// node.
func restarted(target *callv1.Terminal, l *callv1.Leg) bool {
	old := l.GetTerminal()
	return target.GetNode() == old.GetNode() && target.GetInstance() != old.GetInstance()
}

// canTakeUp reports whether a terminal takes up a leg by itself: it knows the
// calls of the terminal before it, which is lost. One that sees its subscriber's
// calls and remembers none (a Pipe) is another sort of connection.
func canTakeUp(in Input, target *callv1.Terminal, l *callv1.Leg) bool {
	former := l.GetTerminal().GetFeatures()
	if !target.GetFeatures().GetRemembersCalls() || former.GetShowsCalls() && !former.GetRemembersCalls() ||
		// It was there before the call.
		target.GetAttachedAt().AsTime().Before(l.GetCreatedAt().AsTime()) && !succeeds(target, l.GetTerminal()) ||
		!mayTakeUp(in.Call, target, l) {
		return false
	}
	switch losing := kindOf(in.Command) == legFailed && in.Command.GetLegId() == l.GetId(); {
	case losing:
		return CameAbout(target, in.Now)
	case l.GetLost():
		return CameAbout(target, lostAt(in, l))
	}
	return restarted(target, l)
}

// noticedWithin is how long after a terminal's loss it may be noticed: its node
// must be missed first.
const noticedWithin = 15 * time.Second

// CameAbout reports whether a terminal was attached about the time at which
// another was found lost, or later: one that was there before is another device
// of the subscriber, which does not know the call.
func CameAbout(target *callv1.Terminal, lost time.Time) bool {
	return target.GetAttachedAt().AsTime().After(lost.Add(-noticedWithin))
}

// lostAt is when a lost leg was found lost.
func lostAt(in Input, l *callv1.Leg) time.Time {
	for _, d := range in.Call.GetDeadlines() {
		if d.GetKind() == callv1.DeadlineKind_DEADLINE_KIND_LOST && d.GetLegId() == l.GetId() {
			return d.GetAt().AsTime().Add(-in.Settings.Grace)
		}
	}
	return in.Now
}

// upForTaking gives the lost leg that a terminal which appeared takes up by
// itself; nil if there is none. A leg that rings is not taken up unless its terminal
// lives on, ringing: a terminal rings with a leg of its own.
func upForTaking(in Input, target *callv1.Terminal) *callv1.Leg {
	for _, l := range in.Call.GetLegs() {
		if canTakeUp(in, target, l) && (!rings(in.Call, l) || outlives(l.GetTerminal())) {
			return l
		}
	}
	return nil
}

// rings reports whether a live leg waits for its terminal's answer.
func rings(c *callv1.CallRecord, l *callv1.Leg) bool {
	return ringsUnanswered(c, l) || inCall(c) && isCandidate(l)
}

func (t *txn) takeUpLost(target *callv1.Terminal) bool {
	l := upForTaking(t.in, target)
	if l == nil {
		return false
	}
	t.decide()
	t.takeUp(target, leg(t.call, l.GetId()))
	return true
}

// takeUp gives a leg, and the events that wait for it, to another terminal. Media
// that was lost with the former one has to come up again.
func (t *txn) takeUp(target *callv1.Terminal, l *callv1.Leg) {
	l.Terminal, l.Lost = as(target, l.GetAnsweredWith()), false
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_LOST, l.GetId())
	for i, e := range t.call.GetPendingEvents() {
		if e.GetLegId() == l.GetId() {
			t.call.PendingEvents[i] = Readdress(e, target)
		}
	}
	t.note(label(l), tandem, "back", l.GetId(), "took its leg up on a new connection")
	if !inCall(t.call) || isCandidate(l) {
		return
	}
	if p := leg(t.call, t.call.GetPushLegId()); p == nil || p.GetSide() != l.GetSide() {
		t.dropCandidates(l.GetSide(), callv1.Reason_REASON_ANSWERED_ELSEWHERE)
	}
	if !l.GetMediaConnected() {
		t.awaitMedia(l)
	}
	if l.GetOfferDue() {
		t.offerSoon(l)
	}
}

// TakeUp has a terminal take up the leg that its command names, whose own
// terminal is gone: it must know the leg, or it could not name it. It gives the
// input with which the command is to go on, which is not committed yet; ok is false
// if the terminal may not. A called leg that still rings ends instead, since its
// terminal rings anew, unless that has lived on.
func TakeUp(in Input, target *callv1.Terminal) (on Input, ok bool) {
	old := leg(in.Call, in.Command.GetLegId())
	lost := in.Now
	if old.GetLost() {
		lost = lostAt(in, old)
	}
	anew := ringsUnanswered(in.Call, old) && !outlives(old.GetTerminal())
	if !Live(in.Call) || !live(old) || inCall(in.Call) && !isActive(old) && !outlives(old.GetTerminal()) ||
		!mayTakeUp(in.Call, target, old) && !anew ||
		!restarted(target, old) && !CameAbout(target, lost) {
		return in, false
	}
	t := &txn{in: in, call: clone(in.Call), at: timestamp(in.Now), reply: &callv1.Reply{}}
	l := leg(t.call, old.GetId())
	if anew {
		t.endLeg(l, callv1.Reason_REASON_TERMINAL_LOST)
		t.waitForTerminal()
	} else {
		t.takeUp(target, l)
	}
	if !Live(t.call) {
		return in, false
	}
	on = in
	on.Call, on.TakenUp, on.left = t.call, true, t.after
	return on, true
}

// ringsUnanswered reports whether a leg is a called one in a call that rings.
func ringsUnanswered(c *callv1.CallRecord, l *callv1.Leg) bool {
	return c.GetState() == alerting && l.GetSide() == callv1.Side_SIDE_CALLEE
}

// Readdress gives an event for another terminal, in a copy: events are never
// changed.
func Readdress(e *callv1.Event, target *callv1.Terminal) *callv1.Event {
	if e.GetTerminalId() == target.GetId() {
		return e
	}
	return &callv1.Event{
		CallId: e.CallId, LegId: e.LegId, Number: e.Number, Ref: e.Ref, At: e.At, Body: e.Body,
		MediaNode: e.MediaNode, Subscriber: e.Subscriber, TerminalId: target.GetId(),
	}
}
