package step

import (
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// An answered call has one active leg a side. What else is live then is a
// candidate for its side's active leg's place: a terminal that a push rings, or
// one that is offered the call anew after its side's terminal was lost.

// inCall reports whether a call is answered and not over.
func inCall(c *callv1.CallRecord) bool {
	return c.GetState() == answered || c.GetState() == established
}

// isActive reports whether a leg is in its call: answered, and not over.
func isActive(l *callv1.Leg) bool {
	return l.GetState() == callv1.LegState_LEG_STATE_ANSWERED || l.GetState() == callv1.LegState_LEG_STATE_ESTABLISHED
}

// isCandidate reports whether a leg of an answered call has not answered.
func isCandidate(l *callv1.Leg) bool {
	return l.GetState() == callv1.LegState_LEG_STATE_OFFERED || l.GetState() == callv1.LegState_LEG_STATE_RINGING
}

// active gives the leg that speaks for a side of an answered call; nil before the
// answer.
func active(c *callv1.CallRecord, side callv1.Side) *callv1.Leg {
	for _, l := range c.GetLegs() {
		if l.GetSide() == side && isActive(l) {
			return l
		}
	}
	return nil
}

// across is the other side.
func across(side callv1.Side) callv1.Side {
	if side == callv1.Side_SIDE_CALLER {
		return callv1.Side_SIDE_CALLEE
	}
	return callv1.Side_SIDE_CALLER
}

// farOf gives the active leg of the other side; nil before the answer.
func farOf(c *callv1.CallRecord, l *callv1.Leg) *callv1.Leg { return active(c, across(l.GetSide())) }

// partyOf gives the party that a side was when the call was placed.
func partyOf(c *callv1.CallRecord, side callv1.Side) *callv1.Party {
	if side == callv1.Side_SIDE_CALLER {
		return c.GetCaller()
	}
	return c.GetCallee()
}

// candidates counts a side's legs that have not answered.
func candidates(c *callv1.CallRecord, side callv1.Side) int {
	n := 0
	for _, l := range c.GetLegs() {
		if l.GetSide() == side && isCandidate(l) {
			n++
		}
	}
	return n
}

// takesPart reports whether a terminal has a live leg in a call.
func takesPart(c *callv1.CallRecord, terminalID string) bool {
	for _, l := range c.GetLegs() {
		if live(l) && l.GetTerminal().GetId() == terminalID {
			return true
		}
	}
	return false
}

// sideOf gives the side that a subscriber may take a call over on: the one it is
// the party of or has a live leg on. Of two (a call to oneself) the one whose
// terminal is lost, else the called one. SIDE_UNSPECIFIED: it has no part in it.
func sideOf(c *callv1.CallRecord, subscriber string) callv1.Side {
	return sideBy(c, subscriber, live)
}

// sideIn is sideOf without those that only ring.
func sideIn(c *callv1.CallRecord, subscriber string) callv1.Side {
	return sideBy(c, subscriber, isActive)
}

func sideBy(c *callv1.CallRecord, subscriber string, counts func(*callv1.Leg) bool) callv1.Side {
	calls, called := c.GetCaller().GetSubscriber() == subscriber, c.GetCallee().GetSubscriber() == subscriber
	for _, l := range c.GetLegs() {
		if counts(l) && l.GetTerminal().GetSubscriber() == subscriber {
			calls = calls || l.GetSide() == callv1.Side_SIDE_CALLER
			called = called || l.GetSide() == callv1.Side_SIDE_CALLEE
		}
	}
	switch {
	case subscriber == "" || !calls && !called:
		return callv1.Side_SIDE_UNSPECIFIED
	case !called, calls && active(c, callv1.Side_SIDE_CALLER).GetLost() && !active(c, callv1.Side_SIDE_CALLEE).GetLost():
		return callv1.Side_SIDE_CALLER
	}
	return callv1.Side_SIDE_CALLEE
}

// takePlace makes a leg its side's active one: the leg it replaces ends as
// transferred, candidates as answered elsewhere. The other side is not told and
// not offered anew; its media is bridged with the new leg once this is committed.
// requested: the leg replaced asked for it.
func (t *txn) takePlace(l *callv1.Leg, requested bool) {
	old, far := active(t.call, l.GetSide()), farOf(t.call, l)
	l.State = callv1.LegState_LEG_STATE_ANSWERED
	t.after = append(t.after, keep(l.GetId()), bridge(l.GetId(), far.GetId()))
	if p := leg(t.call, t.call.GetPushLegId()); p != nil && p.GetSide() == l.GetSide() {
		t.clearPush()
	}
	e := &callv1.Ended{Reason: callv1.Reason_REASON_TRANSFERRED, Requested: requested}
	if requested {
		e.Peer = partyOf(t.call, across(l.GetSide()))
	}
	t.endLeg(old, e.GetReason())
	old.Skeleton = nil // of no use any more, and a call may be moved often
	t.emit(old, &callv1.Event{Body: &callv1.Event_Ended{Ended: e}}, "ended", reasonName(e.GetReason()))
	t.dropCandidates(l.GetSide(), callv1.Reason_REASON_ANSWERED_ELSEWHERE)
	t.awaitMedia(l)
	if onHold(far) && far.GetTerminal().GetFeatures().GetRenegotiates() {
		far.OfferHops = 1
		t.offerSoon(far) // whoever held it is gone
	}
	t.forgetLegs()
}

// onHold reports whether sound does not go both ways with a leg's terminal.
func onHold(l *callv1.Leg) bool {
	for _, m := range l.GetSkeleton().GetMLines() {
		if m.GetKind() == "audio" && !m.GetRejected() && m.GetDirection() != "" && m.GetDirection() != "sendrecv" {
			return true
		}
	}
	return false
}

// dropCandidates ends a side's legs that have not answered.
func (t *txn) dropCandidates(side callv1.Side, reason callv1.Reason) {
	for _, l := range t.call.GetLegs() {
		if l.GetSide() == side && isCandidate(l) {
			t.dropLeg(l, reason, false)
		}
	}
}

// maxLegs is how many legs a record keeps: a call that is moved more often
// forgets the first of those that are over.
const maxLegs = 96

// forgetLegs keeps a record from growing without end. The caller's first leg and
// legs whose terminals have not heard of their end stay.
func (t *txn) forgetLegs() {
	for i := 1; i < len(t.call.GetLegs()) && len(t.call.GetLegs()) > maxLegs; {
		if l := t.call.GetLegs()[i]; live(l) || t.hasPending(l) {
			i++
			continue
		}
		t.call.Legs = append(t.call.Legs[:i], t.call.Legs[i+1:]...)
	}
}

func (t *txn) hasPending(l *callv1.Leg) bool {
	for _, e := range t.call.GetPendingEvents() {
		if e.GetLegId() == l.GetId() {
			return true
		}
	}
	return false
}
