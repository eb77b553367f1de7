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
	reason = refusalOf(reason)
	t.heard("reject", reasonName(reason))
	t.endLeg(t.leg, reason)
	t.refused(reason)
}

// refusalOf gives the reason of a terminal that does not answer.
func refusalOf(reason callv1.Reason) callv1.Reason {
	switch reason {
	case callv1.Reason_REASON_BUSY, callv1.Reason_REASON_MEDIA_FAILED, callv1.Reason_REASON_NOT_ACCEPTABLE:
		return reason
	}
	return callv1.Reason_REASON_DECLINED
}

// hangUpAnswered ends the call for both sides, unless it comes from a candidate,
// which declines.
func hangUpAnswered(t *txn) {
	if !live(t.leg) {
		return
	}
	t.decide()
	reason := t.in.Command.GetHangUp().GetReason()
	if isCandidate(t.leg) {
		t.heard("reject", reasonName(refusalOf(reason)))
		t.dropCandidate(t.leg, refusalOf(reason))
		return
	}
	if reason != callv1.Reason_REASON_MEDIA_FAILED {
		reason = callv1.Reason_REASON_NORMAL
	}
	t.heard("hang up", "")
	t.endLeg(t.leg, reason)
	t.endCall(reason)
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
	l.OfferOut, l.OfferDue = 0, false
	t.clearDeadlinesOf(l.GetId())
	if t.call.GetPushLegId() == l.GetId() {
		t.call.PushLegId = ""
	}
	t.after = append(t.after, release(l.GetId()))
}

// endCall ends the call and every leg that is left, and tells those. To a
// terminal that an answered call rang, nobody wants it any more.
func (t *txn) endCall(reason callv1.Reason) {
	unanswered := t.call.GetState() == alerting
	for _, l := range t.call.GetLegs() {
		switch {
		case !live(l):
		case l.GetSide() == callv1.Side_SIDE_CALLER && t.in.Call == nil:
			t.endLeg(l, reason) // a refused offer: the reply says it
		case !unanswered && isCandidate(l):
			t.dropLeg(l, callv1.Reason_REASON_CANCELLED, false)
		default:
			t.dropLeg(l, reason, unanswered && l.GetSide() == callv1.Side_SIDE_CALLEE)
		}
	}
	t.call.State, t.call.Reason, t.call.EndedAt = ended, reason, t.at
	t.call.Deadlines = nil
	t.call.Headers = nil
	t.call.PushLegId = ""
}

// Release is the operation that ends a leg at its media node.
func Release(legID string) *callv1.MediaOp { return release(legID) }

func release(legID string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: legID, Op: &callv1.MediaOp_Release{Release: &callv1.Release{}}}
}

func keep(legID string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: legID, Op: &callv1.MediaOp_Keep{Keep: &callv1.Keep{}}}
}
