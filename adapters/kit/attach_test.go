package kit_test

import (
	"context"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestAttachFillsInTheTerminal(t *testing.T) {
	n := start(t, nil)
	a, _, err := n.host.Attach(n.ctx(), &callv1.Terminal{Subscriber: "alice", Rings: true, Kind: "a lie"})
	if err != nil {
		t.Fatal(err)
	}
	if a.GetId() == "" || a.GetKind() != "test" || a.GetNode() != "n1" || a.GetInstance() == "" || !a.GetFeatures().GetVideo() {
		t.Errorf("attached: %v", a)
	}
	n.watched.wait(t, "had it", func(up map[string]*callv1.Terminal) bool {
		return up[a.GetId()].GetInstance() == a.GetInstance() && up[a.GetId()].GetRings()
	})
}

func TestATerminalIsReachableBeforeAttachReturns(t *testing.T) {
	table := &slowTable{put: make(chan *callv1.Terminal), let: make(chan struct{})}
	n := start(t, func(_ *node, env *kit.Env, _ *kit.Spec) {
		table.Terminals, env.Terminals = env.Terminals, table
	})
	id := schema.NewID()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if a, _, err := n.host.Attach(n.ctx(), &callv1.Terminal{Id: id, Subscriber: "alice"}); err != nil || a.GetId() != id {
			t.Errorf("attached %v, %v", a, err)
		}
	}()
	terminal := <-table.put
	l := n.called("alice", terminal)
	l.gets(l.send(1, &callv1.Incoming{}), ok)
	if e := n.delivered(); e.GetTerminalId() != id {
		t.Errorf("delivered: %v", e)
	}
	close(table.let)
	<-done
}

// slowTable says what is put and waits.
type slowTable struct {
	bus.Terminals
	put chan *callv1.Terminal
	let chan struct{}
}

func (s *slowTable) Put(ctx context.Context, t *callv1.Terminal) error {
	select {
	case s.put <- t:
	case <-s.let:
	}
	<-s.let
	return s.Terminals.Put(ctx, t)
}

func TestAttachUpdates(t *testing.T) {
	n := start(t, nil)
	a, detach := n.attach("alice")
	update := &callv1.Terminal{Id: a.GetId(), Subscriber: "alice", Rings: false, Features: &callv1.Features{Resumes: true}}
	if _, _, err := n.host.Attach(n.ctx(), update); err != nil {
		t.Fatal(err)
	}
	n.watched.wait(t, "had the update", func(up map[string]*callv1.Terminal) bool {
		return up[a.GetId()].GetFeatures().GetResumes()
	})
	if n.rec.get("terminals") != 1 {
		t.Errorf("%d terminals", n.rec.get("terminals"))
	}
	update.Subscriber = "mallory"
	if _, _, err := n.host.Attach(n.ctx(), update); schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		t.Errorf("another's update: %v", err)
	}
	detach(kit.SignedOut)
	n.watched.wait(t, "was without it", func(up map[string]*callv1.Terminal) bool { return up[a.GetId()] == nil })
}

func TestAttachRefuses(t *testing.T) {
	n := start(t, func(_ *node, env *kit.Env, _ *kit.Spec) { env.Limits.MaxTerminals = 1 })
	if _, _, err := n.host.Attach(n.ctx(), &callv1.Terminal{}); schema.CodeOf(err) != callv1.Code_CODE_INVALID {
		t.Errorf("no subscriber: %v", err)
	}
	n.attach("alice")
	if _, _, err := n.host.Attach(n.ctx(), &callv1.Terminal{Subscriber: "bob"}); schema.CodeOf(err) != callv1.Code_CODE_OVERLOAD {
		t.Errorf("one too many: %v", err)
	}
}

func TestAttachFailsWhileTheBusIsAway(t *testing.T) {
	n := start(t, nil)
	n.broker.Stop()
	if _, _, err := n.host.Attach(n.ctx(), &callv1.Terminal{Subscriber: "alice"}); schema.CodeOf(err) != callv1.Code_CODE_RETRY {
		t.Errorf("the bus is away: %v", err)
	}
	n.broker.Start()
	n.attach("alice")
}

func TestASignOutHangsUp(t *testing.T) {
	n := start(t, nil)
	a, detach := n.attach("alice")
	one := n.placed("alice", a, ref)
	two := n.called("alice", a)
	two.gets(two.send(1, &callv1.Incoming{}), ok)
	other, _ := n.attach("alice")
	stays := n.placed("alice", other, kit.Ref{Scope: "test", ID: "other"})

	detach(kit.SignedOut)
	detach(kit.Lost) // says nothing new
	legs := map[string]bool{}
	for range 2 {
		h := n.nextOf("hang-up")
		legs[h.c.GetLegId()] = true
		h.ok(callv1.LegState_LEG_STATE_ENDED)
	}
	if !legs[one.id] || !legs[two.id] {
		t.Errorf("hung up: %v", legs)
	}
	n.watched.wait(t, "was without it", func(up map[string]*callv1.Terminal) bool {
		return up[a.GetId()] == nil && up[other.GetId()] != nil
	})
	n.none()
	for len(n.adapter.events) > 0 {
		n.delivered()
	}
	stays.gets(stays.send(1, &callv1.Alerting{}), ok)
	n.delivered()
}

func TestALossGivesTheLegsUp(t *testing.T) {
	n := start(t, nil)
	a, detach := n.attach("alice")
	l := n.placed("alice", a, ref)
	let := make(chan struct{})
	n.adapter.delivers(func(ctx context.Context, _ *callv1.Event) error { <-let; return nil })
	under := l.send(1, &callv1.Alerting{})
	pending(t, under)
	waiting := l.send(2, &callv1.Answered{})
	pending(t, waiting)
	detach(kit.Lost)
	l.gets(waiting, callv1.Code_CODE_GONE)
	l.gets(l.send(3, &callv1.Ended{}), callv1.Code_CODE_GONE)
	f := n.nextOf("leg-failed")
	if f.c.GetLegId() != l.id || f.c.GetLegFailed().GetReason() != callv1.Reason_REASON_TERMINAL_LOST {
		t.Errorf("sent: %v", f.c)
	}
	f.ok(callv1.LegState_LEG_STATE_ENDED)
	close(let)
	l.gets(under, ok)
}

func TestALegWhoseOfferIsUnderWayIsGivenUpAfterIt(t *testing.T) {
	n := start(t, nil)
	a, detach := n.attach("alice")
	out := n.accept(n.ctx(), offer("alice", a), ref)
	o := n.next()
	detach(kit.Lost)
	n.none()
	o.ok(callv1.LegState_LEG_STATE_OFFERED)
	n.result(out)
	f := n.nextOf("leg-failed")
	if f.c.GetLegId() != o.c.GetLegId() {
		t.Errorf("sent: %v", f.c)
	}
	f.ok(callv1.LegState_LEG_STATE_ENDED)
}

func TestDetachDoesNotBlockAndIsMadeGood(t *testing.T) {
	n := start(t, nil)
	a, detach := n.attach("alice")
	n.placed("alice", a, ref)
	n.broker.Stop()
	began := time.Now()
	detach(kit.Lost)
	if took := time.Since(began); took > quiet {
		t.Errorf("detach took %v", took)
	}
	n.broker.Start()
	n.nextOf("leg-failed").ok(callv1.LegState_LEG_STATE_ENDED)
	n.watched.wait(t, "was without it", func(up map[string]*callv1.Terminal) bool { return up[a.GetId()] == nil })
}

func TestTerminalsArePutAgainAfterTheBusWasAway(t *testing.T) {
	n := start(t, nil)
	a, _ := n.attach("alice")
	if err := bus.NewTerminals(n.owner).Delete(n.ctx(), a); err != nil {
		t.Fatal(err)
	}
	n.watched.wait(t, "was without it", func(up map[string]*callv1.Terminal) bool { return up[a.GetId()] == nil })
	n.broker.Restart()
	n.watched.wait(t, "had it again", func(up map[string]*callv1.Terminal) bool { return up[a.GetId()] != nil })
}
