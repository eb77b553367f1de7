package step

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// passDeadline does what a deadline of the record is for. One that was moved
// or cleared since the owner's timer was set does nothing.
func passDeadline(t *txn) {
	p := t.in.Command.GetDeadlinePassed()
	if !isDue(t.in, p) {
		return
	}
	t.decide()
	t.clearDeadline(p.GetKind(), p.GetLegId())
	l := leg(t.call, p.GetLegId())
	switch p.GetKind() {
	case callv1.DeadlineKind_DEADLINE_KIND_ANSWER:
		t.timer("no answer in time")
		t.endCall(callv1.Reason_REASON_NO_ANSWER)
	case callv1.DeadlineKind_DEADLINE_KIND_MEDIA:
		t.mediaTimedOut(l)
	case callv1.DeadlineKind_DEADLINE_KIND_DURATION:
		t.timer("the longest allowed call")
		t.endCall(callv1.Reason_REASON_EXPIRED)
	case callv1.DeadlineKind_DEADLINE_KIND_LOST:
		if l == nil || t.call.GetPushLegId() != l.GetId() { // or it waits for the phone
			t.lostForGood(l)
		}
	case callv1.DeadlineKind_DEADLINE_KIND_REOFFER:
		t.reofferDeadline(l)
	case callv1.DeadlineKind_DEADLINE_KIND_PUSH:
		t.pushTimedOut()
	case callv1.DeadlineKind_DEADLINE_KIND_WAKE:
		t.timer("nobody signed in")
		t.endCall(callv1.Reason_REASON_UNREACHABLE)
	}
}

func isDue(in Input, p *callv1.DeadlinePassed) bool {
	for _, d := range in.Call.GetDeadlines() {
		if d.GetKind() == p.GetKind() && d.GetLegId() == p.GetLegId() {
			return !in.Now.Before(d.GetAt().AsTime())
		}
	}
	return false
}

func (t *txn) timer(detail string) { t.note("timer", tandem, "deadline", "", detail) }

func (t *txn) setDeadline(k callv1.DeadlineKind, legID string, after time.Duration) {
	t.clearDeadline(k, legID)
	if after > 0 {
		t.call.Deadlines = append(t.call.Deadlines,
			&callv1.Deadline{Kind: k, LegId: legID, At: timestamppb.New(t.in.Now.Add(after))})
	}
}

func (t *txn) clearDeadline(k callv1.DeadlineKind, legID string) {
	kept := t.call.Deadlines[:0]
	for _, d := range t.call.GetDeadlines() {
		if d.GetKind() != k || d.GetLegId() != legID {
			kept = append(kept, d)
		}
	}
	t.call.Deadlines = kept
}

// clearDeadlinesOf clears every deadline of a leg.
func (t *txn) clearDeadlinesOf(legID string) {
	kept := t.call.Deadlines[:0]
	for _, d := range t.call.GetDeadlines() {
		if d.GetLegId() != legID {
			kept = append(kept, d)
		}
	}
	t.call.Deadlines = kept
}

func (t *txn) hasDeadline(k callv1.DeadlineKind, legID string) bool {
	for _, d := range t.call.GetDeadlines() {
		if d.GetKind() == k && d.GetLegId() == legID {
			return true
		}
	}
	return false
}
