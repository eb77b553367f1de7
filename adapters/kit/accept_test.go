package kit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestAcceptFillsInIDs(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	mine := schema.LegID(n.key.CallID("alice", "test", "call-1"), 1)
	other := schema.LegID(n.key.NewCallID("x", "y"), 3)
	tests := []struct {
		name string
		c    *callv1.Command
		ref  kit.Ref
		leg  string // "" for any
	}{
		{"an offer by its reference", offer("alice", alice), ref, mine},
		{"a hang-up by reference", hangUp("alice", ""), ref, mine},
		{"an answer by leg", answer("alice", other), kit.Ref{}, other},
		{"a leg id as reference", ringing("alice", ""), kit.Ref{Scope: "test", ID: other}, other},
		{"a leg id without hyphens", ringing("alice", ""), kit.Ref{Scope: "test", ID: schema.CompactUUID(other)}, other},
		{"a call's id means its calling leg", hangUp("alice", ""), kit.Ref{ID: n.key.CallID("alice", "test", "call-1")}, mine},
		{"an offer without a reference", offer("alice", alice), kit.Ref{Scope: "test"}, ""},
	}
	seen := map[string]bool{}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out := n.accept(n.ctx(), test.c, test.ref)
			a := n.next()
			for seen[a.c.GetId()] { // a busy machine's host has sent the one before twice
				a = n.next()
			}
			seen[a.c.GetId()] = true
			a.ok(callv1.LegState_LEG_STATE_OFFERED)
			n.result(out)
			call, _, _ := schema.SplitLegID(a.c.GetLegId())
			switch {
			case test.leg != "" && a.c.GetLegId() != test.leg:
				t.Errorf("leg %s, want %s", a.c.GetLegId(), test.leg)
			case a.c.GetCallId() != call || a.callID != call:
				t.Errorf("call %s sent to %s, want %s", a.c.GetCallId(), a.callID, call)
			case a.c.GetId() == "" || a.c.GetSentAt() == nil:
				t.Errorf("no id or time: %v", a.c)
			case !n.key.Ours(a.c.GetLegId()):
				t.Errorf("leg %s is not one of ours", a.c.GetLegId())
			}
			if o := a.c.GetOffer(); o != nil && (o.GetRef() == "" || o.GetTerminal().GetNode() != "n1" || !o.GetTerminal().GetFeatures().GetVideo()) {
				t.Errorf("the offer is not complete: %v", o)
			}
		})
	}
}

func TestAcceptKeepsWhatItWasGiven(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	c := offer("alice", alice)
	c.Id, c.GetOffer().Ref = "event-17", "the terminal's text"
	c.GetOffer().Terminal.Features = &callv1.Features{Resumes: true}
	out := n.accept(n.ctx(), c, ref)
	a := n.next()
	a.ok(callv1.LegState_LEG_STATE_OFFERED)
	n.result(out)
	if a.c.GetId() != "event-17" || a.c.GetOffer().GetRef() != "the terminal's text" || !a.c.GetOffer().GetTerminal().GetFeatures().GetResumes() {
		t.Errorf("sent: %v", a.c)
	}
}

func TestAcceptRefusesAtOnce(t *testing.T) {
	n := start(t, func(_ *node, env *kit.Env, _ *kit.Spec) { env.Limits.MaxLegs = 1 })
	alice, _ := n.attach("alice")
	bob, _ := n.attach("bob")
	ours := schema.LegID(n.key.NewCallID("x", "y"), 1)
	named := offer("alice", alice)
	named.LegId = ours
	garbled := offer("alice", alice)
	garbled.GetOffer().Sdp = "\xff"
	n.placed("bob", bob, ref)
	tests := []struct {
		name string
		c    *callv1.Command
		ref  kit.Ref
		code callv1.Code
	}{
		{"no principal", hangUp("", ours), kit.Ref{}, callv1.Code_CODE_INVALID},
		{"no leg and no reference", hangUp("alice", ""), kit.Ref{}, callv1.Code_CODE_INVALID},
		{"no body", &callv1.Command{Principal: "alice", LegId: ours}, kit.Ref{}, callv1.Code_CODE_UNSUPPORTED},
		{"a service's command", &callv1.Command{Principal: "alice", LegId: ours, Body: &callv1.Command_MediaConnected{}}, kit.Ref{}, callv1.Code_CODE_UNSUPPORTED},
		{"a leg that is not ours", hangUp("alice", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"), kit.Ref{}, callv1.Code_CODE_NOT_FOUND},
		{"a leg id that is none", hangUp("alice", "nonsense"), kit.Ref{}, callv1.Code_CODE_NOT_FOUND},
		{"an offer under an id of ours", offer("alice", alice), kit.Ref{Scope: "test", ID: ours}, callv1.Code_CODE_NOT_FOUND},
		{"an offer with a leg", named, ref, callv1.Code_CODE_INVALID},
		{"a description that is not text", garbled, ref, callv1.Code_CODE_INVALID},
		{"an offer from a terminal that is not here", offer("alice", &callv1.Terminal{Id: "x"}), ref, callv1.Code_CODE_GONE},
		{"an offer from another's terminal", offer("alice", bob), ref, callv1.Code_CODE_GONE},
		{"an offer beyond the limit of legs", offer("alice", alice), ref, callv1.Code_CODE_OVERLOAD},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n.refusedWith(n.accept(n.ctx(), test.c, test.ref), test.code)
			n.none()
		})
	}
}

func TestAcceptRetriesWithTheSameID(t *testing.T) {
	n := start(t, func(_ *node, env *kit.Env, _ *kit.Spec) { env.Limits.AcceptRetryFor = patience })
	alice, _ := n.attach("alice")
	n.disown()
	out := n.accept(n.ctx(), offer("alice", alice), ref)
	select {
	case a := <-out:
		t.Fatalf("ack got %v, %v", a.reply, a.err)
	case <-time.After(quiet): // nobody owns it
	}
	n.own()
	first := n.next() // no answer: it is sent again
	second := n.next()
	second.refuse(callv1.Code_CODE_RETRY)
	third := n.next()
	third.ok(callv1.LegState_LEG_STATE_OFFERED)
	if a := n.result(out); a.err != nil || a.reply.GetMediaNode() != "m1" {
		t.Fatalf("ack got %v, %v", a.reply, a.err)
	}
	for _, a := range []*try{second, third} {
		if a.c.GetId() != first.c.GetId() || a.c.GetLegId() != first.c.GetLegId() {
			t.Errorf("sent again as %s of %s, want %s of %s", a.c.GetId(), a.c.GetLegId(), first.c.GetId(), first.c.GetLegId())
		}
	}
	n.none()
}

func TestAcceptFollowsRedirects(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	elsewhere := n.key.NewCallID("bob", "won")
	out := n.accept(n.ctx(), hangUp("alice", l.id), kit.Ref{})
	a := n.next()
	a.respond(&callv1.Reply{CallId: elsewhere, Error: &callv1.Error{Code: callv1.Code_CODE_REDIRECTED}})
	b := n.next()
	if b.callID != elsewhere || b.c.GetCallId() != elsewhere || b.c.GetId() != a.c.GetId() || b.c.GetLegId() != l.id {
		t.Errorf("sent on as %v to %s", b.c, b.callID)
	}
	b.refuse(callv1.Code_CODE_CONFLICT)
	n.refusedWith(out, callv1.Code_CODE_CONFLICT)
	<-out
	// The leg's call is remembered.
	n.accept(n.ctx(), hangUp("alice", l.id), kit.Ref{})
	if c := n.next(); c.callID != elsewhere {
		t.Errorf("the next command went to %s, want %s", c.callID, elsewhere)
	} else {
		c.ok(callv1.LegState_LEG_STATE_ENDED)
	}
}

func TestALegThatWasHandedOverSpeaksToItsNewCall(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	elsewhere := n.key.NewCallID("bob", "won")
	out := n.accept(n.ctx(), offer("alice", alice), ref)
	a := n.next()
	a.respond(&callv1.Reply{CallId: elsewhere, LegId: a.c.GetLegId(), LegState: callv1.LegState_LEG_STATE_ANSWERED})
	n.result(out)
	<-out
	out = n.accept(n.ctx(), hangUp("alice", ""), ref)
	if b := n.next(); b.callID != elsewhere {
		t.Errorf("the hang-up went to %s, want %s", b.callID, elsewhere)
	} else {
		b.ok(callv1.LegState_LEG_STATE_ENDED)
	}
	n.result(out)
}

func TestRedirectsInACircleEnd(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	out := n.accept(n.ctx(), offer("alice", alice), ref)
	here, there := n.key.NewCallID("a", "b"), n.key.NewCallID("c", "d")
	for i := 0; ; i++ {
		select {
		case a := <-n.asked:
			to := []string{here, there}[i%2]
			a.respond(&callv1.Reply{CallId: to, Error: &callv1.Error{Code: callv1.Code_CODE_REDIRECTED}})
			continue
		case a := <-out:
			if schema.CodeOf(a.err) != callv1.Code_CODE_REDIRECTED || i > 10 {
				t.Errorf("after %d redirections: %v", i, a.err)
			}
		}
		return
	}
}

func TestUnknownOutcomeIsHungUpUntilConfirmed(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	out := n.accept(n.ctx(), offer("alice", alice), ref)
	first := n.next()
	l := &leg{n, first.c.GetLegId(), first.callID, "alice", alice}
	n.refusedWith(out, callv1.Code_CODE_RETRY)
	a := n.nextOf("hang-up")
	if a.c.GetLegId() != l.id || a.c.GetPrincipal() != "alice" {
		t.Fatalf("hung up: %v", a.c)
	}
	b := n.nextOf("hang-up") // the first was not answered
	b.refuse(callv1.Code_CODE_OVERLOAD)
	c := n.nextOf("hang-up")
	c.refuse(callv1.Code_CODE_NOT_FOUND) // the offer may be behind us
	d := n.nextOf("hang-up")
	if a.c.GetId() != d.c.GetId() {
		t.Error("sent again with another id")
	}
	d.refuse(callv1.Code_CODE_NOT_FOUND)
	n.none()
	// Whatever comes of it is not for the terminal, nor can it begin again.
	l.gets(l.send(1, &callv1.Alerting{}), ok)
	n.notDelivered()
	n.refusedWith(n.accept(n.ctx(), offer("alice", alice), ref), callv1.Code_CODE_ENDED)
	if n.rec.get("give-up started") != 1 || n.rec.get("give-up confirmed") != 1 {
		t.Errorf("counted: %v", n.rec.counts)
	}
}

// nextOf skips tries of other commands.
func (n *node) nextOf(kind string) *try {
	n.t.Helper()
	for {
		a := n.next()
		if kind == "hang-up" && a.c.GetHangUp() != nil || kind == "leg-failed" && a.c.GetLegFailed() != nil {
			return a
		}
	}
}

func TestUnknownAnswerIsHungUpAndTheTerminalTold(t *testing.T) {
	for _, c := range []*callv1.Command{answer("bob", ""), ringing("bob", ""), hangUp("bob", "")} {
		t.Run(fmt.Sprintf("%T", c.GetBody()), func(t *testing.T) {
			n := start(t, nil)
			bob, _ := n.attach("bob")
			l := n.called("bob", bob)
			l.gets(l.send(1, &callv1.Incoming{}), ok)
			n.delivered()
			c.LegId = l.id
			out := n.accept(n.ctx(), c, kit.Ref{})
			n.refusedWith(out, callv1.Code_CODE_RETRY)
			if e := n.delivered(); e.GetEnded().GetReason() != callv1.Reason_REASON_INTERNAL || e.GetLegId() != l.id || e.GetNumber() != 2 {
				t.Errorf("delivered: %v", e)
			}
			for {
				if a := n.nextOf("hang-up"); a.c.GetId() != c.GetId() {
					a.ok(callv1.LegState_LEG_STATE_ENDED)
					break
				}
			}
			l.gets(l.send(2, &callv1.Ended{}), ok) // the owner's own
			n.notDelivered()
		})
	}
}

func TestNothingSentMeansNothingToHangUp(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	n.disown()
	n.refusedWith(n.accept(n.ctx(), offer("alice", alice), ref), callv1.Code_CODE_RETRY)
	n.own()
	n.none()
	n.placed("alice", alice, ref) // the same reference serves again
}

func TestAHangUpThatReachedNobodyIsCarriedOutLater(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	n.disown()
	n.refusedWith(n.accept(n.ctx(), hangUp("alice", l.id), kit.Ref{}), callv1.Code_CODE_RETRY)
	n.own()
	n.nextOf("hang-up").ok(callv1.LegState_LEG_STATE_ENDED)
}

func TestAContextThatEndsIsAnUnknownOutcome(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	ctx, cancel := context.WithCancel(context.Background())
	out := n.accept(ctx, offer("alice", alice), ref)
	n.next()
	cancel()
	n.refusedWith(out, callv1.Code_CODE_RETRY)
	n.nextOf("hang-up").ok(callv1.LegState_LEG_STATE_ENDED)
}

func TestARefusedOfferLeavesNothing(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	out := n.accept(n.ctx(), offer("alice", alice), ref)
	n.next().refuse(callv1.Code_CODE_NOT_FOUND)
	n.refusedWith(out, callv1.Code_CODE_NOT_FOUND)
	<-out
	if legs := n.rec.get("legs"); legs != 0 {
		t.Errorf("%d legs are live", legs)
	}
	n.placed("alice", alice, ref)
}

func TestARefusedRepeatOfAnOfferLeavesTheCall(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	out := n.accept(n.ctx(), offer("alice", alice), ref)
	n.next().refuse(callv1.Code_CODE_CONFLICT)
	n.refusedWith(out, callv1.Code_CODE_CONFLICT)
	l.gets(l.send(1, &callv1.Alerting{}), ok)
	n.delivered()
}

func TestAnothersLegIsNoSuchLeg(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	n.refusedWith(n.accept(n.ctx(), hangUp("mallory", l.id), kit.Ref{}), callv1.Code_CODE_NOT_FOUND)
	n.none()
	l.gets(l.send(1, &callv1.Alerting{}), ok)
	n.delivered()
}

func TestAnAckThatPanicsGivesTheLegUp(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.host.Accept(n.ctx(), offer("alice", alice), ref, func(*callv1.Reply, error) { panic("in an ack") })
	}()
	n.next().ok(callv1.LegState_LEG_STATE_OFFERED)
	a := n.nextOf("leg-failed")
	if a.c.GetLegFailed().GetReason() != callv1.Reason_REASON_INTERNAL {
		t.Errorf("given up with %v", a.c)
	}
	a.ok(callv1.LegState_LEG_STATE_ENDED)
	<-done
}

func TestCommandsAreMeasured(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	n.placed("alice", alice, ref)
	out := n.accept(n.ctx(), hangUp("alice", ""), ref)
	n.next().refuse(callv1.Code_CODE_CONFLICT)
	n.result(out)
	for _, key := range []string{"command offer ok", "command hang-up conflict", "legs", "terminals"} {
		for end := time.Now().Add(patience); n.rec.get(key) != 1 && time.Now().Before(end); { // the peer's answer comes first
			<-time.After(time.Millisecond)
		}
		if n.rec.get(key) != 1 {
			t.Errorf("%s is %d, want 1", key, n.rec.get(key))
		}
	}
}
