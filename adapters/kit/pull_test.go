package kit_test

import (
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func pull(subscriber string, t *callv1.Terminal) *callv1.Command {
	return &callv1.Command{Principal: subscriber, Body: &callv1.Command_Pull{Pull: &callv1.Pull{
		Sdp: "v=0\r\n", Terminal: &callv1.Terminal{Id: t.GetId()},
	}}}
}

func reoffer(subscriber, leg string) *callv1.Command {
	return &callv1.Command{Principal: subscriber, LegId: leg, Body: &callv1.Command_Reoffer{Reoffer: &callv1.Reoffer{Sdp: "v=0\r\n"}}}
}

func push(subscriber, leg string) *callv1.Command {
	return &callv1.Command{Principal: subscriber, LegId: leg, Body: &callv1.Command_Push{Push: &callv1.Push{}}}
}

func refuseReoffer(subscriber, leg string) *callv1.Command {
	return &callv1.Command{Principal: subscriber, LegId: leg, Body: &callv1.Command_RefuseReoffer{RefuseReoffer: &callv1.RefuseReoffer{}}}
}

// pulled is a leg by which a terminal has taken a call over.
func (n *node) pulled(subscriber string, t *callv1.Terminal, call, name string) *leg {
	n.t.Helper()
	out := n.accept(n.ctx(), pull(subscriber, t), kit.Ref{Scope: "test", ID: name, Terminal: t.GetId()})
	a := n.next()
	if a.callID != call {
		n.t.Fatalf("the pull went to call %s, want %s", a.callID, call)
	}
	a.ok(callv1.LegState_LEG_STATE_ANSWERED)
	if r := n.result(out); r.err != nil {
		n.t.Fatal(r.err)
	}
	<-out
	return &leg{n, a.c.GetLegId(), call, subscriber, t}
}

func TestAPullNamesItsCall(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	call := n.key.NewCallID("somebody", "else")
	for _, name := range []string{
		call, schema.CompactUUID(call), schema.LegID(call, 2), schema.CompactUUID(schema.LegID(call, 40000)),
	} {
		out := n.accept(n.ctx(), pull("alice", alice), kit.Ref{Scope: "test", ID: name})
		a := n.next()
		_, ordinal, _ := schema.SplitLegID(a.c.GetLegId())
		p := a.c.GetPull()
		switch {
		case a.callID != call || a.c.GetCallId() != call:
			t.Errorf("%s: sent to %s, want %s", name, a.callID, call)
		case ordinal < schema.FirstPulled || !n.key.Ours(a.c.GetLegId()):
			t.Errorf("%s: leg %s is none for a pull", name, a.c.GetLegId())
		case p.GetRef() != name:
			t.Errorf("%s: ref %q", name, p.GetRef())
		case p.GetTerminal().GetNode() != "n1" || !p.GetTerminal().GetFeatures().GetVideo():
			t.Errorf("%s: the terminal is not complete: %v", name, p.GetTerminal())
		}
		a.respond(&callv1.Reply{
			CommandId: a.c.GetId(), CallId: call, LegId: a.c.GetLegId(), LegState: callv1.LegState_LEG_STATE_ANSWERED, Sdp: "v=0\r\n",
		})
		if r := n.result(out); r.err != nil || r.reply.GetSdp() == "" {
			t.Errorf("%s: %v, %v", name, r.reply, r.err)
		}
	}
	c := pull("alice", alice)
	c.GetPull().Ref = "mine"
	out := n.accept(n.ctx(), c, kit.Ref{ID: call})
	a := n.next()
	if a.c.GetPull().GetRef() != "mine" {
		t.Errorf("ref %q, want the adapter's", a.c.GetPull().GetRef())
	}
	a.refuse(callv1.Code_CODE_NOT_ACCEPTABLE)
	n.refusedWith(out, callv1.Code_CODE_NOT_ACCEPTABLE)
}

func TestPullsThatGoNowhere(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	bob, _ := n.attach("bob")
	call := n.key.NewCallID("somebody", "else")
	withLeg := pull("alice", alice)
	withLeg.LegId = schema.LegID(call, 40000)
	for _, test := range []struct {
		name string
		c    *callv1.Command
		ref  string
		want callv1.Code
	}{
		{"no call", pull("alice", alice), "", callv1.Code_CODE_INVALID},
		{"a leg id", withLeg, call, callv1.Code_CODE_INVALID},
		{"not a UUID", pull("alice", alice), "call-1", callv1.Code_CODE_NOT_FOUND},
		{"a stranger's UUID", pull("alice", alice), "6ba7b810-9dad-41d1-80b4-00c04fd430c8", callv1.Code_CODE_NOT_FOUND},
		{"another's terminal", pull("alice", bob), call, callv1.Code_CODE_GONE},
		{"no body", &callv1.Command{Principal: "alice", Body: &callv1.Command_Pull{}}, call, callv1.Code_CODE_INVALID},
	} {
		if r := n.result(n.accept(n.ctx(), test.c, kit.Ref{ID: test.ref})); schema.CodeOf(r.err) != test.want {
			t.Errorf("%s: %v, want %s", test.name, r.err, test.want)
		}
	}
	n.none()
}

func TestAPulledLegIsMeantByItsCallsName(t *testing.T) {
	n := start(t, nil)
	one, _ := n.attach("alice")
	two, _ := n.attach("alice")
	three, _ := n.attach("alice")
	call := n.key.NewCallID("somebody", "else")
	first := n.pulled("alice", one, call, call)
	second := n.pulled("alice", two, call, schema.LegID(call, 2)) // the name of the leg that it had before
	resolves := func(what string, ref kit.Ref, want string) {
		t.Helper()
		if leg, ours := n.host.Resolve("alice", ref); leg != want || !ours {
			t.Errorf("%s: leg %s, %v; want %s", what, leg, ours, want)
		}
	}
	resolves("the call, by the first", kit.Ref{ID: call, Terminal: one.GetId()}, first.id)
	resolves("the call, in another form", kit.Ref{ID: schema.CompactUUID(call), Terminal: one.GetId()}, first.id)
	resolves("the call, by the second", kit.Ref{ID: call, Terminal: two.GetId()}, second.id)
	resolves("its old name, by the second", kit.Ref{ID: schema.LegID(call, 2), Terminal: two.GetId()}, second.id)
	resolves("its old name, by the first", kit.Ref{ID: schema.LegID(call, 2), Terminal: one.GetId()}, schema.LegID(call, 2))
	resolves("the call, by one that is not in it", kit.Ref{ID: call, Terminal: three.GetId()}, schema.LegID(call, 1))
	resolves("the call, by nobody in particular", kit.Ref{ID: call}, second.id)
	resolves("the leg itself", kit.Ref{ID: first.id, Terminal: two.GetId()}, first.id)
	if leg, _ := n.host.Resolve("mallory", kit.Ref{ID: call, Terminal: one.GetId()}); leg != schema.LegID(call, 1) {
		t.Errorf("another subscriber's: leg %s", leg)
	}

	// A command follows, and once the leg is over the name means nothing special.
	out := n.accept(n.ctx(), hangUp("alice", ""), kit.Ref{Scope: "test", ID: call, Terminal: one.GetId()})
	a := n.next()
	if a.c.GetLegId() != first.id {
		t.Errorf("leg %s was hung up, want %s", a.c.GetLegId(), first.id)
	}
	a.ok(callv1.LegState_LEG_STATE_ENDED)
	n.result(out)
	<-out
	resolves("the call after its end", kit.Ref{ID: call, Terminal: one.GetId()}, schema.LegID(call, 1))
	second.gets(second.send(1, &callv1.Ended{Reason: callv1.Reason_REASON_TRANSFERRED}), ok)
	resolves("the call after all ends", kit.Ref{ID: call}, schema.LegID(call, 1))
}

func TestATerminalsOwnNameForAPulledCall(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	call := n.key.CallID("alice", "test", "call-1")
	c := pull("alice", alice)
	c.GetPull().Ref = "call-1" // as the terminal called it when it placed the call
	out := n.accept(n.ctx(), c, kit.Ref{ID: call})
	a := n.next()
	a.ok(callv1.LegState_LEG_STATE_ANSWERED)
	n.result(out)
	<-out
	if leg, ours := n.host.Resolve("alice", kit.Ref{Scope: "test", ID: "call-1", Terminal: alice.GetId()}); leg != a.c.GetLegId() || ours {
		t.Errorf("leg %s, %v; want %s", leg, ours, a.c.GetLegId())
	}
}

func TestALegThatIsTakenIsChosenAgainOnce(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	call := n.key.NewCallID("somebody", "else")
	taken := func(a *try) {
		a.respond(&callv1.Reply{CommandId: a.c.GetId(), Error: &callv1.Error{Code: callv1.Code_CODE_CONFLICT, Field: "leg_id"}})
	}
	out := n.accept(n.ctx(), pull("alice", alice), kit.Ref{ID: call})
	a := n.next()
	taken(a)
	b := n.next()
	if a.c.GetLegId() == b.c.GetLegId() || a.c.GetId() == b.c.GetId() {
		t.Errorf("it was asked again with leg %s, %s, after %s, %s", b.c.GetLegId(), b.c.GetId(), a.c.GetLegId(), a.c.GetId())
	}
	b.ok(callv1.LegState_LEG_STATE_ANSWERED)
	if r := n.result(out); r.err != nil {
		t.Fatal(r.err)
	}
	<-out

	out = n.accept(n.ctx(), pull("alice", alice), kit.Ref{ID: call})
	taken(n.next())
	taken(n.next())
	n.refusedWith(out, callv1.Code_CODE_CONFLICT)
	out = n.accept(n.ctx(), pull("alice", alice), kit.Ref{ID: call})
	n.next().refuse(callv1.Code_CODE_CONFLICT) // not because of the leg
	n.refusedWith(out, callv1.Code_CODE_CONFLICT)
	n.none()
}

func TestAPullWhoseOutcomeIsUnknownLosesItsLeg(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	call := n.key.NewCallID("somebody", "else")
	out := n.accept(n.ctx(), pull("alice", alice), kit.Ref{ID: call})
	a := n.next()
	n.refusedWith(out, callv1.Code_CODE_RETRY)
	b := n.nextNot(a.c.GetId())
	f := b.c.GetLegFailed()
	if b.c.GetLegId() != a.c.GetLegId() || f.GetReason() != callv1.Reason_REASON_TERMINAL_LOST || f.GetTerminalId() != alice.GetId() {
		t.Errorf("after it: %v", b.c)
	}
	b.ok(callv1.LegState_LEG_STATE_ANSWERED) // lost, and waiting
	l := &leg{n, a.c.GetLegId(), call, "alice", alice}
	l.gets(l.send(1, &callv1.Ended{Reason: callv1.Reason_REASON_TRANSFERRED}), ok)
	n.notDelivered()
	n.pulled("alice", alice, call, call)
}

func TestATerminalThatPulledAndGoesGivesItsLegUp(t *testing.T) {
	for _, test := range []struct {
		why  kit.DetachReason
		want string
	}{{kit.Lost, "leg-failed"}, {kit.SignedOut, "hang-up"}} {
		n := start(t, nil)
		alice, detach := n.attach("alice")
		call := n.key.NewCallID("somebody", "else")
		l := n.pulled("alice", alice, call, call)
		detach(test.why)
		a := n.next()
		if a.c.GetLegId() != l.id {
			t.Errorf("leg %s was given up, want %s", a.c.GetLegId(), l.id)
		}
		if got := map[bool]string{true: "hang-up", false: "leg-failed"}[a.c.GetHangUp() != nil]; got != test.want {
			t.Errorf("%v: %s, want %s", test.why, got, test.want)
		}
		a.ok(callv1.LegState_LEG_STATE_ENDED)
	}
}

func TestCommandsInAnAnsweredCallLeaveItAsItIs(t *testing.T) {
	for name, c := range map[string]func(subscriber, leg string) *callv1.Command{
		"reoffer": reoffer, "push": push, "refuse-reoffer": refuseReoffer, "answer": answer,
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, nil)
			alice, _ := n.attach("alice")
			l := n.placed("alice", alice, ref)
			l.gets(l.send(1, &callv1.Answered{Sdp: "v=0\r\n"}), ok)
			n.delivered()
			out := n.accept(n.ctx(), c("alice", l.id), kit.Ref{})
			a := n.next()
			if n.refusedWith(out, callv1.Code_CODE_RETRY); a.c.GetLegId() != l.id {
				t.Errorf("leg %s, want %s", a.c.GetLegId(), l.id)
			}
			n.onlyRepeats(a.c.GetId())
			if n.rec.get("command "+name+" retry") != 1 {
				t.Errorf("recorded: %v", n.rec.counts)
			}
			// The leg is still there.
			l.gets(l.send(2, &callv1.Established{}), ok)
			n.delivered()
		})
	}
}

func TestNoPhoneDoesNotEndTheLeg(t *testing.T) {
	n := start(t, nil)
	alice, detach := n.attach("alice")
	l := n.placed("alice", alice, ref)
	out := n.accept(n.ctx(), push("alice", l.id), kit.Ref{})
	n.next().refuse(callv1.Code_CODE_NOT_FOUND)
	n.refusedWith(out, callv1.Code_CODE_NOT_FOUND)
	detach(kit.Lost)
	if a := n.next(); a.c.GetLegId() != l.id || a.c.GetLegFailed() == nil {
		t.Errorf("after the loss: %v", a.c)
	} else {
		a.ok(callv1.LegState_LEG_STATE_ENDED)
	}
}

func TestEarlyMediaIsToldAfterAlerting(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	for number, sdp := range []string{"", "", "v=0\r\n", "v=0\r\n", ""} {
		l.gets(l.send(uint64(number+1), &callv1.Alerting{Sdp: sdp}), ok)
	}
	if e := n.delivered(); e.GetNumber() != 1 {
		t.Errorf("delivered %v first", e)
	}
	if e := n.delivered(); e.GetNumber() != 3 {
		t.Errorf("delivered %v next, want early media", e)
	}
	n.notDelivered()
}
