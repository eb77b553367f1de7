package step

import (
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// failUnanswered gives up a leg of a ringing call.
func failUnanswered(t *txn) {
	l, f := t.leg, t.in.Command.GetLegFailed()
	if l == nil || !live(l) || ofAnother(f, l) {
		return
	}
	lost := f.GetReason() == callv1.Reason_REASON_TERMINAL_LOST
	t.decide()
	t.failed(f)
	if l.GetSide() == callv1.Side_SIDE_CALLEE {
		if lost && outlives(l.GetTerminal()) && t.loseLeg(l) {
			return // it rings on
		}
		t.endLeg(l, failReason(f))
		if lost {
			t.waitForTerminal()
		} else {
			t.refused(failReason(f))
		}
		return
	}
	if lost && t.loseLeg(l) {
		return
	}
	t.endLeg(l, failReason(f))
	t.endCall(callv1.Reason_REASON_CANCELLED)
}

// waitForTerminal lets a call whose called terminals are all gone ring on for
// the grace period: one that comes back is rung.
func (t *txn) waitForTerminal() {
	if len(t.liveOn(callv1.Side_SIDE_CALLEE)) > 0 {
		return
	}
	if t.call.GetRefusal() != callv1.Reason_REASON_UNSPECIFIED {
		t.refused(callv1.Reason_REASON_UNREACHABLE)
		return
	}
	t.setDeadline(callv1.DeadlineKind_DEADLINE_KIND_LOST, "", t.in.Settings.Grace)
}

// failAnswered gives up a leg of an answered call. A candidate that goes leaves
// the call as it is.
func failAnswered(t *txn) {
	l, f := t.leg, t.in.Command.GetLegFailed()
	if l == nil || !live(l) || ofAnother(f, l) {
		return
	}
	t.decide()
	t.failed(f)
	lost := f.GetReason() == callv1.Reason_REASON_TERMINAL_LOST
	switch {
	case isCandidate(l):
		if !lost || !outlives(l.GetTerminal()) || !t.loseLeg(l) {
			t.dropCandidate(l, failReason(f))
		}
	case lost && t.loseLeg(l):
	default:
		t.endLeg(l, failReason(f))
		t.endCall(failReason(f))
	}
}

// ofAnother reports whether a failure is of a terminal that no longer holds the
// leg: another has taken it up since.
func ofAnother(f *callv1.LegFailed, l *callv1.Leg) bool {
	return f.GetTerminalId() != "" && f.GetTerminalId() != l.GetTerminal().GetId()
}

// failReason is why a leg is given up; a host that does not say has a defect.
func failReason(f *callv1.LegFailed) callv1.Reason {
	if f.GetReason() == callv1.Reason_REASON_UNSPECIFIED {
		return callv1.Reason_REASON_INTERNAL
	}
	return f.GetReason()
}

// failed notes a LegFailed in the ladder.
func (t *txn) failed(f *callv1.LegFailed) {
	detail := reasonName(failReason(f))
	if f.GetDetail() != "" {
		detail += ": " + f.GetDetail()
	}
	t.heard("leg failed", detail)
}

// loseLeg keeps the leg of a lost terminal that may come back; false if it
// cannot. A terminal that is back already takes the leg at once. Others of the
// subscriber are told by the owner (TerminalAttached): they may take its place.
func (t *txn) loseLeg(l *callv1.Leg) bool {
	if !l.GetTerminal().GetFeatures().GetResumes() || t.in.Settings.Grace <= 0 {
		return false
	}
	for _, target := range t.in.Targets {
		if canTakeUp(t.in, target, l) {
			t.takeUp(target, l)
			return true
		}
	}
	if !l.GetLost() {
		l.Lost = true
		t.setDeadline(callv1.DeadlineKind_DEADLINE_KIND_LOST, l.GetId(), t.in.Settings.Grace)
	}
	return true
}

// Lost lists the legs of a call whose terminals were lost between two records, or
// before the call was answered, if it is now: others may take their places.
func Lost(before, after *callv1.CallRecord) []*callv1.Leg {
	if !inCall(after) {
		return nil
	}
	var out []*callv1.Leg
	for _, l := range after.GetLegs() {
		if isActive(l) && l.GetLost() && (!inCall(before) || !leg(before, l.GetId()).GetLost()) {
			out = append(out, l)
		}
	}
	return out
}

// Spokesman gives the leg that speaks for a live call's media as a whole: one that
// is in the call, or calls, and whose terminal is not lost, if there is one.
func Spokesman(c *callv1.CallRecord) *callv1.Leg {
	var best *callv1.Leg
	for _, l := range c.GetLegs() {
		if !live(l) || inCall(c) && !isActive(l) {
			continue
		}
		if best == nil || best.GetLost() && !l.GetLost() {
			best = l
		}
	}
	return best
}

// lostForGood ends what waited for a terminal that did not come back: the
// call's called side (nil) or one leg. Others that ring ring on.
func (t *txn) lostForGood(l *callv1.Leg) {
	t.timer("the lost terminal did not come back")
	switch {
	case l == nil:
		t.endCall(callv1.Reason_REASON_UNREACHABLE)
	case inCall(t.call) && isCandidate(l):
		t.dropLeg(l, callv1.Reason_REASON_TERMINAL_LOST, false)
		t.candidateLeft(l, callv1.Reason_REASON_TERMINAL_LOST)
	case ringsUnanswered(t.call, l):
		t.dropLeg(l, callv1.Reason_REASON_TERMINAL_LOST, true)
		if len(t.liveOn(callv1.Side_SIDE_CALLEE)) == 0 {
			t.refused(callv1.Reason_REASON_UNREACHABLE)
		}
	case t.call.GetState() == alerting:
		t.dropLeg(l, callv1.Reason_REASON_TERMINAL_LOST, false)
		t.endCall(callv1.Reason_REASON_CANCELLED)
	default:
		t.dropLeg(l, callv1.Reason_REASON_TERMINAL_LOST, false)
		t.endCall(callv1.Reason_REASON_TERMINAL_LOST)
	}
}
