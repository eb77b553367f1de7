package kittest

import (
	"slices"
	"strings"
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// movedRules: whole calls that change after the answer, over real call state.
var movedRules = []behaviour{
	{name: "a terminal of the subscriber takes the call over", needs: []Ability{ShowsCalls, Pulls}, run: func(k *rig) {
		alice, bob := k.pair()
		other, _ := k.signIn(Alice)
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		moved := k.takesOver(other, k.wantsStatus(other, true))
		k.ends(placed, callv1.Reason_REASON_TRANSFERRED)
		k.calm(rings, "when the other side's call moved")
		// And back, in another way: by the one that was left.
		back := k.takesOver(alice, k.wantsStatus(alice, true))
		k.ends(moved, callv1.Reason_REASON_TRANSFERRED)
		k.wantsStatus(other, true)
		k.hangUp(rings)
		k.ends(back, callv1.Reason_REASON_NORMAL)
		k.wantsStatus(other, false)
		k.noStatus(alice, "at the end of a call that it was in")
	}},
	{name: "the called side's terminals take the call over from each other", needs: []Ability{ShowsCalls, Pulls}, run: func(k *rig) {
		alice, bob := k.pair()
		other, _ := k.signIn(Bob)
		placed, rings := k.calls(alice, Bob, bob)
		also := k.ringing(other)
		k.talk(placed, rings)
		k.ends(also, callv1.Reason_REASON_ANSWERED_ELSEWHERE)
		moved := k.takesOver(other, k.wantsStatus(other, true))
		k.ends(rings, callv1.Reason_REASON_TRANSFERRED)
		k.wantsStatus(bob, true)
		k.hangUp(moved)
		k.ends(placed, callv1.Reason_REASON_NORMAL)
		k.wantsStatus(bob, false)
	}},
	{name: "a pull without usable media leaves the call where it was", needs: []Ability{ShowsCalls, Pulls}, run: func(k *rig) {
		alice, bob := k.pair()
		other, _ := k.signIn(Alice)
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		s := k.wantsStatus(other, true)
		(&line{k: k, call: k.pulls(other, s.Call, rejected("the puller's offer"))}).refused(OpPull, callv1.Code_CODE_NOT_ACCEPTABLE)
		k.calm(placed, "when a pull failed")
		k.calm(rings, "when a pull failed")
		k.hangUp(placed)
		k.ends(rings, callv1.Reason_REASON_NORMAL)
		k.wantsStatus(other, false)
	}},
	{name: "two terminals pull at once and one has the call", needs: []Ability{ShowsCalls, Pulls}, run: func(k *rig) {
		alice, bob := k.pair()
		one, _ := k.signIn(Alice)
		two, _ := k.signIn(Alice)
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		first, second := k.wantsStatus(one, true), k.wantsStatus(two, true)
		a := k.pulls(one, first.Call, SDP("the puller's offer"))
		b := k.pulls(two, second.Call, SDP("the puller's offer"))
		k.ends(placed, callv1.Reason_REASON_TRANSFERRED)
		k.expects(a, Answered)
		k.expects(b, Answered)
		// The later one moved it again.
		left := make(chan Call, 2)
		for _, c := range []Call{a, b} {
			if k.over(c) {
				left <- c
			}
		}
		if len(left) != 1 {
			k.t.Fatalf("%d of two terminals have lost the call, want 1", len(left))
		}
		k.calm(rings, "when its call moved")
		has := a
		if <-left == a {
			has = b
		}
		k.hangUp(rings)
		k.ends(has, callv1.Reason_REASON_NORMAL)
	}},
	{name: "a call goes to its subscriber's phone", needs: []Ability{Pushes}, run: func(k *rig) {
		alice, bob := k.pair()
		carol, _ := k.signIn(Carol)
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		phone := k.pushes(placed, carol)
		if err := phone.Answer(k.ctx(), SDP("the phone's answer")); err != nil {
			k.t.Fatalf("answer: %v", err)
		}
		k.moved(placed)
		if k.can(HearsEstablished) {
			k.expects(phone, Established)
		}
		k.calm(rings, "when the other side's call moved")
		k.hangUp(phone)
		k.ends(rings, callv1.Reason_REASON_NORMAL)
	}},
	{name: "the phone refuses and the call stays", needs: []Ability{Pushes}, run: func(k *rig) {
		alice, bob := k.pair()
		carol, _ := k.signIn(Carol)
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		phone := k.pushes(rings, carol)
		if err := phone.Reject(k.ctx(), callv1.Reason_REASON_DECLINED); err != nil {
			k.t.Fatalf("reject: %v", err)
		}
		k.expects(rings, PushFailed)
		k.calm(placed, "when a push failed")
		k.hangUp(placed)
		k.ends(rings, callv1.Reason_REASON_NORMAL)
	}},
	{name: "the phone does not answer and the call stays", needs: []Ability{Pushes}, run: func(k *rig) {
		k.callState.RingTimeout = shortRing
		k.restartCallState()
		alice, bob := k.pair()
		carol, _ := k.signIn(Carol)
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		phone := k.pushes(placed, carol)
		k.expects(placed, PushFailed)
		k.untilEnded(phone)
		k.hangUp(rings)
		k.ends(placed, callv1.Reason_REASON_NORMAL)
	}},
	{name: "a phone that cannot be reached is refused, and the call stays", needs: []Ability{Pushes}, run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		l := &line{k: k, call: placed}
		l.ask(OpPush)
		l.refused(OpPush, callv1.Code_CODE_GONE)
		k.hangUp(rings)
		k.ends(placed, callv1.Reason_REASON_NORMAL)
	}},
	{name: "the other side hangs up while the phone rings", needs: []Ability{Pushes}, run: func(k *rig) {
		alice, bob := k.pair()
		carol, _ := k.signIn(Carol)
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		phone := k.pushes(placed, carol)
		k.hangUp(rings)
		k.untilEnded(placed)
		k.untilEnded(phone)
	}},
	{name: "a terminal holds and resumes", needs: []Ability{Reoffers}, run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		k.changes(placed, rings, "sendonly", "recvonly")
		k.changes(placed, rings, "sendrecv", "sendrecv")
		k.changes(rings, placed, "inactive", "inactive")
		k.hangUp(placed)
		k.ends(rings, callv1.Reason_REASON_NORMAL)
	}},
	{name: "a terminal refuses to be offered anew and the call stays", needs: []Ability{Reoffers, TakesReoffers, RefusesReoffers}, run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		k.offersAnew(placed, "sendonly")
		k.expects(rings, Reoffered)
		(&line{k: k, call: rings}).ask(OpRefuseReoffer)
		k.calm(rings, "after it refused")
		k.changes(placed, rings, "sendrecv", "")
		k.hangUp(placed)
		k.ends(rings, callv1.Reason_REASON_NORMAL)
	}},
	{name: "a terminal does not answer a new offer and the call stays", needs: []Ability{Reoffers, TakesReoffers}, run: func(k *rig) {
		k.callState.ReofferTimeout = shortRing
		k.restartCallState()
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		k.offersAnew(placed, "sendonly")
		k.expects(rings, Reoffered)
		k.untilRecorded("the offer is taken back", func(c *callv1.CallRecord) bool {
			return !slices.ContainsFunc(c.GetLegs(), func(l *callv1.Leg) bool { return l.GetOfferOut() != 0 })
		})
		k.offersAnew(rings, "sendrecv") // its own offers are taken again
		k.calm(placed, "that was told by its own offer")
		k.hangUp(placed)
		k.untilEnded(rings)
	}},
	{name: "both terminals offer anew at once", needs: []Ability{Reoffers, TakesReoffers}, run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		for _, c := range []Call{placed, rings} {
			if err := with[Reofferer](k, c, Reoffers).Reoffer(k.ctx(), directed("the terminal's new offer", "sendonly")); err != nil {
				k.t.Fatalf("re-offer: %v", err)
			}
		}
		k.untilQuiet(placed, rings)
		k.changes(placed, rings, "sendrecv", "")
		k.untilQuiet(placed, rings)
		k.hangUp(rings)
		k.ends(placed, callv1.Reason_REASON_NORMAL)
	}},
	{name: "a caller hears the called before the answer", needs: []Ability{EarlyMedia, HearsEarlyMedia}, run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		if err := with[EarlyRinger](k, rings, EarlyMedia).RingEarly(k.ctx(), SDP("the early answer")); err != nil {
			k.t.Fatalf("ring: %v", err)
		}
		early := k.expects(placed, Alerting)
		for early.SDP == "" {
			early = k.expects(placed, Alerting)
		}
		if err := rings.Answer(k.ctx(), SDP("the early answer")); err != nil {
			k.t.Fatalf("answer: %v", err)
		}
		if heard := k.expects(placed, Answered); heard.SDP != "" && heard.SDP != early.SDP {
			k.t.Errorf("the answer is not the early one:\n%s\n%s", heard.SDP, early.SDP)
		}
		k.hangUp(placed)
		k.untilEnded(rings)
	}},
	{name: "a call survives the loss of a connection", needs: []Ability{NoticesLoss}, run: func(k *rig) {
		k.callState.Grace = k.h.Patience
		k.restartCallState()
		alice, t := k.signIn(Alice)
		bob, _ := k.signIn(Bob)
		if !t.GetFeatures().GetResumes() {
			k.t.Logf("its terminals do not resume")
			return
		}
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		alice.Close()
		k.detached(t)
		k.calm(rings, "while the other side's terminal is away")
		alice, t = k.signIn(Alice)
		switch f := t.GetFeatures(); {
		case f.GetRemembersCalls():
			k.hangUp(alice.Named(placed.ID()))
		case f.GetShowsCalls():
			k.hangUp(k.takesOver(alice, k.wantsStatus(alice, true)))
		default: // it is offered anew
			again := k.ringing(alice)
			if err := again.Answer(k.ctx(), SDP("the answer")); err != nil {
				k.t.Fatalf("answer: %v", err)
			}
			if k.can(HearsEstablished) {
				k.expects(again, Established)
			}
			k.calm(rings, "when its call moved")
			k.hangUp(again)
		}
		k.ends(rings, callv1.Reason_REASON_NORMAL)
	}},
	{name: "call state starts again while a call moves", needs: []Ability{ShowsCalls, Pulls}, run: func(k *rig) {
		alice, bob := k.pair()
		other, _ := k.signIn(Alice)
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		s := k.wantsStatus(other, true)
		k.restartCallState()
		k.noStatus(other, "when call state started again")
		moved := k.takesOver(other, s)
		k.restartCallState()
		k.ends(placed, callv1.Reason_REASON_TRANSFERRED)
		k.wantsStatus(alice, true)
		k.hangUp(moved)
		k.ends(rings, callv1.Reason_REASON_NORMAL)
		k.restartCallState()
		k.wantsStatus(alice, false)
	}},
	{name: "headers reach the other side", needs: []Ability{Headers}, run: func(k *rig) {
		alice, bob := k.pair()
		placed, err := with[HeaderCaller](k, alice, Headers).CallWith(k.ctx(), Bob, SDP("the caller's offer"), headers("call"))
		if err != nil {
			k.t.Fatalf("call: %v", err)
		}
		rings := k.ringing(bob)
		bears := with[HeaderBearer](k, rings, Headers)
		k.wantsHeader("incoming call", bears.Headers(), "call")
		if err := bears.AnswerWith(k.ctx(), SDP("the called's answer"), headers("answer")); err != nil {
			k.t.Fatalf("answer: %v", err)
		}
		k.wantsHeader("answered call", k.expects(placed, Answered).Headers, "answer")
		k.hangUp(placed)
		k.untilEnded(rings)
	}},
}

// takesOver has a terminal pull the call that it is shown.
func (k *rig) takesOver(c Client, s Status) Call {
	k.t.Helper()
	call := k.pulls(c, s.Call, SDP("the puller's offer"))
	if heard := k.expects(call, Answered); heard.SDP == "" {
		k.t.Errorf("the answer has no description")
	}
	if k.can(HearsEstablished) {
		k.expects(call, Established)
	}
	return call
}

// pushes has a terminal give its call to the phone, which rings.
func (k *rig) pushes(c Call, phone Client) Call {
	k.t.Helper()
	(&line{k: k, call: c}).ask(OpPush)
	return k.ringing(phone)
}

// directed is SDP with a direction.
func directed(name, way string) string {
	return strings.Replace(SDP(name), "a=sendrecv", "a="+way, 1)
}

// offersAnew has a terminal offer anew, and gives the direction that it is answered
// with.
func (k *rig) offersAnew(c Call, way string) string {
	k.t.Helper()
	if err := with[Reofferer](k, c, Reoffers).Reoffer(k.ctx(), directed("the terminal's new offer", way)); err != nil {
		k.t.Fatalf("re-offer: %v", err)
	}
	return wayOf(k.expects(c, ReofferAnswered).SDP)
}

// changes has a terminal offer anew and the other answer what it is offered; want is
// how the first is answered, "" if that may vary.
func (k *rig) changes(by, other Call, way, want string) {
	k.t.Helper()
	if got := k.offersAnew(by, way); want != "" && got != want {
		k.t.Errorf("an offer to %s was answered with %s, want %s", way, got, want)
	}
	k.untilQuiet(by, other)
}

// untilQuiet has terminals answer what they are offered until nobody is any more.
func (k *rig) untilQuiet(calls ...Call) {
	k.t.Helper()
	for range 8 {
		heard := 0
		for _, c := range calls {
			ctx, cancel := contextFor(k, 2*quiet)
			h, err := c.Next(ctx)
			late := ctx.Err() != nil
			cancel()
			switch {
			case err != nil && !late:
				k.t.Fatalf("the connection broke: %v", err)
			case err != nil:
				continue
			case h.What == Ended:
				k.t.Fatalf("heard %+v of a call that goes on", h)
			case h.What == Reoffered:
				way := strings.NewReplacer("sendonly", "recvonly", "recvonly", "sendonly").Replace(wayOf(h.SDP))
				answer := directed("the answer to the new offer", way)
				if err := with[ReofferTaker](k, c, TakesReoffers).AnswerReoffer(k.ctx(), answer); err != nil {
					k.t.Fatalf("answer: %v", err)
				}
			}
			heard++
		}
		if heard == 0 {
			return
		}
	}
	k.t.Fatalf("two terminals keep each other offering anew")
}

// calm requires that a call says no more than formalities for a while.
func (k *rig) calm(c Call, why string) {
	k.t.Helper()
	for {
		ctx, cancel := contextFor(k, quiet)
		heard, err := c.Next(ctx)
		late := ctx.Err() != nil
		cancel()
		switch {
		case err == nil && (heard.What == Acked || heard.What == Accepted):
			continue
		case err == nil:
			k.t.Errorf("heard %+v %s; want nothing", heard, why)
		case !late:
			k.t.Errorf("the connection broke %s: %v", why, err)
		}
		return
	}
}

// over reports whether a call ends now.
func (k *rig) over(c Call) bool {
	k.t.Helper()
	for {
		ctx, cancel := contextFor(k, 4*quiet)
		heard, err := c.Next(ctx)
		cancel()
		if err != nil {
			return false
		}
		if heard.What == Ended {
			return true
		}
	}
}

// untilRecorded waits until the only call's record is as it should be.
func (k *rig) untilRecorded(what string, f func(*callv1.CallRecord) bool) {
	k.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx := k.ctx(); ; {
		all, err := k.records(ctx)
		switch {
		case err != nil:
			k.t.Fatalf("waiting until %s: %v", what, err)
		case len(all) == 1 && f(all[0]):
			return
		}
		<-tick.C
	}
}

// wayOf is the direction of a description's first line.
func wayOf(sdp string) string {
	for line := range strings.SplitSeq(sdp, "\n") {
		switch line = strings.TrimSpace(line); line {
		case "a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive":
			return line[2:]
		}
	}
	return "sendrecv"
}
