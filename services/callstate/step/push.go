package step

import (
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// refusePush says why a push cannot begin.
func refusePush(in Input) *schema.Error {
	switch l := leg(in.Call, in.Command.GetLegId()); {
	case !live(l):
		return schema.Errorf(callv1.Code_CODE_ENDED, "the leg has ended")
	case !isActive(l):
		return schema.Errorf(callv1.Code_CODE_CONFLICT, "the leg has not answered")
	case in.Call.GetPushLegId() != "":
		return schema.Errorf(callv1.Code_CODE_CONFLICT, "another push is under way")
	case in.Callee == nil:
		return schema.Errorf(callv1.Code_CODE_NOT_FOUND, "the subscriber has no phone")
	case len(pushable(in)) == 0 && !wakesForPush(in, l):
		return schema.Errorf(callv1.Code_CODE_GONE, "the phone is not signed in")
	}
	return nil
}

// wakesForPush reports whether a push may wait for a phone that is being woken:
// one of the subscriber's own, since only that is known again when it signs in.
func wakesForPush(in Input, l *callv1.Leg) bool {
	return in.Wakes && in.Callee.GetSubscriber() == l.GetTerminal().GetSubscriber()
}

// pushable are the terminals that a push rings: the phone's, but for those that
// are in the call; of more than Forks those that came last.
func pushable(in Input) []*callv1.Terminal {
	var out []*callv1.Terminal
	for _, target := range in.Targets {
		if target.GetRings() && !takesPart(in.Call, target.GetId()) && !isFormer(target, in.Targets) {
			out = append(out, target)
		}
	}
	l := leg(in.Call, in.Command.GetLegId())
	room := min(in.Settings.Forks-candidates(in.Call, l.GetSide()), schema.FirstPulled-int(nextOrdinal(in.Call)))
	return out[max(0, len(out)-max(0, room)):]
}

// planPush has the media node make an offer of what the other side can do for
// each terminal that will ring.
func planPush(in Input) []*callv1.MediaOp {
	if refusePush(in) != nil {
		return nil
	}
	far := farOf(in.Call, leg(in.Call, in.Command.GetLegId()))
	var ops []*callv1.MediaOp
	for i, target := range pushable(in) {
		id := schema.LegID(in.Call.GetId(), nextOrdinal(in.Call)+uint32(i)) //nolint:gosec // bounded by Forks
		ops = append(ops, makeOffer(id, freshRevision(in, id), far.GetId(), target))
	}
	return ops
}

// pushCall rings the phone. The call stays where it is until the phone answers.
func pushCall(t *txn) {
	if err := refusePush(t.in); err != nil {
		t.reply.Error = err.Proto()
		return
	}
	targets, first := pushable(t.in), nextOrdinal(t.call)
	var why *callv1.Error
	rings := 0
	for i := range targets {
		id := schema.LegID(t.call.GetId(), first+uint32(i)) //nolint:gosec // bounded by Forks
		if bad := failed(t.in.Media, id); bad != nil {
			why = bad
		} else {
			rings++
		}
	}
	if len(targets) > 0 && rings == 0 {
		t.refuse(why.GetCode(), "offers for the phone: %s", why.GetMessage())
		return
	}
	t.decide()
	t.heard("push", "to "+t.in.Phone)
	t.call.PushLegId, t.call.Refusal = t.leg.GetId(), callv1.Reason_REASON_UNSPECIFIED
	for i, target := range targets {
		id := schema.LegID(t.call.GetId(), first+uint32(i)) //nolint:gosec // bounded by Forks
		if failed(t.in.Media, id) == nil {
			t.ring(id, t.leg.GetSide(), target, t.in.Phone, "incoming")
		}
	}
	wait := t.in.Settings.Ring
	if len(targets) == 0 {
		wait = min(wait, t.in.Settings.Wake)
	}
	t.setDeadline(callv1.DeadlineKind_DEADLINE_KIND_PUSH, t.leg.GetId(), wait)
	t.forgetLegs()
}

// clearPush ends a push without a word to the leg that asked for it.
func (t *txn) clearPush() {
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_PUSH, t.call.GetPushLegId())
	t.call.PushLegId, t.call.Refusal = "", callv1.Reason_REASON_UNSPECIFIED
}

// failPush ends a push that came to nothing: the call stays. A leg whose terminal
// was lost meanwhile, for longer than it may be, had only the phone to wait for.
func (t *txn) failPush(reason callv1.Reason) {
	l := leg(t.call, t.call.GetPushLegId())
	if reason == callv1.Reason_REASON_TERMINAL_LOST {
		reason = callv1.Reason_REASON_UNREACHABLE
	}
	t.clearPush()
	t.emit(l, &callv1.Event{Body: &callv1.Event_PushFailed{
		PushFailed: &callv1.PushFailed{Reason: reason},
	}}, "push failed", reasonName(reason))
	if l.GetLost() && !t.hasDeadline(callv1.DeadlineKind_DEADLINE_KIND_LOST, l.GetId()) {
		t.lostForGood(l)
	}
}

// pushTimedOut is the deadline of a push. Terminals that ring because the leg's
// own is lost ring on.
func (t *txn) pushTimedOut() {
	l := leg(t.call, t.call.GetPushLegId())
	reason := callv1.Reason_REASON_NO_ANSWER
	if candidates(t.call, l.GetSide()) == 0 {
		reason = callv1.Reason_REASON_UNREACHABLE
	}
	t.timer("the phone did not answer")
	if !l.GetLost() {
		t.dropCandidates(l.GetSide(), callv1.Reason_REASON_NO_ANSWER)
	}
	t.failPush(reason)
}

// joinsPush gives the side on which a terminal that appeared should ring because
// the call is being pushed to its subscriber's phone.
func joinsPush(in Input, target *callv1.Terminal) *callv1.Leg {
	p := leg(in.Call, in.Call.GetPushLegId())
	if p == nil || !target.GetRings() || p.GetTerminal().GetId() == target.GetId() {
		return nil
	}
	of, seen := false, false
	for _, l := range in.Call.GetLegs() {
		if l.GetSide() == p.GetSide() && isCandidate(l) {
			seen = true
			of = of || l.GetTerminal().GetSubscriber() == target.GetSubscriber()
		}
	}
	if of || !seen && p.GetTerminal().GetSubscriber() == target.GetSubscriber() {
		return p
	}
	return nil
}

// pushedAt is when the push under way began.
func pushedAt(in Input) time.Time {
	for _, d := range in.Call.GetDeadlines() {
		if d.GetKind() == callv1.DeadlineKind_DEADLINE_KIND_PUSH {
			return d.GetAt().AsTime().Add(-in.Settings.Ring)
		}
	}
	return in.Now
}
