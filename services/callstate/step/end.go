package step

import (
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// hangUpUnanswered is a cancel from the caller, a refusal from a called leg.
func hangUpUnanswered(t *txn) {
	if !live(t.leg) {
		return
	}
	t.decide()
	reason := t.in.Command.GetHangUp().GetReason()
	if t.leg.GetSide() == callv1.Side_SIDE_CALLER {
		if reason != callv1.Reason_REASON_MEDIA_FAILED {
			reason = callv1.Reason_REASON_CANCELLED
		}
		t.heard("cancel", "")
		t.endLeg(t.leg, reason)
		t.endCall(reason)
		return
	}
	switch reason {
	case callv1.Reason_REASON_BUSY, callv1.Reason_REASON_MEDIA_FAILED, callv1.Reason_REASON_NOT_ACCEPTABLE:
	default:
		reason = callv1.Reason_REASON_DECLINED
	}
	t.heard("reject", reasonName(reason))
	t.endLeg(t.leg, reason)
	t.refused(reason)
}

// hangUpAnswered ends the call for both sides.
func hangUpAnswered(t *txn) {
	if !live(t.leg) {
		return
	}
	t.decide()
	reason := t.in.Command.GetHangUp().GetReason()
	if reason != callv1.Reason_REASON_MEDIA_FAILED {
		reason = callv1.Reason_REASON_NORMAL
	}
	t.heard("hang up", "")
	t.endLeg(t.leg, reason)
	t.endCall(reason)
}

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

// failAnswered gives up a leg of an answered call.
func failAnswered(t *txn) {
	l, f := t.leg, t.in.Command.GetLegFailed()
	if l == nil || !live(l) || ofAnother(f, l) {
		return
	}
	t.decide()
	t.failed(f)
	if f.GetReason() == callv1.Reason_REASON_TERMINAL_LOST && t.loseLeg(l) {
		return
	}
	t.endLeg(l, failReason(f))
	t.endCall(failReason(f))
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
// cannot. A terminal that is back already takes the leg at once.
func (t *txn) loseLeg(l *callv1.Leg) bool {
	if !l.GetTerminal().GetFeatures().GetResumes() || t.in.Settings.Grace <= 0 {
		return false
	}
	for _, target := range t.in.Targets {
		if t.canTakeUp(target, l) {
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

// refused notes why a called leg did not answer, and ends the call once none
// is left that could.
func (t *txn) refused(reason callv1.Reason) {
	if weight(reason) > weight(t.call.GetRefusal()) {
		t.call.Refusal = reason
	}
	if len(t.liveOn(callv1.Side_SIDE_CALLEE)) == 0 {
		t.endCall(t.call.GetRefusal())
	}
}

// weight orders the reasons that several called terminals give: what a person
// said counts more than what a machine found.
func weight(r callv1.Reason) int {
	switch r {
	case callv1.Reason_REASON_UNSPECIFIED:
		return 0
	case callv1.Reason_REASON_TERMINAL_LOST, callv1.Reason_REASON_UNREACHABLE, callv1.Reason_REASON_INTERNAL:
		return 1
	case callv1.Reason_REASON_NOT_ACCEPTABLE, callv1.Reason_REASON_MEDIA_FAILED:
		return 2
	case callv1.Reason_REASON_BUSY:
		return 3
	}
	return 4
}

// dropLeg ends a leg by Tandem's doing and tells its terminal.
func (t *txn) dropLeg(l *callv1.Leg, reason callv1.Reason, missed bool) {
	t.endLeg(l, reason)
	e := &callv1.Ended{Reason: reason, Missed: missed}
	if missed {
		e.Peer = t.call.GetCaller()
	}
	t.emit(l, &callv1.Event{Body: &callv1.Event_Ended{Ended: e}}, "ended", reasonName(reason))
}

// endLeg ends a leg whose terminal knows, or needs no telling.
func (t *txn) endLeg(l *callv1.Leg, reason callv1.Reason) {
	l.State, l.Reason, l.EndedAt, l.Lost = callv1.LegState_LEG_STATE_ENDED, reason, t.at, false
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_LOST, l.GetId())
	t.after = append(t.after, release(l.GetId()))
}

// endCall ends the call and every leg that is left, and tells those.
func (t *txn) endCall(reason callv1.Reason) {
	unanswered := t.call.GetState() == alerting
	for _, l := range t.call.GetLegs() {
		switch {
		case !live(l):
		case l.GetSide() == callv1.Side_SIDE_CALLER && t.in.Call == nil:
			t.endLeg(l, reason) // a refused offer: the reply says it
		default:
			t.dropLeg(l, reason, unanswered && l.GetSide() == callv1.Side_SIDE_CALLEE)
		}
	}
	t.call.State, t.call.Reason, t.call.EndedAt = ended, reason, t.at
	t.call.Deadlines = nil
	t.call.Headers = nil
}

// Release is the operation that ends a leg at its media node.
func Release(legID string) *callv1.MediaOp { return release(legID) }

func release(legID string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: legID, Op: &callv1.MediaOp_Release{Release: &callv1.Release{}}}
}

func keep(legID string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: legID, Op: &callv1.MediaOp_Keep{Keep: &callv1.Keep{}}}
}
