package kit_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestEventsAreHeldUntilTheAckHasReturned(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	acking, let := make(chan struct{}), make(chan struct{})
	go n.host.Accept(n.ctx(), offer("alice", alice), ref, func(*callv1.Reply, error) {
		close(acking)
		<-let
	})
	a := n.next()
	l := &leg{n, a.c.GetLegId(), a.callID, "alice", alice}
	one := l.send(1, &callv1.Alerting{})
	n.notDelivered()
	a.ok(callv1.LegState_LEG_STATE_OFFERED)
	<-acking
	two := l.send(2, &callv1.Answered{})
	n.notDelivered()
	close(let)
	for number := uint64(1); number <= 2; number++ {
		if e := n.delivered(); e.GetNumber() != number {
			t.Errorf("delivered %d, want %d", e.GetNumber(), number)
		}
	}
	l.gets(one, ok)
	l.gets(two, ok)
}

func TestOverlappingAcceptsHoldTogether(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	first := n.accept(n.ctx(), ringing("alice", l.id), kit.Ref{})
	a := n.next()
	second := n.accept(n.ctx(), ringing("alice", l.id), kit.Ref{})
	b := n.next()
	out := l.send(1, &callv1.Alerting{})
	a.ok(callv1.LegState_LEG_STATE_RINGING)
	n.result(first)
	pending(t, out)
	b.ok(callv1.LegState_LEG_STATE_RINGING)
	n.result(second)
	l.gets(out, ok)
}

func TestAcceptDoesNotWaitForADeliver(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	began, let := make(chan struct{}), make(chan struct{})
	n.adapter.delivers(func(context.Context, *callv1.Event) error { close(began); <-let; return nil })
	out := l.send(1, &callv1.Alerting{})
	<-began
	done := n.accept(n.ctx(), ringing("alice", l.id), kit.Ref{})
	n.next().ok(callv1.LegState_LEG_STATE_RINGING)
	if a := n.result(done); a.err != nil {
		t.Error(a.err)
	}
	close(let)
	l.gets(out, ok)
}

func TestNumbersNotAboveTheLastAreDropped(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	l.gets(l.send(3, &callv1.Alerting{}), ok) // numbers may be missing
	n.delivered()
	for _, number := range []uint64{1, 2, 3} {
		l.gets(l.send(number, &callv1.Established{}), ok)
	}
	n.notDelivered()
	l.gets(l.send(4, &callv1.Answered{}), ok)
	if e := n.delivered(); e.GetNumber() != 4 {
		t.Errorf("delivered %v", e)
	}
	if n.rec.get("event established repeated") != 3 {
		t.Errorf("counted: %v", n.rec.counts)
	}
}

func TestARepeatJoinsTheDeliveryUnderWay(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	let := make(chan error)
	n.adapter.delivers(func(context.Context, *callv1.Event) error { return <-let })
	one := l.send(1, &callv1.Answered{})
	pending(t, one)
	two := l.send(1, &callv1.Answered{})
	pending(t, two)
	let <- nil
	l.gets(one, ok)
	l.gets(two, ok)
	n.delivered()
	n.notDelivered()

	three := l.send(2, &callv1.Established{})
	pending(t, three)
	four := l.send(2, &callv1.Established{})
	pending(t, four)
	let <- schema.Errorf(callv1.Code_CODE_RETRY, "not now")
	l.gets(three, callv1.Code_CODE_RETRY)
	l.gets(four, callv1.Code_CODE_RETRY)
}

func TestWaitingEventsAreDeliveredInOrderOneAtATime(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	var at atomic.Int32
	let := make(chan struct{})
	n.adapter.delivers(func(context.Context, *callv1.Event) error {
		if at.Add(1) > 1 {
			t.Error("two at a time")
		}
		defer at.Add(-1)
		<-let
		return nil
	})
	out := []<-chan callv1.Code{l.send(1, &callv1.Established{})}
	pending(t, out[0])
	for _, number := range []uint64{4, 2, 5, 3} {
		out = append(out, l.send(number, &callv1.Established{}))
		pending(t, out[len(out)-1])
	}
	for number := uint64(1); number <= 5; number++ {
		let <- struct{}{}
		if e := n.delivered(); e.GetNumber() != number {
			t.Errorf("delivered %d, want %d", e.GetNumber(), number)
		}
	}
	for _, c := range out {
		l.gets(c, ok)
	}
}

func TestALegsQueueIsBounded(t *testing.T) {
	n := start(t, func(_ *node, env *kit.Env, _ *kit.Spec) { env.Limits.MaxLegEvents = 3 })
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	let := make(chan struct{})
	n.adapter.delivers(func(context.Context, *callv1.Event) error { <-let; return nil })
	var out []<-chan callv1.Code
	for number := uint64(1); number <= 3; number++ {
		out = append(out, l.send(number, &callv1.Established{}))
		pending(t, out[number-1])
	}
	l.gets(l.send(4, &callv1.Established{}), callv1.Code_CODE_RETRY)
	close(let)
	for _, c := range out {
		l.gets(c, ok)
	}
}

func TestAlertingIsDeliveredOnce(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	l.gets(l.send(1, &callv1.Alerting{}), ok)
	n.delivered()
	l.gets(l.send(2, &callv1.Alerting{}), ok)
	n.notDelivered()
	l.gets(l.send(2, &callv1.Answered{}), ok) // that number is spent
	n.notDelivered()
}

func TestProbesAreTheHosts(t *testing.T) {
	n := start(t, nil)
	alice, detach := n.attach("alice")
	l := n.called("alice", alice)
	l.gets(l.send(0, &callv1.Probe{}), ok)
	n.obey()
	detach(kit.Lost)
	l.gets(l.send(0, &callv1.Probe{}), callv1.Code_CODE_GONE)
	n.notDelivered()
}

func TestEventsForOthersAreGone(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	n.attach("bob")
	never := n.called("alice", &callv1.Terminal{Id: "never"})
	never.gets(never.send(1, &callv1.Incoming{}), callv1.Code_CODE_GONE)
	bobs := n.called("bob", alice) // bob's leg at alice's terminal
	bobs.gets(bobs.send(1, &callv1.Incoming{}), callv1.Code_CODE_GONE)
	n.notDelivered()
}

func TestARefusedEventGivesTheLegUp(t *testing.T) {
	for code := range callv1.Code_name {
		switch c := callv1.Code(code); c {
		case callv1.Code_CODE_UNSPECIFIED, callv1.Code_CODE_RETRY, callv1.Code_CODE_GONE:
		default:
			t.Run(schema.CodeName(c), func(t *testing.T) {
				n := start(t, nil)
				bob, _ := n.attach("bob")
				l := n.called("bob", bob)
				n.adapter.delivers(func(_ context.Context, e *callv1.Event) error {
					if e.GetEnded() != nil {
						return nil
					}
					return schema.Errorf(c, "cannot say that")
				})
				l.gets(l.send(1, &callv1.Incoming{}), c)
				a := n.nextOf("leg-failed")
				if a.c.GetLegId() != l.id || a.c.GetPrincipal() != "bob" || a.c.GetLegFailed().GetReason() != kit.ReasonFor(c) {
					t.Errorf("sent: %v", a.c)
				}
				l.gets(l.send(1, &callv1.Incoming{}), c) // it is not tried again
				b := n.nextOf("leg-failed")              // the first was not answered
				if a.c.GetId() != b.c.GetId() {
					t.Error("sent again with another id")
				}
				l.gets(l.send(2, &callv1.Ended{}), ok) // this it may say
				n.delivered()
				b.ok(callv1.LegState_LEG_STATE_ENDED)
			})
		}
	}
}

func TestADeliverThatPanicsIsARefusal(t *testing.T) {
	n := start(t, nil)
	bob, _ := n.attach("bob")
	l := n.called("bob", bob)
	n.adapter.delivers(func(context.Context, *callv1.Event) error { panic("in Deliver") })
	l.gets(l.send(1, &callv1.Incoming{}), callv1.Code_CODE_INTERNAL)
	n.nextOf("leg-failed").ok(callv1.LegState_LEG_STATE_ENDED)
}

func TestARefusedEndNeedsNoGivingUp(t *testing.T) {
	n := start(t, nil)
	bob, _ := n.attach("bob")
	l := n.called("bob", bob)
	n.adapter.delivers(func(context.Context, *callv1.Event) error {
		return schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "no")
	})
	l.gets(l.send(1, &callv1.Ended{}), callv1.Code_CODE_UNSUPPORTED)
	n.none()
	l.gets(l.send(1, &callv1.Ended{}), ok)
}

func TestRetryIsTheOwnersAndNothingOvertakes(t *testing.T) {
	errs := map[string]error{
		"said so":             schema.Errorf(callv1.Code_CODE_RETRY, "not now"),
		"ran into its time":   context.DeadlineExceeded,
		"wrapped its context": fmt.Errorf("write: %w", context.Canceled),
	}
	for name, why := range errs {
		t.Run(name, func(t *testing.T) {
			n := start(t, nil)
			alice, _ := n.attach("alice")
			l := n.placed("alice", alice, ref)
			let := make(chan error)
			n.adapter.delivers(func(context.Context, *callv1.Event) error { return <-let })
			one := l.send(1, &callv1.Alerting{})
			pending(t, one)
			two := l.send(2, &callv1.Answered{})
			pending(t, two)
			let <- why
			l.gets(one, callv1.Code_CODE_RETRY)
			l.gets(two, callv1.Code_CODE_RETRY)
			n.adapter.delivers(nil)
			l.gets(l.send(1, &callv1.Alerting{}), ok)
			l.gets(l.send(2, &callv1.Answered{}), ok)
			if a, b := n.delivered(), n.delivered(); a.GetNumber() != 1 || b.GetNumber() != 2 {
				t.Errorf("delivered %d, %d", a.GetNumber(), b.GetNumber())
			}
			n.none()
		})
	}
}

func TestDeliverHasItsTime(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	n.adapter.delivers(func(ctx context.Context, _ *callv1.Event) error { <-ctx.Done(); return ctx.Err() })
	began := time.Now()
	l.gets(l.send(1, &callv1.Alerting{}), callv1.Code_CODE_RETRY)
	if took := time.Since(began); took < shortLimits().DeliverTimeout {
		t.Errorf("its time was over after %v", took)
	}
}

func TestGoneIsPassedOn(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	n.adapter.delivers(func(context.Context, *callv1.Event) error {
		return schema.Errorf(callv1.Code_CODE_GONE, "closed")
	})
	l.gets(l.send(1, &callv1.Alerting{}), callv1.Code_CODE_GONE)
	n.none()
}

func TestOneLegsDeliveryNeverWaitsForAnothers(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	slow := n.placed("alice", alice, ref)
	fast := n.placed("alice", alice, kit.Ref{Scope: "test", ID: "call-2"})
	let := make(chan struct{})
	n.adapter.delivers(func(_ context.Context, e *callv1.Event) error {
		if e.GetLegId() == slow.id {
			<-let
		}
		return nil
	})
	out := slow.send(1, &callv1.Alerting{})
	pending(t, out)
	for number := uint64(1); number <= 5; number++ {
		fast.gets(fast.send(number, &callv1.Established{}), ok)
	}
	close(let)
	slow.gets(out, ok)
}

func TestAnEndedLegIsNotShownTwice(t *testing.T) {
	n := start(t, func(_ *node, env *kit.Env, _ *kit.Spec) { env.Limits.Tombstones = 2 })
	alice, _ := n.attach("alice")
	var legs []*leg
	for i := range 3 {
		l := n.placed("alice", alice, kit.Ref{Scope: "test", ID: fmt.Sprint(i)})
		l.gets(l.send(1, &callv1.Alerting{}), ok)
		l.gets(l.send(2, &callv1.Ended{}), ok)
		n.delivered()
		n.delivered()
		legs = append(legs, l)
	}
	for _, l := range legs[1:] { // a call state that starts again sends what is pending
		l.gets(l.send(1, &callv1.Alerting{}), ok)
		l.gets(l.send(2, &callv1.Ended{}), ok)
		l.gets(l.send(3, &callv1.Ended{}), ok)
	}
	n.notDelivered()
	if live := n.rec.get("legs"); live != 0 {
		t.Errorf("%d legs are live", live)
	}
	// The memory is bounded: of the oldest nothing is known.
	legs[0].gets(legs[0].send(1, &callv1.Alerting{}), ok)
	n.delivered()
}

func TestAfterItsOwnHangUpATerminalHearsNoMore(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	l := n.placed("alice", alice, ref)
	out := n.accept(n.ctx(), hangUp("alice", l.id), kit.Ref{})
	a := n.next()
	crossed := l.send(1, &callv1.Ended{})
	pending(t, crossed)
	a.ok(callv1.LegState_LEG_STATE_ENDED)
	n.result(out)
	l.gets(crossed, ok)
	l.gets(l.send(2, &callv1.Ended{}), ok)
	n.notDelivered()
}

func TestARefusedAnswerThatEndedTheLegIsFollowedByTheEnd(t *testing.T) {
	n := start(t, nil)
	bob, _ := n.attach("bob")
	l := n.called("bob", bob)
	l.gets(l.send(1, &callv1.Incoming{}), ok)
	n.delivered()
	out := n.accept(n.ctx(), answer("bob", l.id), kit.Ref{})
	n.next().respond(&callv1.Reply{
		LegState: callv1.LegState_LEG_STATE_ENDED, Reason: callv1.Reason_REASON_NOT_ACCEPTABLE,
		Error: &callv1.Error{Code: callv1.Code_CODE_NOT_ACCEPTABLE},
	})
	n.refusedWith(out, callv1.Code_CODE_NOT_ACCEPTABLE)
	if e := n.delivered(); e.GetEnded().GetReason() != callv1.Reason_REASON_NOT_ACCEPTABLE {
		t.Errorf("delivered: %v", e)
	}
}

func TestTheEndOfTheHostsMakingIsTriedAgain(t *testing.T) {
	n := start(t, nil)
	bob, _ := n.attach("bob")
	l := n.called("bob", bob)
	l.gets(l.send(1, &callv1.Incoming{}), ok)
	n.delivered()
	var tries atomic.Int32
	n.adapter.delivers(func(context.Context, *callv1.Event) error {
		if tries.Add(1) < 3 {
			return errors.Join(context.DeadlineExceeded)
		}
		return nil
	})
	out := n.accept(n.ctx(), answer("bob", l.id), kit.Ref{})
	n.next().respond(&callv1.Reply{
		LegState: callv1.LegState_LEG_STATE_ENDED, Error: &callv1.Error{Code: callv1.Code_CODE_NOT_ACCEPTABLE},
	})
	n.result(out)
	if e := n.delivered(); e.GetEnded() == nil || tries.Load() != 3 {
		t.Errorf("after %d tries: %v", tries.Load(), e)
	}
}

func TestALegTooManyIsGivenUp(t *testing.T) {
	n := start(t, func(_ *node, env *kit.Env, _ *kit.Spec) { env.Limits.MaxLegs = 1 })
	alice, _ := n.attach("alice")
	n.placed("alice", alice, ref)
	l := n.called("alice", alice)
	l.gets(l.send(1, &callv1.Incoming{}), callv1.Code_CODE_OVERLOAD)
	a := n.nextOf("leg-failed")
	if a.c.GetLegId() != l.id || a.c.GetLegFailed().GetReason() != callv1.Reason_REASON_OVERLOAD {
		t.Errorf("sent: %v", a.c)
	}
	a.ok(callv1.LegState_LEG_STATE_ENDED)
}
