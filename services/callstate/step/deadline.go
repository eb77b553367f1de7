package step

import (
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// passDeadline does what a deadline of the record is for. One that was moved
// or cleared since the owner's timer was set does nothing.
func passDeadline(t *txn) {
	p := t.in.Command.GetDeadlinePassed()
	if !t.due(p) {
		return
	}
	t.decide()
	t.clearDeadline(p.GetKind(), p.GetLegId())
	switch p.GetKind() {
	case callv1.DeadlineKind_DEADLINE_KIND_ANSWER:
		t.timer("no answer in time")
		t.endCall(callv1.Reason_REASON_NO_ANSWER)
	case callv1.DeadlineKind_DEADLINE_KIND_MEDIA:
		t.timer("media did not connect in time")
		t.endCall(callv1.Reason_REASON_MEDIA_FAILED)
	case callv1.DeadlineKind_DEADLINE_KIND_DURATION:
		t.timer("the longest allowed call")
		t.endCall(callv1.Reason_REASON_EXPIRED)
	case callv1.DeadlineKind_DEADLINE_KIND_LOST:
		t.lostForGood(leg(t.call, p.GetLegId()))
	}
}

func (t *txn) due(p *callv1.DeadlinePassed) bool {
	for _, d := range t.call.GetDeadlines() {
		if d.GetKind() == p.GetKind() && d.GetLegId() == p.GetLegId() {
			return !t.in.Now.Before(d.GetAt().AsTime())
		}
	}
	return false
}

// lostForGood ends what waited for a terminal that did not come back: the
// call's called side (nil) or one leg.
func (t *txn) lostForGood(l *callv1.Leg) {
	t.timer("the lost terminal did not come back")
	switch {
	case l == nil:
		t.endCall(callv1.Reason_REASON_UNREACHABLE)
	case t.call.GetState() == alerting:
		t.dropLeg(l, callv1.Reason_REASON_TERMINAL_LOST, false)
		t.endCall(callv1.Reason_REASON_CANCELLED)
	default:
		t.dropLeg(l, callv1.Reason_REASON_TERMINAL_LOST, false)
		t.endCall(callv1.Reason_REASON_TERMINAL_LOST)
	}
}

func (t *txn) timer(detail string) { t.note("timer", tandem, "deadline", "", detail) }
