package step

import (
	"google.golang.org/protobuf/proto"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// planRinging has the media node take the description of a terminal that sends
// media before it answers (early media, RFC 3960), and answer the caller within
// it. The caller has one answer: the first early leg's.
func planRinging(in Input) []*callv1.MediaOp {
	l, c := leg(in.Call, in.Command.GetLegId()), callerLeg(in.Call)
	if in.Command.GetRinging().GetSdp() == "" || !live(l) || l.GetEarly() || c == nil {
		return nil
	}
	ops := []*callv1.MediaOp{takeAnswer(l, in.Command.GetRinging().GetSdp())}
	if !c.GetEarly() {
		ops = append(ops, makeAnswer(c, l.GetId()), bridge(c.GetId(), l.GetId()))
	}
	return ops
}

// alert marks a called leg as ringing; the caller is told once, and once more if
// early media comes later. Without early media it decides nothing: after a crash
// the called terminal's host says it again, or nothing hangs on it any more.
func alert(t *txn) {
	early := len(t.in.Media) > 0
	if t.leg.GetState() != callv1.LegState_LEG_STATE_OFFERED && !early {
		return
	}
	t.decide()
	c := callerLeg(t.call)
	if !early {
		t.provisional = true
		t.heard("ringing", "")
	} else {
		t.heard("ringing", "early media")
		if bad := anyFailed(t.in.Media); bad != nil {
			t.refuse(bad.GetCode(), "%s", bad.GetMessage())
			t.endLeg(t.leg, reasonOf(bad.GetCode()))
			t.refused(reasonOf(bad.GetCode()))
			return
		}
		t.leg.Early = true
		if _, skeleton := described(t.in.Media, t.leg.GetId()); skeleton != nil {
			t.leg.Skeleton = skeleton
		}
		t.after = append(t.after, keep(t.leg.GetId()))
	}
	t.leg.State = callv1.LegState_LEG_STATE_RINGING
	switch {
	case c == nil:
	case early && !c.GetEarly():
		c.Early, c.Alerted = true, true
		sdp, skeleton := described(t.in.Media, c.GetId())
		c.Skeleton = skeleton
		t.after = append(t.after, keep(c.GetId()))
		t.emit(c, &callv1.Event{Body: &callv1.Event_Alerting{Alerting: &callv1.Alerting{Sdp: sdp}}}, "alerting", "early media")
	case !c.GetAlerted():
		c.Alerted = true
		t.emit(c, &callv1.Event{Body: &callv1.Event_Alerting{Alerting: &callv1.Alerting{}}}, "alerting", "")
	}
}

// planAnswer has the media node take the answer, answer the caller within it,
// and join the two, as far as early media has not done it.
func planAnswer(in Input) []*callv1.MediaOp {
	l, c, sdp := leg(in.Call, in.Command.GetLegId()), callerLeg(in.Call), in.Command.GetAnswer().GetSdp()
	if !live(l) || c == nil || sdp == "" && !l.GetEarly() {
		return nil
	}
	ops := make([]*callv1.MediaOp, 0, 3)
	if !l.GetEarly() {
		ops = append(ops, takeAnswer(l, sdp))
	}
	if !c.GetEarly() {
		ops = append(ops, makeAnswer(c, l.GetId()))
	}
	return append(ops, bridge(c.GetId(), l.GetId()))
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
	switch {
	case !live(t.leg):
		t.refuse(callv1.Code_CODE_ENDED, "the leg has ended")
		return
	case t.in.Command.GetAnswer().GetSdp() == "" && !t.leg.GetEarly():
		t.reply.Error = errNoSDP.Proto()
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
	if _, skeleton := described(t.in.Media, t.leg.GetId()); skeleton != nil {
		t.leg.Skeleton = skeleton
	}
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
	t.answeredWith(l)
}

// answeredWith notes what an answer says that its terminal can do in this call.
func (t *txn) answeredWith(l *callv1.Leg) {
	if f := t.in.Command.GetAnswer().GetFeatures(); f != nil {
		l.AnsweredWith, l.Terminal = f, as(l.GetTerminal(), f)
	}
}

// as gives a terminal that can do in a call what its answer there said, in a copy. A
// nil f is the terminal itself.
func as(terminal *callv1.Terminal, f *callv1.Features) *callv1.Terminal {
	if f == nil {
		return terminal
	}
	attached := terminal.GetFeatures()
	f = proto.CloneOf(f)
	f.Resumes, f.RemembersCalls, f.Durable = attached.GetResumes(), attached.GetRemembersCalls(), attached.GetDurable()
	f.ShowsCalls = attached.GetShowsCalls()
	out := proto.CloneOf(terminal)
	out.Features = f
	return out
}

// answerCaller gives a calling leg the answer that the media node made, now or
// for early media.
func (t *txn) answerCaller(l *callv1.Leg, by *callv1.Party, headers []*callv1.Header) {
	sdp, skeleton := described(t.in.Media, l.GetId())
	if l.GetEarly() {
		sdp = earlySDP(t.call, l)
	}
	if skeleton != nil {
		l.Skeleton = skeleton
	}
	l.State = callv1.LegState_LEG_STATE_ANSWERED
	t.emit(l, &callv1.Event{Body: &callv1.Event_Answered{Answered: &callv1.Answered{
		Sdp: sdp, Callee: by, Headers: headers,
	}}}, "answered", "")
}

func (t *txn) becomeAnswered() {
	t.call.State = answered
	t.call.AnsweredAt = t.at
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_ANSWER, "")
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_LOST, "")
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_WAKE, "")
	t.setDeadline(callv1.DeadlineKind_DEADLINE_KIND_MEDIA, "", t.in.Settings.MediaSetup)
	t.setDeadline(callv1.DeadlineKind_DEADLINE_KIND_DURATION, "", t.in.Settings.Duration)
	t.establish()
}
