package step

import (
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// planHandOver has the media node take the other caller's offer too, and
// answer both: this call's caller last, since its answer is made once and should
// only be made if the two can be joined.
func planHandOver(in Input) []*callv1.MediaOp {
	h, c := in.Command.GetHandOver(), callerLeg(in.Call)
	if c == nil {
		return nil
	}
	id, revision := in.Command.GetLegId(), h.GetMediaRevision()
	ops := []*callv1.MediaOp{
		takeOffer(id, revision, h.GetOffer().GetSdp(), h.GetOffer().GetTerminal()),
		makeAnswer(&callv1.Leg{Id: id, MediaRevision: revision}, c.GetId()),
	}
	if !c.GetEarly() {
		ops = append(ops, makeAnswer(c, id))
	}
	return append(ops, bridge(c.GetId(), id))
}

// takeOver settles a glare: the called subscriber's own call to the caller is
// joined to this one, both offers are answered, and nobody rings any more.
func takeOver(t *txn) {
	h, c := t.in.Command.GetHandOver(), callerLeg(t.call)
	if c == nil {
		t.refuse(callv1.Code_CODE_ENDED, "no caller")
		return
	}
	if bad := anyFailed(t.in.Media); bad != nil {
		t.refuse(bad.GetCode(), "%s", bad.GetMessage())
		return
	}
	t.decide()
	l := t.addLeg(t.in.Command.GetLegId(), callv1.Side_SIDE_CALLEE, h.GetOffer().GetTerminal())
	l.Ref, l.NextEvent = h.GetOffer().GetRef(), max(h.GetNextEvent(), 1)
	l.MediaRevision, l.TransportRevision = h.GetMediaRevision(), h.GetMediaRevision()
	t.leg = l
	t.call.HandedOverFrom = h.GetFromCallId()
	t.note(label(l), tandem, "offer", l.GetId(), "crossed this call; both are answered (call "+h.GetFromCallId()+")")
	t.after = append(t.after, keep(l.GetId()))
	t.answerCaller(c, t.call.GetCallee(), h.GetOffer().GetHeaders())
	t.answerCaller(l, t.call.GetCaller(), t.call.GetHeaders())
	for _, other := range t.liveOn(callv1.Side_SIDE_CALLEE) {
		if other != l {
			t.dropLeg(other, callv1.Reason_REASON_ANSWERED_ELSEWHERE, false)
		}
	}
	t.becomeAnswered()
}
