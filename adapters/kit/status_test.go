package kit_test

import (
	"context"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func inCall() *callv1.InCall { return inCallWith("bob") }

func inCallWith(peer string) *callv1.InCall {
	return &callv1.InCall{Peer: &callv1.Party{Addresses: []string{"sip:" + peer + "@example.com"}}}
}

// wantStatus requires what the adapter gets next.
func (n *node) wantStatus(l *leg, number uint64, inCall bool) {
	n.t.Helper()
	e := n.delivered()
	if e.GetCallId() != l.call || e.GetNumber() != number || (e.GetInCall() != nil) != inCall || !schema.IsStatus(e) {
		n.t.Fatalf("delivered %v; want number %d of call %s", e, number, l.call)
	}
}

func TestStatusIsToldOnceAndOnlyForward(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	one, two := n.called("alice", alice), n.called("alice", alice)
	one.gets(one.send(4, inCall()), ok)
	n.wantStatus(one, 4, true)
	two.gets(two.send(2, inCall()), ok) // numbers are a call's own
	n.wantStatus(two, 2, true)
	one.gets(one.send(4, inCall()), ok)
	one.gets(one.send(3, &callv1.Idle{}), ok)
	n.notDelivered()
	one.gets(one.send(5, inCall()), ok) // says nothing new
	n.notDelivered()
	one.gets(one.send(6, inCallWith("carol")), ok)
	n.wantStatus(one, 6, true)
	one.gets(one.send(7, &callv1.Idle{}), ok)
	n.wantStatus(one, 7, false)
	one.gets(one.send(8, &callv1.Idle{}), ok)
	one.gets(one.send(6, inCall()), ok)
	n.notDelivered()
	if got := n.rec.get("event in-call delivered"); got != 3 {
		t.Errorf("recorded: %v", n.rec.counts)
	}
	if n.rec.get("event idle delivered") != 1 || n.rec.get("event idle repeated") != 2 || n.rec.get("event in-call repeated") != 3 {
		t.Errorf("recorded: %v", n.rec.counts)
	}
}

func TestIdleIsForWhoWasShownTheCall(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	other, _ := n.attach("alice")
	l, m := n.called("alice", alice), n.called("alice", other)
	m.call = l.call
	l.gets(l.send(3, inCall()), ok)
	n.wantStatus(l, 3, true)
	m.gets(m.send(5, &callv1.Idle{}), ok)
	n.notDelivered()
	m.gets(m.send(4, inCall()), ok) // overtaken
	n.notDelivered()
	l.gets(l.send(5, &callv1.Idle{}), ok)
	n.wantStatus(l, 5, false)
}

func TestStatusIsForATerminalThatIsHere(t *testing.T) {
	n := start(t, nil)
	alice, detach := n.attach("alice")
	l := n.called("alice", alice)
	l.gets(n.called("bob", alice).send(1, inCall()), callv1.Code_CODE_GONE)
	l.gets(n.called("alice", &callv1.Terminal{Id: "never-was"}).send(1, inCall()), callv1.Code_CODE_GONE)
	began, let := make(chan struct{}), make(chan struct{})
	n.adapter.delivers(func(context.Context, *callv1.Event) error { close(began); <-let; return nil })
	first := l.send(1, inCall())
	<-began
	m := n.called("alice", alice)
	second := m.send(1, inCall())
	pending(t, second)
	detach(kit.Lost)
	m.gets(second, callv1.Code_CODE_GONE)
	close(let)
	l.gets(first, ok)
	l.gets(l.send(2, &callv1.Idle{}), callv1.Code_CODE_GONE)
}

func TestNoStatusBeforeTheEndOfTheTerminalsLeg(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.called("alice", alice)
	l.gets(l.send(1, &callv1.Incoming{}), ok)
	n.delivered()
	l.gets(l.send(5, inCall()), callv1.Code_CODE_RETRY)
	n.notDelivered()
	l.gets(l.send(2, &callv1.Ended{Reason: callv1.Reason_REASON_ANSWERED_ELSEWHERE}), ok)
	n.delivered()
	l.gets(l.send(5, inCall()), ok)
	n.wantStatus(l, 5, true)

	// Nor while the end is on its way.
	m := n.called("alice", alice)
	m.gets(m.send(1, &callv1.Incoming{}), ok)
	n.delivered()
	began, let := make(chan struct{}), make(chan struct{})
	n.adapter.delivers(func(context.Context, *callv1.Event) error { close(began); <-let; return nil })
	end := m.send(2, &callv1.Ended{Reason: callv1.Reason_REASON_TRANSFERRED})
	<-began
	m.gets(m.send(5, inCall()), callv1.Code_CODE_RETRY)
	n.adapter.delivers(nil)
	close(let)
	m.gets(end, ok)
	n.delivered()
	m.gets(m.send(5, inCall()), ok)
	n.wantStatus(m, 5, true)
}

func TestATerminalThatPullsTheCallForgetsTheStatus(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.called("alice", alice)
	l.gets(l.send(3, inCall()), ok)
	n.wantStatus(l, 3, true)
	out := n.accept(n.ctx(), pull("alice", alice), kit.Ref{ID: l.call})
	a := n.next()
	l.gets(l.send(4, inCall()), callv1.Code_CODE_RETRY) // while it pulls
	a.ok(callv1.LegState_LEG_STATE_ANSWERED)
	n.result(out)
	<-out
	mine := &leg{n, a.c.GetLegId(), l.call, "alice", alice}
	mine.gets(mine.send(1, &callv1.Ended{Reason: callv1.Reason_REASON_NORMAL}), ok)
	n.delivered()
	l.gets(l.send(6, &callv1.Idle{}), ok) // it shows nothing that could be taken back
	n.notDelivered()
	l.gets(l.send(7, inCall()), ok)
	n.wantStatus(l, 7, true)
}

func TestAPullThatFailsKeepsTheStatus(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.called("alice", alice)
	l.gets(l.send(3, inCall()), ok)
	n.wantStatus(l, 3, true)
	out := n.accept(n.ctx(), pull("alice", alice), kit.Ref{ID: l.call})
	n.next().refuse(callv1.Code_CODE_NOT_ACCEPTABLE)
	n.refusedWith(out, callv1.Code_CODE_NOT_ACCEPTABLE)
	<-out
	l.gets(l.send(4, &callv1.Idle{}), ok)
	n.wantStatus(l, 4, false)
}

func TestNewerStatusReplacesWhatWaits(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l, m := n.called("alice", alice), n.called("alice", alice)
	began, let := make(chan struct{}, 1), make(chan struct{})
	n.adapter.delivers(func(context.Context, *callv1.Event) error { began <- struct{}{}; <-let; return nil })
	first := l.send(1, inCall())
	<-began
	again := l.send(1, inCall()) // waits with the first
	second := m.send(1, inCall())
	pending(t, again)
	pending(t, second)
	third := m.send(2, inCall())
	m.gets(second, ok) // the third says all
	pending(t, third)
	n.adapter.delivers(nil)
	close(let)
	l.gets(first, ok)
	l.gets(again, ok)
	m.gets(third, ok)
	n.wantStatus(l, 1, true)
	n.wantStatus(m, 2, true)
	n.notDelivered()
}

func TestStatusThatFails(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.called("alice", alice)
	fail := func(code callv1.Code) {
		n.adapter.delivers(func(context.Context, *callv1.Event) error { return schema.Errorf(code, "no") })
	}
	fail(callv1.Code_CODE_RETRY)
	l.gets(l.send(1, inCall()), callv1.Code_CODE_RETRY)
	n.adapter.delivers(nil)
	l.gets(l.send(1, inCall()), ok)
	n.wantStatus(l, 1, true)
	fail(callv1.Code_CODE_GONE)
	l.gets(l.send(2, inCallWith("carol")), callv1.Code_CODE_GONE)
	fail(callv1.Code_CODE_UNSUPPORTED)
	l.gets(l.send(3, inCallWith("carol")), callv1.Code_CODE_UNSUPPORTED)
	n.adapter.delivers(func(context.Context, *callv1.Event) error { panic("a test") })
	l.gets(l.send(4, inCall()), callv1.Code_CODE_INTERNAL)
	n.adapter.delivers(nil)
	l.gets(l.send(5, &callv1.Idle{}), ok)
	n.notDelivered() // it was never shown
	n.none()         // and there is no leg to give up
}

func TestStatusOfMoreCallsThanAreRemembered(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	for range 200 {
		l := n.called("alice", alice)
		l.gets(l.send(1, inCall()), ok)
		n.wantStatus(l, 1, true)
	}
}

func TestATerminalsStatusHoldsUpNobodyElse(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	other, _ := n.attach("alice")
	slow := n.called("alice", alice)
	let := make(chan struct{})
	n.adapter.delivers(func(ctx context.Context, e *callv1.Event) error {
		if e.GetTerminalId() == alice.GetId() && schema.IsStatus(e) {
			<-let
		}
		return nil
	})
	out := slow.send(1, inCall())
	quick := n.called("alice", other)
	quick.gets(quick.send(1, inCall()), ok)
	n.wantStatus(quick, 1, true)
	rings := n.called("alice", alice) // its own legs neither
	rings.gets(rings.send(1, &callv1.Incoming{}), ok)
	n.delivered()
	close(let)
	slow.gets(out, ok)
	n.wantStatus(slow, 1, true)
}

// serveCalls answers the question for a terminal's calls.
func (n *node) serveCalls(answer func(q *callv1.CallsRequest) *callv1.CallsReply) {
	n.t.Helper()
	_, err := n.owner.ServeCalls(func(from *callv1.Identity, q *callv1.CallsRequest, respond func(*callv1.CallsReply)) {
		if from.GetKind() != "test" || from.GetNode() != "n1" {
			n.t.Errorf("asked by %v", from)
		}
		respond(answer(q))
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

func TestCallsAreShownOnce(t *testing.T) {
	n := start(t, nil)
	alice, detach := n.attach("alice")
	known, fresh, over, mine := n.called("alice", alice), n.called("alice", alice), n.called("alice", alice), n.called("alice", alice)
	if _, err := n.host.Calls(n.ctx(), alice.GetId()); schema.CodeOf(err) != callv1.Code_CODE_RETRY {
		t.Errorf("nobody answers: %v", err)
	}
	asked := 0
	n.serveCalls(func(q *callv1.CallsRequest) *callv1.CallsReply {
		if asked++; q.GetTerminalId() != alice.GetId() {
			t.Errorf("asked for %s", q.GetTerminalId())
		}
		if asked == 1 {
			return &callv1.CallsReply{Error: &callv1.Error{Code: callv1.Code_CODE_RETRY}}
		}
		return &callv1.CallsReply{Calls: []*callv1.Event{
			known.event(3, inCall()), fresh.event(3, inCall()), over.event(3, inCall()), mine.event(3, inCall()),
		}}
	})
	if _, err := n.host.Calls(n.ctx(), alice.GetId()); schema.CodeOf(err) != callv1.Code_CODE_RETRY {
		t.Errorf("not now: %v", err)
	}
	known.gets(known.send(3, inCall()), ok) // told by Deliver already
	n.wantStatus(known, 3, true)
	over.gets(over.send(4, &callv1.Idle{}), ok) // over by now
	mine.gets(mine.send(1, &callv1.Incoming{}), ok)
	n.delivered()
	calls, err := n.host.Calls(n.ctx(), alice.GetId())
	if err != nil || len(calls) != 1 || calls[0].GetCallId() != fresh.call {
		t.Errorf("calls: %v, %v; want one of %s", calls, err, fresh.call)
	}
	fresh.gets(fresh.send(3, inCall()), ok)
	n.notDelivered()
	fresh.gets(fresh.send(4, &callv1.Idle{}), ok)
	n.wantStatus(fresh, 4, false)

	asked = 1
	for name, id := range map[string]string{"nobody": "never-was", "none": ""} {
		if _, err := n.host.Calls(n.ctx(), id); schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
			t.Errorf("%s: %v", name, err)
		}
	}
	detach(kit.Lost)
	if _, err := n.host.Calls(n.ctx(), alice.GetId()); schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		t.Errorf("detached: %v", err)
	}
	if asked != 1 {
		t.Error("call state was asked for terminals that are not here")
	}
}

func TestWhatIsBeingDeliveredIsNotInCalls(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.called("alice", alice)
	n.serveCalls(func(*callv1.CallsRequest) *callv1.CallsReply {
		return &callv1.CallsReply{Calls: []*callv1.Event{l.event(3, inCall())}}
	})
	began, let := make(chan struct{}), make(chan struct{})
	n.adapter.delivers(func(context.Context, *callv1.Event) error { close(began); <-let; return nil })
	out := l.send(3, inCall())
	<-began
	if calls, err := n.host.Calls(n.ctx(), alice.GetId()); err != nil || len(calls) != 0 {
		t.Errorf("calls: %v, %v; want none", calls, err)
	}
	close(let)
	l.gets(out, ok)
	n.wantStatus(l, 3, true)
}

func TestStatusWaitsForNobodyAtTheEnd(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l, m := n.called("alice", alice), n.called("alice", alice)
	began, let := make(chan struct{}), make(chan struct{})
	n.adapter.delivers(func(context.Context, *callv1.Event) error { close(began); <-let; return nil })
	first := l.send(1, inCall())
	<-began
	second := m.send(1, inCall())
	pending(t, second)
	n.cancel()
	m.gets(second, callv1.Code_CODE_GONE)
	close(let)
	if err := n.wait(); err != nil {
		t.Error(err)
	}
	l.gets(first, ok)
}
