package step

import (
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// alert marks a called leg as ringing; the caller is told once. It decides
// nothing: after a crash the called terminal's host says it again, or nothing
// hangs on it any more.
func alert(t *txn) {
	if t.leg.GetState() != callv1.LegState_LEG_STATE_OFFERED {
		return
	}
	t.decide()
	t.provisional = true
	t.leg.State = callv1.LegState_LEG_STATE_RINGING
	t.heard("ringing", "")
	if c := callerLeg(t.call); c != nil && !c.GetAlerted() {
		c.Alerted = true
		t.emit(c, &callv1.Event{Body: &callv1.Event_Alerting{Alerting: &callv1.Alerting{}}}, "alerting", "")
	}
}

// planAnswer has the media node take the answer, answer the caller within it,
// and join the two.
func planAnswer(in Input) []*callv1.MediaOp {
	l, c := leg(in.Call, in.Command.GetLegId()), callerLeg(in.Call)
	if !live(l) || c == nil {
		return nil
	}
	return []*callv1.MediaOp{
		{LegId: l.GetId(), Revision: l.GetMediaRevision(), Op: &callv1.MediaOp_TakeAnswer{
			TakeAnswer: &callv1.TakeAnswer{Sdp: in.Command.GetAnswer().GetSdp()},
		}},
		makeAnswer(c, l.GetId()),
		bridge(c.GetId(), l.GetId()),
	}
}

func makeAnswer(l *callv1.Leg, peer string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: l.GetId(), Revision: l.GetMediaRevision(), Op: &callv1.MediaOp_MakeAnswer{
		MakeAnswer: &callv1.MakeAnswer{PeerLegId: peer},
	}}
}

func bridge(a, b string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: a, Op: &callv1.MediaOp_Bridge{Bridge: &callv1.Bridge{PeerLegId: b}}}
}

// answerCall makes the first answer win. Without usable media the leg that
// answered ends, and the others ring on.
func answerCall(t *txn) {
	if !live(t.leg) {
		t.refuse(callv1.Code_CODE_ENDED, "the leg has ended")
		return
	}
	t.decide()
	t.heard("answer", "")
	c := callerLeg(t.call)
	if bad := anyFailed(t.in.Media); bad != nil {
		t.refuse(bad.GetCode(), "%s", bad.GetMessage())
		t.endLeg(t.leg, reasonOf(bad.GetCode()))
		t.refused(reasonOf(bad.GetCode()))
		return
	}
	_, t.leg.Skeleton = described(t.in.Media, t.leg.GetId())
	t.answerLeg(t.leg)
	t.answerCaller(c, t.call.GetCallee(), t.in.Command.GetAnswer().GetHeaders())
	for _, l := range t.liveOn(callv1.Side_SIDE_CALLEE) {
		if l != t.leg {
			t.dropLeg(l, callv1.Reason_REASON_ANSWERED_ELSEWHERE, false)
		}
	}
	t.becomeAnswered()
}

// answerLeg marks a leg whose terminal needs no event to know it.
func (t *txn) answerLeg(l *callv1.Leg) {
	l.State = callv1.LegState_LEG_STATE_ANSWERED
}

// answerCaller gives a calling leg the answer that the media node made.
func (t *txn) answerCaller(l *callv1.Leg, by *callv1.Party, headers []*callv1.Header) {
	sdp, skeleton := described(t.in.Media, l.GetId())
	l.State, l.Skeleton = callv1.LegState_LEG_STATE_ANSWERED, skeleton
	t.emit(l, &callv1.Event{Body: &callv1.Event_Answered{Answered: &callv1.Answered{
		Sdp: sdp, Callee: by, Headers: headers,
	}}}, "answered", "")
}

func (t *txn) becomeAnswered() {
	t.call.State = answered
	t.call.AnsweredAt = t.at
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_ANSWER, "")
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_LOST, "")
	t.setDeadline(callv1.DeadlineKind_DEADLINE_KIND_MEDIA, "", t.in.Settings.MediaSetup)
	t.setDeadline(callv1.DeadlineKind_DEADLINE_KIND_DURATION, "", t.in.Settings.Duration)
	t.establish()
}

// planHandOver has the media node take the other caller's offer too, and
// answer both.
func planHandOver(in Input) []*callv1.MediaOp {
	h, c := in.Command.GetHandOver(), callerLeg(in.Call)
	if c == nil {
		return nil
	}
	id, revision := in.Command.GetLegId(), h.GetMediaRevision()
	return []*callv1.MediaOp{
		{LegId: id, Revision: revision, Op: &callv1.MediaOp_TakeOffer{
			TakeOffer: &callv1.TakeOffer{Sdp: h.GetOffer().GetSdp(), Features: h.GetOffer().GetTerminal().GetFeatures()},
		}},
		makeAnswer(c, id),
		makeAnswer(&callv1.Leg{Id: id, MediaRevision: revision}, c.GetId()),
		bridge(c.GetId(), id),
	}
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
	l.Ref, l.NextEvent, l.MediaRevision = h.GetOffer().GetRef(), max(h.GetNextEvent(), 1), h.GetMediaRevision()
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
