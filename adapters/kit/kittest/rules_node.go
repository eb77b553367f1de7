package kittest

import (
	"context"
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// nodeRules: a node's start and end.
var nodeRules = []behaviour{
	{name: "a node that drains ends in time, tells its peers and leaves nothing behind", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		bob, bobs := k.signIn(Bob)
		k.place(alice, t, Alice, Carol).answered()
		k.incoming(bob, bobs, Bob, Carol)
		k.owner.answerAll(func(a *asked) bool {
			if a.c.GetOffer() != nil {
				return false
			}
			a.carryOut()
			return true
		})
		began := time.Now()
		k.node.cancel()
		select {
		case <-k.node.ended:
		case <-time.After(2 * limits().DrainTimeout):
			k.t.Fatalf("the adapter had not drained after %v", time.Since(began))
		}
		if k.node.err != nil {
			k.t.Errorf("the drain failed: %v", k.node.err)
		}
		if took := time.Since(began); took > limits().DrainTimeout {
			k.t.Errorf("the drain took %v", took)
		}
		if n := len(k.tables.of(Alice.Subscriber)) + len(k.tables.of(Bob.Subscriber)); n != 0 {
			k.t.Errorf("%d terminals are still in the table", n)
		}
		if _, err := k.node.node.Dial(shortly(k)); err == nil {
			k.t.Errorf("a connection was taken after the end")
		}
	}},
	{name: "a node drains while a call is being placed", run: func(k *rig) {
		alice, _ := k.signIn(Alice)
		_, a := k.dialling(alice, Bob)
		k.owner.answerAll(func(a *asked) bool {
			a.carryOut()
			return true
		})
		k.node.cancel()
		select {
		case <-k.node.ended:
		case <-time.After(2 * limits().DrainTimeout):
			k.t.Fatalf("the adapter had not drained")
		}
		a.ok(callv1.LegState_LEG_STATE_OFFERED)
	}},
	{name: "a node that starts again serves again", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		k.place(alice, t, Alice, Bob).answered()
		stale := &callv1.Terminal{
			Id: "stale", Kind: t.GetKind(), Node: t.GetNode(), Instance: "an-earlier-one", Subscriber: Carol.Subscriber, Rings: true,
		}
		_ = k.tables.Put(k.ctx(), stale)
		k.owner.answerAll(func(a *asked) bool {
			if a.c.GetOffer() != nil {
				return false
			}
			a.carryOut()
			return true
		})
		k.node.stop(k.t)
		k.node = k.start(nodeName)
		if k.tables.of(Carol.Subscriber) != nil {
			k.t.Errorf("a terminal of an earlier start is still in the table")
		}
		alice, t = k.signIn(Alice)
		k.place(alice, t, Alice, Bob).answered().ends(callv1.Reason_REASON_NORMAL)
		k.incoming(alice, t, Alice, Bob).ends(callv1.Reason_REASON_CANCELLED)
	}},
	{name: "terminals are attached again after the bus was away", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		k.tables.change(func() { delete(k.tables.terminals, t.GetId()) })
		k.broker.Restart()
		if !k.tables.wait(k.ctx(), func() bool { return k.tables.terminals[t.GetId()] != nil }) {
			k.t.Fatalf("the terminal is not in the table")
		}
		k.place(alice, t, Alice, Bob).answered().over()
	}},
}

// shortly is a time in which nothing should succeed.
func shortly(k *rig) context.Context {
	ctx, cancel := contextFor(k, quiet)
	k.t.Cleanup(cancel)
	return ctx
}
