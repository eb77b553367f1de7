package kittest

import (
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// endRules: the ways in which a call ends.
var endRules = []behaviour{
	{name: "a caller cancels", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob)
		l.hangsUp()
	}},
	{name: "a caller hangs up", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		k.place(alice, t, Alice, Bob).answered().hangsUp()
	}},
	{name: "a called terminal hangs up", run: func(k *rig) {
		bob, t := k.signIn(Bob)
		l := k.incoming(bob, t, Bob, Alice).takes()
		l.accepted(l.send(&callv1.Event_Established{Established: &callv1.Established{}}))
		if k.can(HearsEstablished) {
			for heard := k.hears(l.call); heard.What != Established; heard = k.hears(l.call) {
				if heard.What != Accepted {
					k.t.Fatalf("heard %+v, want established", heard)
				}
			}
		}
		l.hangsUp()
	}},
	{name: "a called terminal rejects", run: func(k *rig) {
		bob, t := k.signIn(Bob)
		l := k.incoming(bob, t, Bob, Alice)
		l.do(OpReject)
		a := k.asked("hang-up")
		if why := a.c.GetHangUp().GetReason(); a.c.GetLegId() != l.legID ||
			why != callv1.Reason_REASON_UNSPECIFIED && why != callv1.Reason_REASON_DECLINED {
			k.t.Errorf("leg %s was rejected with %s, want %s, declined", a.c.GetLegId(), why, l.legID)
		}
		a.ok(callv1.LegState_LEG_STATE_ENDED)
		k.endedHere(l.call)
	}},
	{name: "a called terminal is busy", needs: []Ability{SaysBusy}, run: func(k *rig) {
		bob, t := k.signIn(Bob)
		l := k.incoming(bob, t, Bob, Alice)
		if err := l.call.Reject(k.ctx(), callv1.Reason_REASON_BUSY); err != nil {
			k.t.Fatalf("reject: %v", err)
		}
		a := k.asked("hang-up")
		if why := a.c.GetHangUp().GetReason(); why != callv1.Reason_REASON_BUSY {
			k.t.Errorf("rejected with %s, want busy", why)
		}
		a.ok(callv1.LegState_LEG_STATE_ENDED)
		k.endedHere(l.call)
	}},
	{name: "every reason for an end is told", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		bob, bobs := k.signIn(Bob)
		for r := range callv1.Reason_name {
			why := callv1.Reason(r)
			if why == callv1.Reason_REASON_UNSPECIFIED {
				continue
			}
			k.place(alice, t, Alice, Bob).ends(why)
			k.incoming(bob, bobs, Bob, Alice).ends(why)
		}
	}},
	{name: "a called terminal hears of the end while it rings", run: func(k *rig) {
		bob, t := k.signIn(Bob)
		k.incoming(bob, t, Bob, Alice).ends(callv1.Reason_REASON_CANCELLED)
		k.incoming(bob, t, Bob, Alice).ends(callv1.Reason_REASON_ANSWERED_ELSEWHERE)
		k.incoming(bob, t, Bob, Alice).ends(callv1.Reason_REASON_NO_ANSWER)
	}},
	{name: "an answer that came too late is told so", run: func(k *rig) {
		bob, t := k.signIn(Bob)
		l := k.incoming(bob, t, Bob, Alice)
		l.do(OpAnswer)
		a := k.asked("answer")
		acks := l.sendAll(l.event(ended(callv1.Reason_REASON_ANSWERED_ELSEWHERE)))
		a.refuse(callv1.Code_CODE_ENDED)
		k.untilEnded(l.call)
		acks()
	}},
	{name: "both sides hang up at once", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob).answered()
		l.do(OpHangUp)
		a := k.asked("hang-up")
		acks := l.sendAll(l.event(ended(callv1.Reason_REASON_NORMAL)))
		a.ok(callv1.LegState_LEG_STATE_ENDED)
		acks()
		k.endedHere(l.call)
		k.place(alice, t, Alice, Bob).answered().over()
	}},
	{name: "a terminal that signs out hangs up", needs: []Ability{SignsOut}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob).answered()
		if err := alice.SignOut(k.ctx()); err != nil {
			k.t.Fatalf("sign out: %v", err)
		}
		a := k.asked("hang-up")
		if a.c.GetLegId() != l.legID || a.c.GetPrincipal() != Alice.Subscriber {
			k.t.Errorf("leg %s was hung up by %q, want %s by alice", a.c.GetLegId(), a.c.GetPrincipal(), l.legID)
		}
		a.ok(callv1.LegState_LEG_STATE_ENDED)
		k.detached(t)
	}},
	{name: "a connection that breaks gives its legs up", needs: []Ability{NoticesLoss}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob).answered()
		bob, bobs := k.signIn(Bob)
		m := k.place(bob, bobs, Bob, Carol)
		alice.Close()
		a := k.asked("leg-failed")
		if a.c.GetLegId() != l.legID || a.c.GetLegFailed().GetReason() != callv1.Reason_REASON_TERMINAL_LOST {
			k.t.Errorf("leg %s failed with %s, want %s, terminal lost", a.c.GetLegId(), a.c.GetLegFailed().GetReason(), l.legID)
		}
		a.ok(callv1.LegState_LEG_STATE_ENDED)
		k.detached(t)
		if ack, err := l.send(ended(callv1.Reason_REASON_NORMAL)); err != nil || ack.GetError().GetCode() != callv1.Code_CODE_GONE {
			k.t.Errorf("an event for it was answered with %v, %v; want CODE_GONE", ack, err)
		}
		k.silent(m.call, "when another connection broke")
		k.notAsked()
		m.answered().over()
	}},
	{name: "a connection that breaks while its call is being placed gives it up", needs: []Ability{NoticesLoss}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		_, a := k.dialling(alice, Bob)
		alice.Close()
		k.detached(t)
		a.ok(callv1.LegState_LEG_STATE_OFFERED)
		b, ok := k.owner.next(k.ctx())
		if !ok || b.c.GetLegId() != a.c.GetLegId() || b.kind() != "hang-up" && b.kind() != "leg-failed" {
			k.t.Fatalf("the call was not given up")
		}
		b.ok(callv1.LegState_LEG_STATE_ENDED)
		k.notAsked()
	}},
	{name: "a leg is given up until that is confirmed", needs: []Ability{NoticesLoss}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		k.place(alice, t, Alice, Bob).answered()
		k.owner.stop()
		alice.Close()
		if err := k.owner.start(); err != nil {
			k.t.Fatalf("kittest: %v", err)
		}
		a := k.asked("leg-failed")
		for a.sent() < 2 { // the first reply is lost
			select {
			case <-k.ctx().Done():
				k.t.Fatalf("it was not sent again")
			default:
				k.notAsked()
			}
		}
		a.ok(callv1.LegState_LEG_STATE_ENDED)
		k.detached(t)
		k.notAsked()
	}},
}

// hangsUp has the terminal end its call, and requires what follows.
func (l *line) hangsUp() {
	l.k.t.Helper()
	l.do(OpHangUp)
	a := l.k.asked("hang-up")
	if a.c.GetLegId() != l.legID || a.c.GetPrincipal() != l.who.Subscriber {
		l.k.t.Errorf("leg %s was hung up by %q, want %s by %q",
			a.c.GetLegId(), a.c.GetPrincipal(), l.legID, l.who.Subscriber)
	}
	l.k.silent(l.call, "before the owner committed the end")
	a.ok(callv1.LegState_LEG_STATE_ENDED)
	l.k.endedHere(l.call)
	l.accepted(l.send(alerting()))
	l.k.silent(l.call, "after it was hung up")
	l.k.notAsked()
}

// endedHere listens to a call that its own terminal ended: the acknowledgement,
// and on some wires the end.
func (k *rig) endedHere(c Call) {
	k.t.Helper()
	k.acked(c)
	ctx, cancel := contextFor(k, quiet)
	defer cancel()
	if heard, err := c.Next(ctx); err == nil && heard.What != Ended && heard.What != Acked {
		k.t.Errorf("heard %+v after the end", heard)
	}
}

// detached waits until a terminal is out of the table.
func (k *rig) detached(t *callv1.Terminal) {
	k.t.Helper()
	if !k.tables.wait(k.ctx(), func() bool { return k.tables.terminals[t.GetId()] == nil }) {
		k.t.Fatalf("the terminal is still in the table")
	}
}
