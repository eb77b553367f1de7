package kittest

import (
	"strings"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// callRules: whole calls between terminals of this protocol, over real call
// state.
var callRules = []behaviour{
	{name: "a call is answered, has media and is hung up by the caller", run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		k.hangUp(placed)
		k.ends(rings, callv1.Reason_REASON_NORMAL)
	}},
	{name: "a call is answered, has media and is hung up by the called", run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		k.hangUp(rings)
		k.ends(placed, callv1.Reason_REASON_NORMAL)
	}},
	{name: "terminals call each other again and again", run: func(k *rig) {
		alice, bob := k.pair()
		for range 3 {
			placed, rings := k.calls(alice, Bob, bob)
			k.talk(placed, rings)
			k.hangUp(placed)
			k.ends(rings, callv1.Reason_REASON_NORMAL)
			placed, rings = k.calls(bob, Alice, alice)
			k.talk(placed, rings)
			k.hangUp(rings)
			k.ends(placed, callv1.Reason_REASON_NORMAL)
		}
	}},
	{name: "a caller cancels and the called stops ringing", run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		k.hangUp(placed)
		k.ends(rings, callv1.Reason_REASON_CANCELLED)
	}},
	{name: "the called declines and the caller hears it", run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		if err := rings.Reject(k.ctx(), callv1.Reason_REASON_DECLINED); err != nil {
			k.t.Fatalf("reject: %v", err)
		}
		k.ends(placed, callv1.Reason_REASON_DECLINED)
	}},
	{name: "the called is busy and the caller hears it", needs: []Ability{SaysBusy}, run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		if err := rings.Reject(k.ctx(), callv1.Reason_REASON_BUSY); err != nil {
			k.t.Fatalf("reject: %v", err)
		}
		k.ends(placed, callv1.Reason_REASON_BUSY)
	}},
	{name: "nobody answers and both hear it", run: func(k *rig) {
		k.callState.RingTimeout = shortRing
		k.restartCallState()
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		k.ends(placed, callv1.Reason_REASON_NO_ANSWER)
		k.ends(rings, callv1.Reason_REASON_NO_ANSWER)
	}},
	{name: "an address that nobody has is refused", needs: []Ability{DialsUnknown}, run: func(k *rig) {
		alice, bob := k.pair()
		k.cannotCall(alice, Nobody, SDP("the caller's offer"), callv1.Code_CODE_NOT_FOUND)
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
	}},
	{name: "a subscriber without a terminal is refused", run: func(k *rig) {
		alice, _ := k.pair()
		k.cannotCall(alice, Carol, SDP("the caller's offer"), callv1.Code_CODE_GONE)
	}},
	{name: "an offer without usable media is refused", run: func(k *rig) {
		alice, bob := k.pair()
		k.cannotCall(alice, Bob, rejected("the caller's offer"), callv1.Code_CODE_NOT_ACCEPTABLE)
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
	}},
	{name: "an answer without usable media ends the call on both sides", run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		if err := rings.Answer(k.ctx(), rejected("the called's answer")); err != nil {
			k.t.Fatalf("answer: %v", err)
		}
		k.ends(placed, callv1.Reason_REASON_NOT_ACCEPTABLE)
		k.untilEnded(rings)
	}},
	{name: "the first of several terminals to answer has the call", run: func(k *rig) {
		alice, bob := k.pair()
		other, _ := k.signIn(Bob)
		placed, rings := k.calls(alice, Bob, bob)
		alsoRings := k.ringing(other)
		k.talk(placed, rings)
		k.ends(alsoRings, callv1.Reason_REASON_ANSWERED_ELSEWHERE)
		k.hangUp(rings)
		k.ends(placed, callv1.Reason_REASON_NORMAL)
	}},
	{name: "one terminal declines and another answers", run: func(k *rig) {
		alice, bob := k.pair()
		other, _ := k.signIn(Bob)
		placed, rings := k.calls(alice, Bob, bob)
		alsoRings := k.ringing(other)
		if err := rings.Reject(k.ctx(), callv1.Reason_REASON_DECLINED); err != nil {
			k.t.Fatalf("reject: %v", err)
		}
		if !k.can(OwnTerminals) { // it declines for all connections of its account
			k.untilEnded(alsoRings)
			k.untilEnded(placed)
			return
		}
		k.talk(placed, alsoRings)
	}},
	{name: "a caller's connection breaks and the called hears the end", needs: []Ability{NoticesLoss}, run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		alice.Close()
		k.untilEnded(rings)
	}},
	{name: "a called terminal's connection breaks while it rings", needs: []Ability{NoticesLoss}, run: func(k *rig) {
		alice, bob := k.pair()
		placed, _ := k.calls(alice, Bob, bob)
		bob.Close()
		k.untilEnded(placed)
	}},
	{name: "a called terminal's connection breaks and the caller hears the end", needs: []Ability{NoticesLoss}, run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		bob.Close()
		k.untilEnded(placed)
	}},
	{name: "terminals of two nodes call each other, and one node ends", needs: []Ability{ServesSideBySide}, run: func(k *rig) {
		second := k.start("n2")
		alice, _ := k.signIn(Alice)
		bob, _ := k.signInAt(second, Bob)
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		k.hangUp(rings)
		k.ends(placed, callv1.Reason_REASON_NORMAL)
		placed, rings = k.calls(bob, Alice, alice)
		k.talk(placed, rings)
		second.stop(k.t)
		k.untilEnded(rings)
	}},
	{name: "two subscribers who call each other are joined", needs: []Ability{ManyCalls}, run: func(k *rig) {
		alice, bob := k.pair()
		first, rings := k.calls(alice, Bob, bob)
		second, err := bob.Call(k.ctx(), Alice, SDP("the caller's offer"))
		if err != nil {
			k.t.Fatalf("call: %v", err)
		}
		k.expects(first, Answered)
		k.expects(second, Answered)
		k.untilEnded(rings)
		if k.can(HearsEstablished) {
			k.expects(first, Established)
			k.expects(second, Established)
		}
		k.hangUp(second)
		k.ends(first, callv1.Reason_REASON_NORMAL)
	}},
	{name: "call state starts again at every step of a call", run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		k.restartCallState()
		k.silent(rings, "when call state started again")
		k.talk(placed, rings)
		k.restartCallState()
		k.hangUp(rings)
		k.ends(placed, callv1.Reason_REASON_NORMAL)
		k.restartCallState()
		k.silent(placed, "after its end")
		placed, rings = k.calls(bob, Alice, alice)
		k.talk(placed, rings)
	}},
	{name: "the bus goes away in a call and comes back", run: func(k *rig) {
		alice, bob := k.pair()
		placed, rings := k.calls(alice, Bob, bob)
		k.talk(placed, rings)
		k.broker.Restart()
		k.hangUp(placed)
		k.ends(rings, callv1.Reason_REASON_NORMAL)
	}},
}

// pair signs Alice and Bob in.
func (k *rig) pair() (alice, bob Client) {
	k.t.Helper()
	alice, _ = k.signIn(Alice)
	bob, _ = k.signIn(Bob)
	return alice, bob
}

// cannotCall requires that a call is refused with a code.
func (k *rig) cannotCall(from Client, to Account, sdp string, code callv1.Code) {
	k.t.Helper()
	call, err := from.Call(k.ctx(), to, sdp)
	if err != nil {
		k.t.Fatalf("call: %v", err)
	}
	(&line{k: k, call: call}).refused(OpCall, code)
}

// rejected is a description whose only media line is refused.
func rejected(name string) string {
	return strings.Replace(SDP(name), "m=audio 9 ", "m=audio 0 ", 1)
}
