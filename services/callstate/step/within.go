package step

import (
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// planCandidateRings has the media node take a candidate's early description.
func planCandidateRings(in Input) []*callv1.MediaOp {
	l := leg(in.Call, in.Command.GetLegId())
	if in.Command.GetRinging().GetSdp() == "" || !isCandidate(l) || l.GetEarly() {
		return nil
	}
	return []*callv1.MediaOp{takeAnswer(l, in.Command.GetRinging().GetSdp())}
}

func takeAnswer(l *callv1.Leg, sdp string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: l.GetId(), Revision: l.GetMediaRevision(), Op: &callv1.MediaOp_TakeAnswer{
		TakeAnswer: &callv1.TakeAnswer{Sdp: sdp},
	}}
}

// candidateRings marks a candidate as ringing; the other side is in its call and
// hears nothing of it. It decides nothing unless it brings a description.
func candidateRings(t *txn) {
	l := t.leg
	if !isCandidate(l) {
		return
	}
	if len(t.in.Media) > 0 {
		t.decide()
		if bad := anyFailed(t.in.Media); bad != nil {
			t.refuse(bad.GetCode(), "%s", bad.GetMessage())
			t.dropCandidate(l, reasonOf(bad.GetCode()))
			return
		}
		l.Early = true
		if _, skeleton := described(t.in.Media, l.GetId()); skeleton != nil {
			l.Skeleton = skeleton
		}
		t.after = append(t.after, keep(l.GetId()))
	}
	if l.GetState() == callv1.LegState_LEG_STATE_OFFERED {
		t.changed = true
		l.State = callv1.LegState_LEG_STATE_RINGING
		t.heard("ringing", "")
	}
}

// planAnswerWithin has the media node take an answer inside an answered call: a
// candidate's, or the one to an offer of ours, after which the other side may
// have to be told.
func planAnswerWithin(in Input) []*callv1.MediaOp {
	l, sdp := leg(in.Call, in.Command.GetLegId()), in.Command.GetAnswer().GetSdp()
	switch {
	case sdp == "":
		return nil
	case isCandidate(l):
		if l.GetEarly() {
			return nil
		}
		return []*callv1.MediaOp{takeAnswer(l, sdp)}
	case !isActive(l) || l.GetOfferOut() == 0:
		return nil
	}
	ops := []*callv1.MediaOp{{LegId: l.GetId(), Revision: l.GetOfferOut(), Op: &callv1.MediaOp_TakeAnswer{
		TakeAnswer: &callv1.TakeAnswer{Sdp: sdp},
	}}}
	if far := farOf(in.Call, l); !l.GetOfferDue() && l.GetOfferHops() < maxHops && offerable(far) {
		ops = append(ops, makeOfferAnew(in, far, l)...)
	}
	return ops
}

// answerWithin is an answer inside an answered call.
func answerWithin(t *txn) {
	l := t.leg
	switch {
	case !live(l):
		t.refuse(callv1.Code_CODE_ENDED, "the leg has ended")
	case isActive(l) && l.GetOfferOut() == 0:
		t.refuse(callv1.Code_CODE_CONFLICT, "the call is already answered")
	case t.in.Command.GetAnswer().GetSdp() == "" && !l.GetEarly(), // RFC 3960 section 3.1
		t.in.Command.GetAnswer().GetSdp() == "" && isActive(l):
		t.reply.Error = errNoSDP.Proto()
	case isActive(l):
		t.answeredOffer()
	default:
		t.candidateAnswers(l)
	}
}

// errNoSDP is what an answer without a description gets that needs one.
//
//nolint:gochecknoglobals // a sentinel
var errNoSDP = schema.Invalid("answer.sdp", "missing")

// candidateAnswers makes a candidate its side's leg. The first one wins.
func (t *txn) candidateAnswers(l *callv1.Leg) {
	t.decide()
	t.heard("answer", "")
	if !l.GetEarly() {
		if bad := failed(t.in.Media, l.GetId()); bad != nil {
			t.refuse(bad.GetCode(), "%s", bad.GetMessage())
			t.dropCandidate(l, reasonOf(bad.GetCode()))
			return
		}
		if _, skeleton := described(t.in.Media, l.GetId()); skeleton != nil {
			l.Skeleton = skeleton
		}
	}
	t.answeredWith(l)
	old := active(t.call, l.GetSide())
	t.takePlace(l, t.call.GetPushLegId() == old.GetId())
}

// dropCandidate ends a candidate whose terminal knows.
func (t *txn) dropCandidate(l *callv1.Leg, reason callv1.Reason) {
	t.endLeg(l, reason)
	t.candidateLeft(l, reason)
}

// candidateFails ends a candidate whose media is gone.
func (t *txn) candidateFails(l *callv1.Leg) {
	t.dropLeg(l, callv1.Reason_REASON_MEDIA_FAILED, false)
	t.candidateLeft(l, callv1.Reason_REASON_MEDIA_FAILED)
}

// candidateLeft draws the consequences: the last one of a push ends the push; a
// lost leg waits on.
func (t *txn) candidateLeft(l *callv1.Leg, reason callv1.Reason) {
	p := leg(t.call, t.call.GetPushLegId())
	if p == nil || p.GetSide() != l.GetSide() {
		return
	}
	if weight(reason) > weight(t.call.GetRefusal()) {
		t.call.Refusal = reason
	}
	if candidates(t.call, l.GetSide()) == 0 {
		t.failPush(t.call.GetRefusal())
	}
}
