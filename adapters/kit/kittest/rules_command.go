package kittest

import (
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// commandRules: wire to canonical, and what the peer is told of it.
var commandRules = []behaviour{
	{name: "a request is acknowledged only after the commit", run: func(k *rig) {
		alice, _ := k.signIn(Alice)
		call, a := k.dialling(alice, Bob)
		k.silent(call, "before the owner committed the call")
		a.ok(callv1.LegState_LEG_STATE_OFFERED)
		k.acked(call)

		bob, t := k.signIn(Bob)
		l := k.incoming(bob, t, Bob, Alice)
		l.do(OpAnswer)
		a = k.asked("answer")
		k.silent(l.call, "before the owner committed the answer")
		a.ok(callv1.LegState_LEG_STATE_ANSWERED)
		k.acked(l.call)
		l.over()
	}},
	{name: "a command says who speaks, and what it was given", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		call, a := k.dialling(alice, Bob)
		o := a.c.GetOffer()
		switch {
		case a.c.GetPrincipal() != Alice.Subscriber:
			k.t.Errorf("the offer's principal is %q, want %q", a.c.GetPrincipal(), Alice.Subscriber)
		case o.GetTerminal().GetId() != t.GetId() || o.GetTerminal().GetSubscriber() != Alice.Subscriber:
			k.t.Errorf("the offer's terminal is %v, want %v", o.GetTerminal(), t)
		case o.GetCaller().GetSubscriber() != Alice.Subscriber:
			k.t.Errorf("the offer's caller is %v, want the principal's party", o.GetCaller())
		case o.GetTo() != "sip:"+Bob.AOR && o.GetTo() != "tel:"+Bob.MSISDN:
			k.t.Errorf("the offer is to %q, want an address of bob's", o.GetTo())
		case !same(o.GetSdp(), "the caller's offer"):
			k.t.Errorf("the offer's description is not the one that was sent:\n%s", o.GetSdp())
		case a.from.GetKind() != t.GetKind() || a.from.GetNode() != nodeName:
			k.t.Errorf("the offer came from %v", a.from)
		}
		a.ok(callv1.LegState_LEG_STATE_OFFERED)
		k.acked(call)

		bob, bobs := k.signIn(Bob)
		l := k.incoming(bob, bobs, Bob, Alice)
		l.do(OpAnswer)
		a = k.asked("answer")
		if a.c.GetPrincipal() != Bob.Subscriber || a.c.GetLegId() != l.legID {
			k.t.Errorf("the answer is by %q for leg %s, want %q for %s",
				a.c.GetPrincipal(), a.c.GetLegId(), Bob.Subscriber, l.legID)
		}
		if !same(a.c.GetAnswer().GetSdp(), "the called's answer") {
			k.t.Errorf("the answer's description is not the one that was sent:\n%s", a.c.GetAnswer().GetSdp())
		}
		a.ok(callv1.LegState_LEG_STATE_ANSWERED)
		k.acked(l.call)
		k.notAsked() // and once is enough
		l.over()
	}},
	{name: "a called terminal says that it alerts", needs: []Ability{Rings}, run: func(k *rig) {
		bob, t := k.signIn(Bob)
		l := k.incoming(bob, t, Bob, Alice)
		l.do(OpRing)
		a := k.asked("ringing")
		if a.c.GetLegId() != l.legID {
			k.t.Errorf("leg %s rings, want %s", a.c.GetLegId(), l.legID)
		}
		a.ok(callv1.LegState_LEG_STATE_RINGING)
		k.acked(l.call)
		l.takes().over()
	}},
	{name: "a refused call is told in the protocol's terms, and the terminal goes on", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		for code := range callv1.Code_name {
			switch c := callv1.Code(code); c {
			case callv1.Code_CODE_UNSPECIFIED, callv1.Code_CODE_RETRY, callv1.Code_CODE_REDIRECTED:
			default:
				call, a := k.dialling(alice, Bob)
				a.refuse(c)
				(&line{k: k, call: call}).refused(OpCall, c)
			}
		}
		k.place(alice, t, Alice, Bob).answered().over()
	}},
	{name: "a refused answer is told in the protocol's terms", run: func(k *rig) {
		bob, t := k.signIn(Bob)
		for _, code := range []callv1.Code{
			callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_CONFLICT, callv1.Code_CODE_NOT_ACCEPTABLE, callv1.Code_CODE_INTERNAL,
		} {
			l := k.incoming(bob, t, Bob, Alice)
			l.do(OpAnswer)
			k.asked("answer").refuse(code)
			l.refused(OpAnswer, code)
			l.over()
		}
		k.incoming(bob, t, Bob, Alice).takes().over()
	}},
	{name: "an answer that ended its leg is followed by the end", run: func(k *rig) {
		bob, t := k.signIn(Bob)
		l := k.incoming(bob, t, Bob, Alice)
		l.do(OpAnswer)
		k.asked("answer").answer(&callv1.Reply{
			LegState: callv1.LegState_LEG_STATE_ENDED, Reason: callv1.Reason_REASON_NOT_ACCEPTABLE,
			Error: &callv1.Error{Code: callv1.Code_CODE_NOT_ACCEPTABLE, Message: "no usable media"},
		})
		k.untilEnded(l.call)
		l.over()
	}},
	{name: "without an owner the peer is told to try again", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		k.owner.stop()
		call, err := alice.Call(k.ctx(), Bob, SDP("the caller's offer"))
		if err != nil {
			k.t.Fatalf("call: %v", err)
		}
		(&line{k: k, call: call}).refused(OpCall, callv1.Code_CODE_RETRY)
		if err := k.owner.start(); err != nil {
			k.t.Fatalf("kittest: %v", err)
		}
		k.notAsked() // nothing had happened, so there is nothing to hang up
		k.place(alice, t, Alice, Bob).answered().over()
	}},
	{name: "an owner that is away for a moment is waited for", run: func(k *rig) {
		alice, _ := k.signIn(Alice)
		k.owner.stop()
		call, err := alice.Call(k.ctx(), Bob, SDP("the caller's offer"))
		if err != nil {
			k.t.Fatalf("call: %v", err)
		}
		k.silent(call, "while nobody owns the call")
		if err := k.owner.start(); err != nil {
			k.t.Fatalf("kittest: %v", err)
		}
		k.asked("offer").ok(callv1.LegState_LEG_STATE_OFFERED)
		k.acked(call)
		k.silent(call, "after the acknowledgement")
		k.notAsked()
	}},
	{name: "a reply that was lost does not make two calls", run: func(k *rig) {
		alice, _ := k.signIn(Alice)
		call, a := k.dialling(alice, Bob)
		deadline := time.Now().Add(k.h.Patience)
		for a.sent() < 2 && time.Now().Before(deadline) { // the host asks again
			k.silent(call, "before any reply")
		}
		a.ok(callv1.LegState_LEG_STATE_OFFERED)
		k.acked(call)
		k.silent(call, "after the acknowledgement")
		k.notAsked()
	}},
	{name: "a call whose outcome is unknown is hung up", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		call, a := k.dialling(alice, Bob)
		(&line{k: k, call: call}).refused(OpCall, callv1.Code_CODE_RETRY)
		b := k.asked("hang-up")
		if b.c.GetLegId() != a.c.GetLegId() {
			k.t.Errorf("leg %s was hung up, want %s", b.c.GetLegId(), a.c.GetLegId())
		}
		b.ok(callv1.LegState_LEG_STATE_ENDED)
		l := k.lineOf(call, a, t, Alice)
		l.accepted(l.send(alerting()))
		k.silent(call, "of a call that was refused")
		k.place(alice, t, Alice, Bob).answered().over()
	}},
	{name: "a repeated wire message is one command", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob)
		k.owner.answerAll(func(a *asked) bool {
			if a.c.GetOffer() != nil && a.c.GetLegId() != l.legID {
				return false // another call: the test below sees it
			}
			a.refuse(callv1.Code_CODE_CONFLICT)
			return true
		})
		if err := l.call.Repeat(k.ctx()); err != nil {
			k.t.Fatalf("repeat: %v", err)
		}
		k.notAsked()
		k.owner.answerAll(nil)
		l.accepted(l.send(answeredWith(SDP("the answer"))))
		for heard := k.hears(l.call); heard.What != Answered; heard = k.hears(l.call) {
			if heard.What != Acked && heard.What != Refused {
				k.t.Fatalf("heard %+v after a repeated message; want at most an answer to it", heard)
			}
		}
		l.over()
	}},
	{name: "calls side by side are told apart", needs: []Ability{ManyCalls}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		one := k.place(alice, t, Alice, Bob)
		two := k.place(alice, t, Alice, Carol)
		if one.legID == two.legID {
			k.t.Fatalf("two calls are one leg")
		}
		two.answered()
		k.silent(one.call, "when the other call was answered")
		one.do(OpHangUp)
		a := k.asked("hang-up")
		if a.c.GetLegId() != one.legID {
			k.t.Errorf("leg %s was hung up, want %s", a.c.GetLegId(), one.legID)
		}
		a.ok(callv1.LegState_LEG_STATE_ENDED)
		two.ends(callv1.Reason_REASON_NORMAL)
	}},
	{name: "candidates and digits go to the leg's media node", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob).answered()
		if k.can(Trickles) {
			const candidate = "candidate:7 1 udp 2130706431 127.0.0.1 40007 typ host"
			if err := l.call.Trickle(k.ctx(), candidate); err != nil {
				k.t.Fatalf("trickle: %v", err)
			}
			got := k.signal(l)
			if c := got.GetCandidates().GetCandidates(); len(c) != 1 || c[0].GetCandidate() != candidate {
				k.t.Errorf("the media node got %v", got)
			}
		}
		if k.can(SignalsDTMF) {
			if err := l.call.DTMF(k.ctx(), "5"); err != nil {
				k.t.Fatalf("dtmf: %v", err)
			}
			if got := k.signal(l); got.GetDtmf().GetDigit() != "5" {
				k.t.Errorf("the media node got %v", got)
			}
		}
	}},
}

// signal waits for a signal of a leg.
func (k *rig) signal(l *line) *callv1.Signal {
	k.t.Helper()
	for {
		select {
		case s := <-k.signals:
			if s.GetLegId() != l.legID || s.GetPrincipal() != l.who.Subscriber {
				k.t.Errorf("a signal of leg %s by %q, want %s by %q", s.GetLegId(), s.GetPrincipal(), l.legID, l.who.Subscriber)
			}
			if s.GetCandidates() != nil && len(s.GetCandidates().GetCandidates()) == 0 {
				continue // only the end of candidates
			}
			return s
		case <-k.ctx().Done():
			k.t.Fatalf("the media node got no signal")
		}
	}
}

// untilEnded listens to a call until it ends.
func (k *rig) untilEnded(c Call) Heard {
	k.t.Helper()
	for range 4 {
		if heard := k.hears(c); heard.What == Ended {
			return heard
		}
	}
	k.t.Fatalf("the call did not end")
	return Heard{}
}

// sent is how often a command was sent.
func (a *asked) sent() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.times
}
