package step

import (
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// planAttachRinging has the media node make an offer for a terminal that appeared
// while its subscriber's call rings.
func planAttachRinging(in Input) []*callv1.MediaOp {
	c, target := callerLeg(in.Call), in.Command.GetTerminalAttached().GetTerminal()
	if c == nil || !joinsFork(in, target) || upForTaking(in, target) != nil {
		return nil
	}
	id := schema.LegID(in.Call.GetId(), nextOrdinal(in.Call))
	return []*callv1.MediaOp{makeOffer(id, freshRevision(in, id), c.GetId(), target)}
}

// joinsFork reports whether a terminal that appeared should ring too.
func joinsFork(in Input, target *callv1.Terminal) bool {
	if !target.GetRings() || target.GetSubscriber() != in.Call.GetCallee().GetSubscriber() {
		return false
	}
	ringing := 0
	for _, l := range in.Call.GetLegs() {
		if l.GetTerminal().GetId() == target.GetId() || rangOn(target, l) {
			return false // rang already, or calls
		}
		if live(l) && l.GetSide() == callv1.Side_SIDE_CALLEE {
			ringing++
		}
	}
	return ringing < in.Settings.Forks && nextOrdinal(in.Call) < schema.FirstPulled
}

// rangOn reports whether a leg is of a terminal that lives on as this one, and has
// its part in the call, or had: it will be taken up, or was over when the former
// terminal was lost.
func rangOn(target *callv1.Terminal, l *callv1.Leg) bool {
	return succeeds(target, l.GetTerminal()) && (live(l) || l.GetReason() != callv1.Reason_REASON_TERMINAL_LOST)
}

// attachRinging lets a terminal take up its subscriber's lost leg, or ring too.
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
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_WAKE, "")
	t.ring(legID, callv1.Side_SIDE_CALLEE, target, t.call.GetDialled(), "incoming")
}

// candidacy gives the leg whose place a terminal that appeared may take by
// answering, and what its offer is called; nil if there is none.
func candidacy(in Input, target *callv1.Terminal) (l *callv1.Leg, what string) {
	if takesPart(in.Call, target.GetId()) || nextOrdinal(in.Call) >= schema.FirstPulled {
		return nil, ""
	}
	since := in.Now
	if l = offeredAnew(in, target); l != nil {
		what, since = "offered anew", lostAt(in, l)
	} else if l = joinsPush(in, target); l != nil {
		what, since = "incoming", pushedAt(in)
	}
	if l == nil || candidates(in.Call, l.GetSide()) >= in.Settings.Forks {
		return nil, ""
	}
	for _, other := range in.Call.GetLegs() {
		if (other.GetTerminal().GetId() == target.GetId() || rangOn(target, other)) && !other.GetCreatedAt().AsTime().Before(since) {
			return nil, "" // it has declined, or will take that leg up
		}
	}
	return l, what
}

// offeredAnew gives the lost leg that a terminal of its subscriber is offered
// anew: one that rings, and is not shown its subscriber's calls to take them.
func offeredAnew(in Input, target *callv1.Terminal) *callv1.Leg {
	if !target.GetRings() || target.GetFeatures().GetShowsCalls() {
		return nil
	}
	for _, l := range in.Call.GetLegs() {
		if isActive(l) && l.GetLost() && l.GetTerminal().GetId() != target.GetId() &&
			l.GetTerminal().GetSubscriber() == target.GetSubscriber() {
			return l
		}
	}
	return nil
}

// planAttachAnswered has the media node make an offer of what the other side can
// do for a terminal that may take a lost leg's place, or be the phone of a push.
func planAttachAnswered(in Input) []*callv1.MediaOp {
	target := in.Command.GetTerminalAttached().GetTerminal()
	if upForTaking(in, target) != nil {
		return nil
	}
	l, _ := candidacy(in, target)
	if l == nil {
		return nil
	}
	id := schema.LegID(in.Call.GetId(), nextOrdinal(in.Call))
	return []*callv1.MediaOp{makeOffer(id, freshRevision(in, id), farOf(in.Call, l).GetId(), target)}
}

// attachAnswered lets a terminal take up its subscriber's lost leg, or offers it
// the call.
func attachAnswered(t *txn) {
	target := t.in.Command.GetTerminalAttached().GetTerminal()
	if t.takeUpLost(target) {
		return
	}
	l, what := candidacy(t.in, target)
	if l == nil {
		return
	}
	legID := schema.LegID(t.call.GetId(), nextOrdinal(t.call))
	if len(t.in.Media) == 0 || failed(t.in.Media, legID) != nil {
		return
	}
	t.decide()
	dialled := t.call.GetDialled()
	if a := partyOf(t.call, l.GetSide()).GetAddresses(); l.GetSide() == callv1.Side_SIDE_CALLER && len(a) > 0 {
		dialled = a[0]
	}
	t.ring(legID, l.GetSide(), target, dialled, what)
	t.forgetLegs()
}
