package kittest

import (
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// statusRules: calls of a terminal's subscriber at other terminals, and taking them
// over.
var statusRules = []behaviour{
	{name: "a terminal is shown its subscriber's calls once, and only forward", needs: []Ability{ShowsCalls}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		if !t.GetFeatures().GetShowsCalls() {
			k.t.Errorf("its terminals do not say that they show calls")
		}
		l, s := k.shown(alice, t, Alice, 5)
		if s.Peer == "" {
			k.t.Errorf("the call is shown without the other party")
		}
		for _, version := range []uint64{5, 4} { // the acknowledgement was lost; it was overtaken
			l.accepted(l.status(t, version, true))
		}
		l.accepted(l.status(t, 3, false))
		k.noStatus(alice, "when nothing was new")
		l.accepted(l.status(t, 7, false))
		if idle := k.wantsStatus(alice, false); idle.Call != s.Call {
			k.t.Errorf("the end is of %q, want %q", idle.Call, s.Call)
		}
		l.accepted(l.status(t, 8, false))
		k.noStatus(alice, "when nothing was shown")
		k.notAsked()
	}},
	{name: "a status is for its terminal alone", needs: []Ability{ShowsCalls}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		other, others := k.signIn(Alice)
		bob, bobs := k.signIn(Bob)
		talks := k.place(other, others, Alice, Carol).answered()
		l, _ := k.shown(alice, t, Alice, 5)
		k.noStatus(other, "that is another terminal's")
		k.noStatus(bob, "that is another subscriber's")
		k.silent(talks.call, "when another terminal was shown a call")
		gone := k.calling(bobs, Alice)
		if ack, err := gone.send(l.statusEvent(&callv1.Terminal{Id: bobs.GetId(), Subscriber: Alice.Subscriber}, 5, true)); err != nil ||
			ack.GetError().GetCode() != callv1.Code_CODE_GONE {
			k.t.Errorf("the status was answered with %v, %v; want CODE_GONE", ack, err)
		}
		l.accepted(l.status(t, 6, false))
		k.wantsStatus(alice, false)
		talks.goesOn()
	}},
	{name: "a terminal that signs in is shown each call once", needs: []Ability{ShowsCalls, ShowsAtOpening}, run: func(k *rig) {
		l := k.calling(&callv1.Terminal{}, Alice)
		k.owner.shows(func(terminalID string) []*callv1.Event {
			return []*callv1.Event{l.statusEvent(&callv1.Terminal{Id: terminalID, Subscriber: Alice.Subscriber}, 5, true)}
		})
		alice, t := k.signIn(Alice)
		l.accepted(l.status(t, 5, true))
		k.wantsStatus(alice, true)
		k.noStatus(alice, "when it was shown")
		l.accepted(l.status(t, 6, false))
		k.wantsStatus(alice, false)
	}},
	{name: "a terminal hears the end of its own part before it is shown the call", needs: []Ability{ShowsCalls}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob).answered()
		if ack, err := l.status(t, 5, true); err != nil || ack.GetError().GetCode() != callv1.Code_CODE_RETRY {
			k.t.Errorf("the status was answered with %v, %v; want CODE_RETRY", ack, err)
		}
		k.noStatus(alice, "of a call that the terminal is in")
		l.accepted(l.send(ended(callv1.Reason_REASON_TRANSFERRED)))
		l.accepted(l.status(t, 5, true))
		k.wantsStatus(alice, true)
		ctx, cancel := contextFor(k, quiet) // what was written before has come
		defer cancel()
		if heard, err := l.call.Next(ctx); err != nil || heard.What != Ended {
			k.t.Errorf("heard %+v, %v; want that the end was heard before", heard, err)
		}
	}},
	{name: "a terminal takes over a call that it is shown", needs: []Ability{ShowsCalls, Pulls}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l, s := k.shown(alice, t, Alice, 5)
		call, a := k.pull(alice, s.Call)
		p := a.c.GetPull()
		switch {
		case a.callID != l.callID:
			k.t.Errorf("call %s was pulled, want %s", a.callID, l.callID)
		case a.c.GetPrincipal() != Alice.Subscriber || p.GetTerminal().GetId() != t.GetId():
			k.t.Errorf("it was pulled by %q, terminal %v; want alice, %v", a.c.GetPrincipal(), p.GetTerminal(), t)
		case !same(p.GetSdp(), "the puller's offer"):
			k.t.Errorf("the pull's description is not the one that was sent:\n%s", p.GetSdp())
		}
		k.silent(call, "before the owner committed the pull")
		l.legID, l.ref, l.call = a.c.GetLegId(), p.GetRef(), call
		acks := l.sendAll(l.event(&callv1.Event_Established{Established: &callv1.Established{}}))
		a.okWith(SDP("the answer"))
		if heard := k.expects(call, Answered); !same(heard.SDP, "the answer") {
			k.t.Errorf("the answer's description is not the one that was sent:\n%s", heard.SDP)
		}
		acks()
		if k.can(HearsEstablished) {
			k.expects(call, Established)
		}
		l.goesOn()
		k.noStatus(alice, "of a call that the terminal took over")
	}},
	{name: "a pulled call is the terminal's like any other", needs: []Ability{ShowsCalls, Pulls}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		k.pulled(alice, t, Alice).hangsUp()
		l := k.pulled(alice, t, Alice)
		if k.can(Reoffers) {
			l.ask(OpReoffer)
			l.of(k.asked("re-offer")).okWith(SDP("the new answer"))
			k.expects(l.call, ReofferAnswered)
		}
		if k.can(TakesReoffers) {
			l.reoffered()
			l.ask(OpAnswerReoffer)
			l.of(k.asked("answer")).ok(callv1.LegState_LEG_STATE_ESTABLISHED)
			k.acked(l.call)
		}
		l.ends(callv1.Reason_REASON_TRANSFERRED)
		l.accepted(l.status(t, 9, true)) // pulled away by another
		k.wantsStatus(alice, true)
		l.accepted(l.status(t, 10, false))
		k.wantsStatus(alice, false)
	}},
	{name: "a connection that breaks gives a pulled leg up", needs: []Ability{ShowsCalls, Pulls}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.pulled(alice, t, Alice)
		alice.Close()
		a := l.of(k.asked("leg-failed"))
		if why := a.c.GetLegFailed().GetReason(); why != callv1.Reason_REASON_TERMINAL_LOST {
			k.t.Errorf("the leg failed with %s, want terminal lost", why)
		}
		a.ok(callv1.LegState_LEG_STATE_ESTABLISHED)
		k.detached(t)
	}},
	{name: "a pull that is refused is told in the protocol's terms", needs: []Ability{ShowsCalls, Pulls}, run: func(k *rig) {
		for _, code := range []callv1.Code{
			callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_NOT_ACCEPTABLE, callv1.Code_CODE_CONFLICT, callv1.Code_CODE_ENDED,
			callv1.Code_CODE_OVERLOAD,
		} {
			alice, t := k.signIn(Alice)
			_, s := k.shown(alice, t, Alice, 5)
			call, a := k.pull(alice, s.Call)
			a.refuse(code)
			(&line{k: k, call: call}).refused(OpPull, code)
			k.place(alice, t, Alice, Bob).answered().over() // the terminal goes on
			alice.Close()
			k.detached(t)
		}
	}},
	{name: "a pull whose outcome is unknown is given up, and the call waits", needs: []Ability{ShowsCalls, Pulls}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		_, s := k.shown(alice, t, Alice, 5)
		call, a := k.pull(alice, s.Call)
		(&line{k: k, call: call}).refused(OpPull, callv1.Code_CODE_RETRY)
		b := k.asked("leg-failed")
		if b.c.GetLegId() != a.c.GetLegId() || b.c.GetLegFailed().GetReason() != callv1.Reason_REASON_TERMINAL_LOST {
			k.t.Errorf("leg %s failed with %s, want %s, terminal lost",
				b.c.GetLegId(), b.c.GetLegFailed().GetReason(), a.c.GetLegId())
		}
		b.ok(callv1.LegState_LEG_STATE_ESTABLISHED)
		k.notAsked()
	}},
}
