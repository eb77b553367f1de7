package step

import (
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// canTakeUp reports whether a terminal may take up a leg: same subscriber and
// protocol, the leg's own terminal lost, or gone with the former start of its
// node.
func (t *txn) canTakeUp(target *callv1.Terminal, l *callv1.Leg) bool {
	old := l.GetTerminal()
	if !live(l) || !old.GetFeatures().GetResumes() || target.GetId() == old.GetId() ||
		target.GetKind() != old.GetKind() || target.GetSubscriber() != old.GetSubscriber() {
		return false
	}
	for _, other := range t.call.GetLegs() {
		if live(other) && other.GetTerminal().GetId() == target.GetId() {
			return false // it is in this call already
		}
	}
	restarted := target.GetNode() == old.GetNode() && target.GetInstance() != old.GetInstance()
	switch losing := kindOf(t.in.Command) == legFailed && t.leg == l; {
	case losing:
		return CameAbout(target, t.in.Now)
	case l.GetLost():
		return CameAbout(target, t.lostAt(l))
	}
	return restarted
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
func (t *txn) lostAt(l *callv1.Leg) time.Time {
	for _, d := range t.call.GetDeadlines() {
		if d.GetKind() == callv1.DeadlineKind_DEADLINE_KIND_LOST && d.GetLegId() == l.GetId() {
			return d.GetAt().AsTime().Add(-t.in.Settings.Grace)
		}
	}
	return t.in.Now
}

// takeUp gives a leg, and the events that wait for it, to another terminal.
func (t *txn) takeUp(target *callv1.Terminal, l *callv1.Leg) {
	l.Terminal, l.Lost = target, false
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_LOST, l.GetId())
	for i, e := range t.call.GetPendingEvents() {
		if e.GetLegId() == l.GetId() {
			t.call.PendingEvents[i] = Readdress(e, target)
		}
	}
	t.note(label(l), tandem, "back", l.GetId(), "took its leg up on a new connection")
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

// planAttach has the media node make an offer for a terminal that appeared
// while its subscriber's call rings.
func planAttach(in Input) []*callv1.MediaOp {
	c, target := callerLeg(in.Call), in.Command.GetTerminalAttached().GetTerminal()
	if c == nil || !joinsFork(in, target) {
		return nil
	}
	return []*callv1.MediaOp{makeOffer(schema.LegID(in.Call.GetId(), nextOrdinal(in.Call)), c.GetId(), target)}
}

// joinsFork reports whether a terminal that appeared should ring too.
func joinsFork(in Input, target *callv1.Terminal) bool {
	if !target.GetRings() || target.GetSubscriber() != in.Call.GetCallee().GetSubscriber() {
		return false
	}
	ringing := 0
	for _, l := range in.Call.GetLegs() {
		if l.GetTerminal().GetId() == target.GetId() {
			return false // rang already, or calls
		}
		if live(l) && l.GetSide() == callv1.Side_SIDE_CALLEE {
			ringing++
		}
	}
	return ringing < in.Settings.Forks && nextOrdinal(in.Call) < schema.MaxOrdinal
}

// attachRinging lets a terminal take up its subscriber's lost calling leg, or
// ring too.
func attachRinging(t *txn) {
	target := t.in.Command.GetTerminalAttached().GetTerminal()
	fork := joinsFork(t.in, target)
	if t.takeUpLost(target) || !fork {
		return
	}
	legID := schema.LegID(t.call.GetId(), nextOrdinal(t.call))
	if len(t.in.Media) == 0 || failed(t.in.Media, legID) != nil {
		return // it does not ring; the call goes on with the others
	}
	t.decide()
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_LOST, "")
	t.ring(legID, target)
}

// attachAnswered lets a terminal take up its subscriber's lost leg.
func attachAnswered(t *txn) {
	t.takeUpLost(t.in.Command.GetTerminalAttached().GetTerminal())
}

func (t *txn) takeUpLost(target *callv1.Terminal) bool {
	for _, l := range t.call.GetLegs() {
		if t.canTakeUp(target, l) && (l.GetSide() == callv1.Side_SIDE_CALLER || t.call.GetState() != alerting) {
			t.decide()
			t.takeUp(target, l)
			return true
		}
	}
	return false
}
