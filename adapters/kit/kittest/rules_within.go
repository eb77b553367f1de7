package kittest

import (
	"strings"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// withinRules: what a terminal asks for, and hears, in an answered call.
var withinRules = []behaviour{
	{name: "a terminal offers anew and is answered", needs: []Ability{Reoffers}, run: func(k *rig) {
		for _, l := range k.talking() {
			l.ask(OpReoffer)
			a := l.of(k.asked("re-offer"))
			if !same(a.c.GetReoffer().GetSdp(), "the terminal's new offer") {
				k.t.Errorf("the re-offer's description is not the one that was sent:\n%s", a.c.GetReoffer().GetSdp())
			}
			k.silent(l.call, "before the owner committed the re-offer")
			acks := l.sendAll(l.event(ended(callv1.Reason_REASON_NORMAL)))
			a.okWith(SDP("the new answer"))
			if heard := k.expects(l.call, ReofferAnswered); !same(heard.SDP, "the new answer") {
				k.t.Errorf("the answer's description is not the one that was sent:\n%s", heard.SDP)
			}
			k.expects(l.call, Ended)
			acks()
			k.notAsked()
		}
	}},
	{name: "a re-offer that is refused leaves the call as it is", needs: []Ability{Reoffers}, run: func(k *rig) {
		for _, l := range k.talking() {
			for _, code := range []callv1.Code{callv1.Code_CODE_NOT_ACCEPTABLE, callv1.Code_CODE_CONFLICT, callv1.Code_CODE_INTERNAL} {
				l.ask(OpReoffer)
				k.asked("re-offer").refuse(code)
				l.refused(OpReoffer, code)
			}
			l.goesOn()
		}
	}},
	{name: "a re-offer whose outcome is unknown leaves the call as it is", needs: []Ability{Reoffers}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob).answered()
		l.ask(OpReoffer)
		k.asked("re-offer")
		l.refused(OpReoffer, callv1.Code_CODE_RETRY)
		l.goesOn()
	}},
	{name: "a terminal is offered anew and answers", needs: []Ability{TakesReoffers}, run: func(k *rig) {
		for _, l := range k.talking() {
			for range 2 {
				l.reoffered()
				l.ask(OpAnswerReoffer)
				a := l.of(k.asked("answer"))
				if !same(a.c.GetAnswer().GetSdp(), "the answer to the new offer") {
					k.t.Errorf("the answer's description is not the one that was sent:\n%s", a.c.GetAnswer().GetSdp())
				}
				k.silent(l.call, "before the owner committed the answer")
				a.ok(callv1.LegState_LEG_STATE_ESTABLISHED)
				k.acked(l.call)
			}
			l.goesOn()
		}
	}},
	{name: "an offer in a call is shown once", needs: []Ability{TakesReoffers}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob).answered()
		e := l.event(&callv1.Event_Reoffer{Reoffer: &callv1.Reoffer{Sdp: SDP("the new offer")}})
		l.accepted(l.send(e))
		k.expects(l.call, Reoffered)
		l.accepted(l.send(e)) // the acknowledgement was lost
		l.goesOn()
	}},
	{name: "a terminal refuses to be offered anew and keeps its call", needs: []Ability{TakesReoffers, RefusesReoffers}, run: func(k *rig) {
		for _, l := range k.talking() {
			l.reoffered()
			l.ask(OpRefuseReoffer)
			l.of(k.asked("refuse re-offer")).ok(callv1.LegState_LEG_STATE_ESTABLISHED)
			k.acked(l.call)
			l.goesOn()
		}
	}},
	{name: "an answer to an offer that was taken back leaves the call as it is", needs: []Ability{TakesReoffers}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob).answered()
		l.reoffered()
		l.ask(OpAnswerReoffer)
		k.asked("answer").refuse(callv1.Code_CODE_CONFLICT)
		l.refused(OpAnswerReoffer, callv1.Code_CODE_CONFLICT)
		l.goesOn()
	}},
	{name: "a wire without offers in a call is told of none", run: func(k *rig) {
		if k.can(TakesReoffers) {
			return
		}
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob).answered()
		byCall := k.h.Protocol.ByCall[TakesReoffers] != ""
		if t.GetFeatures().GetRenegotiates() && !byCall {
			k.t.Errorf("its terminals say that they renegotiate")
		}
		l.accepted(l.send(&callv1.Event_Reoffer{Reoffer: &callv1.Reoffer{Sdp: SDP("the new offer")}}))
		if byCall { // the adapter knows that this one does not
			l.of(k.asked("refuse re-offer")).ok(callv1.LegState_LEG_STATE_ESTABLISHED)
		}
		l.goesOn()
	}},
	{name: "a terminal gives its call to its subscriber's phone", needs: []Ability{Pushes}, run: func(k *rig) {
		for _, l := range k.talking() {
			l.ask(OpPush)
			a := l.of(k.asked("push"))
			k.silent(l.call, "before the owner committed the push")
			a.ok(callv1.LegState_LEG_STATE_ESTABLISHED)
			k.acked(l.call)
			k.silent(l.call, "before the phone has answered")
			l.accepted(l.send(&callv1.Event_Ended{Ended: &callv1.Ended{
				Reason: callv1.Reason_REASON_TRANSFERRED, Requested: true, Peer: Carol.party(false),
			}}))
			k.moved(l.call)
			k.silent(l.call, "after it was given away")
			k.notAsked()
		}
	}},
	{name: "a push that fails leaves the call as it is", needs: []Ability{Pushes}, run: func(k *rig) {
		for _, l := range k.talking() {
			for _, why := range []callv1.Reason{
				callv1.Reason_REASON_DECLINED, callv1.Reason_REASON_NO_ANSWER, callv1.Reason_REASON_UNREACHABLE,
			} {
				l.ask(OpPush)
				k.asked("push").ok(callv1.LegState_LEG_STATE_ESTABLISHED)
				k.acked(l.call)
				l.accepted(l.send(&callv1.Event_PushFailed{PushFailed: &callv1.PushFailed{Reason: why}}))
				k.expects(l.call, PushFailed)
			}
			l.goesOn()
		}
	}},
	{name: "a push that is refused leaves the call as it is", needs: []Ability{Pushes}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob).answered()
		for _, code := range []callv1.Code{
			callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_CONFLICT, callv1.Code_CODE_GONE, callv1.Code_CODE_NOT_ACCEPTABLE,
		} {
			l.ask(OpPush)
			k.asked("push").refuse(code)
			l.refused(OpPush, code)
		}
		l.goesOn()
	}},
	{name: "a request for another's call is no such call", needs: []Ability{Names}, run: func(k *rig) {
		mallory, _ := k.signIn(Bob)
		alice, t := k.signIn(Alice)
		k.owner.answerAll(func(a *asked) bool {
			if a.c.GetPrincipal() == Bob.Subscriber {
				a.refuse(callv1.Code_CODE_NOT_FOUND)
				return true
			}
			return false
		})
		l := k.place(alice, t, Alice, Carol).answered()
		for _, op := range []struct {
			Op
			Ability
		}{{OpReoffer, Reoffers}, {OpPush, Pushes}, {OpAnswerReoffer, TakesReoffers}} {
			if k.can(op.Ability) {
				stolen := &line{k: k, call: mallory.Named(l.legID), legID: l.legID, who: Bob}
				stolen.ask(op.Op)
				k.notTheirs(stolen.call, op.Op)
			}
		}
		if k.can(Pulls) {
			k.notTheirs(k.pulls(mallory, l.callID, SDP("a thief's")), OpPull)
		}
		l.goesOn()
	}},
	{name: "a called terminal sends media before it answers", needs: []Ability{EarlyMedia}, run: func(k *rig) {
		bob, t := k.signIn(Bob)
		l := k.incoming(bob, t, Bob, Alice)
		if err := with[EarlyRinger](k, l.call, EarlyMedia).RingEarly(k.ctx(), SDP("the early answer")); err != nil {
			k.t.Fatalf("ring: %v", err)
		}
		a := l.of(k.asked("ringing"))
		if !same(a.c.GetRinging().GetSdp(), "the early answer") {
			k.t.Errorf("the early description is not the one that was sent:\n%s", a.c.GetRinging().GetSdp())
		}
		a.ok(callv1.LegState_LEG_STATE_RINGING)
		k.acked(l.call)
		l.takes().over()
	}},
	{name: "a caller hears media before the answer", needs: []Ability{HearsEarlyMedia}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob)
		with[EarlyHearer](k, l.call, HearsEarlyMedia).HearsEarly()
		l.accepted(l.send(alerting()))
		if k.can(HearsAlerting) {
			k.expects(l.call, Alerting)
		}
		early := &callv1.Event_Alerting{Alerting: &callv1.Alerting{Sdp: SDP("the early answer")}}
		l.accepted(l.send(early))
		if heard := k.expects(l.call, Alerting); !same(heard.SDP, "the early answer") {
			k.t.Errorf("the early description is not the one that was sent:\n%s", heard.SDP)
		}
		l.accepted(l.send(early)) // after a restart of its owner
		k.silent(l.call, "when early media was told again")
		l.accepted(l.send(answeredWith(SDP("the early answer"))))
		if heard := k.expects(l.call, Answered); heard.SDP != "" && !same(heard.SDP, "the early answer") {
			k.t.Errorf("the answer's description is not the one that was sent:\n%s", heard.SDP)
		}
		l.ends(callv1.Reason_REASON_NORMAL)
	}},
	{name: "early media does not disturb a wire that has none", run: func(k *rig) {
		if k.can(HearsEarlyMedia) {
			return
		}
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob)
		l.accepted(l.send(alerting()))
		l.accepted(l.send(&callv1.Event_Alerting{Alerting: &callv1.Alerting{Sdp: SDP("the early answer")}}))
		l.accepted(l.send(answeredWith(SDP("the early answer"))))
		heard := k.says(l.call)
		for range 2 { // it may say again that the other side alerts
			if heard.What == Alerting && k.can(HearsAlerting) {
				heard = k.says(l.call)
			}
		}
		if heard.What != Answered || !same(heard.SDP, "the early answer") {
			k.t.Errorf("heard %+v, want the answer", heard)
		}
		l.ends(callv1.Reason_REASON_NORMAL)
	}},
	{name: "headers travel both ways", needs: []Ability{Headers}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		call, err := with[HeaderCaller](k, alice, Headers).CallWith(k.ctx(), Bob, SDP("the caller's offer"), headers("call"))
		if err != nil {
			k.t.Fatalf("call: %v", err)
		}
		a := k.asked("offer")
		k.wantsHeader("offer", a.c.GetOffer().GetHeaders(), "call")
		a.ok(callv1.LegState_LEG_STATE_OFFERED)
		k.acked(call)
		l := k.lineOf(call, a, t, Alice)
		e := answeredWith(SDP("the answer"))
		e.Answered.Headers = headers("answer")
		l.accepted(l.send(e))
		k.wantsHeader("answered call", k.expects(call, Answered).Headers, "answer")
		l.ends(callv1.Reason_REASON_NORMAL)

		bob, bobs := k.signIn(Bob)
		m := k.calling(bobs, Bob)
		invite := m.invite(Alice)
		invite.GetIncoming().Headers = headers("call")
		m.accepted(m.send(invite))
		m.call = k.ringing(bob)
		bears := with[HeaderBearer](k, m.call, Headers)
		k.wantsHeader("incoming call", bears.Headers(), "call")
		if err := bears.AnswerWith(k.ctx(), SDP("the called's answer"), headers("answer")); err != nil {
			k.t.Fatalf("answer: %v", err)
		}
		a = m.of(k.asked("answer"))
		k.wantsHeader("answer", a.c.GetAnswer().GetHeaders(), "answer")
		a.ok(callv1.LegState_LEG_STATE_ANSWERED)
		k.acked(m.call)
		m.over()
	}},
}

// notTheirs requires that a peer is told that there is no such call, in the words for
// a name that names nothing or in those for a refusal of what it asked.
func (k *rig) notTheirs(c Call, op Op) {
	k.t.Helper()
	want := k.h.Protocol.refusal(op, callv1.Code_CODE_NOT_FOUND)
	if want.What == "" {
		k.silent(c, "after a refusal that the wire cannot say")
		return
	}
	heard := k.says(c)
	if heard.What == Refused && heard.Code == callv1.Code_CODE_NOT_FOUND {
		return
	}
	if heard.What != want.What || heard.Code != want.Code || heard.Reason != want.Reason {
		k.t.Errorf("%s of another's call was heard as %+v, want that there is no such call, or %+v", op, heard, want)
	}
}

// talking gives answered calls, a placed one and one that rang, one after the other
// where a terminal can have but one.
func (k *rig) talking() []*line {
	k.t.Helper()
	alice, t := k.signIn(Alice)
	bob, bobs := k.signIn(Bob)
	placed := k.place(alice, t, Alice, Carol).answered()
	rang := k.incoming(bob, bobs, Bob, Carol).takes()
	rang.accepted(rang.send(&callv1.Event_Established{Established: &callv1.Established{}}))
	if k.can(HearsEstablished) {
		k.expects(rang.call, Established)
	}
	return []*line{placed, rang}
}

func headers(value string) []*callv1.Header {
	return []*callv1.Header{{Name: "X-Kittest-Header", Value: value}}
}

// wantsHeader requires that the kit's header is there.
func (k *rig) wantsHeader(what string, have []*callv1.Header, value string) {
	k.t.Helper()
	for _, h := range have {
		if strings.EqualFold(h.GetName(), "X-Kittest-Header") && h.GetValue() == value {
			return
		}
	}
	k.t.Errorf("the headers of the %s are %v, want X-Kittest-Header: %s", what, have, value)
}
