package kit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestRunAnnouncesTheNode(t *testing.T) {
	n := start(t, nil)
	ctx, cancel := context.WithCancel(n.ctx())
	defer cancel()
	seen := make(chan bus.Node, 16)
	go func() {
		_ = bus.NewNodes(n.owner, 20*time.Millisecond, time.Second).Watch(ctx, func(x bus.Node, up bool) {
			if x.Kind == "test" && up {
				seen <- x
			}
		}, func() {})
	}()
	if x := <-seen; x.Node != "n1" || x.Instance == "" || x.Draining {
		t.Errorf("announced: %+v", x)
	}
}

func TestRunReportsWhatCannotWork(t *testing.T) {
	good := func() (kit.Spec, kit.Env) {
		b, err := bus.New(membus.NewServer().Connect(), "test", "n1")
		if err != nil {
			t.Fatal(err)
		}
		a := &steered{events: make(chan *callv1.Event, 1)}
		return kit.Spec{Kind: "test", New: func(kit.Config, kit.Host) (kit.Adapter, error) { return a, nil }},
			kit.Env{Bus: b, Terminals: bus.NewTerminals(b), Nodes: bus.NewNodes(b, time.Second, time.Minute), Limits: shortLimits()}
	}
	tests := []struct {
		name   string
		break_ func(s *kit.Spec, e *kit.Env)
		want   string
	}{
		{"no kind", func(s *kit.Spec, _ *kit.Env) { s.Kind = "" }, "no kind"},
		{"another's bus", func(s *kit.Spec, _ *kit.Env) { s.Kind = "other" }, "another kind's"},
		{"no tables", func(_ *kit.Spec, e *kit.Env) { e.Terminals = nil }, "no bus"},
		{"a New that fails", func(s *kit.Spec, _ *kit.Env) {
			s.New = func(kit.Config, kit.Host) (kit.Adapter, error) { return nil, errors.New("not today") }
		}, "not today"},
		{"an adapter that fails", running(func(context.Context, func()) error { return errors.New("port taken") }), "port taken"},
		{"an adapter that ends", running(func(context.Context, func()) error { return nil }), "by itself"},
		{"an adapter that panics", running(func(context.Context, func()) error { panic("oh") }), "panicked: oh"},
		{"no bus", func(_ *kit.Spec, e *kit.Env) { _ = e.Bus.Driver().Close() }, "closed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec, env := good()
			test.break_(&spec, &env)
			err := kit.Run(context.Background(), spec, nil, env, func() {})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run: %v; want %q", err, test.want)
			}
		})
	}
}

func running(f func(context.Context, func()) error) func(*kit.Spec, *kit.Env) {
	return func(s *kit.Spec, _ *kit.Env) {
		s.New = func(kit.Config, kit.Host) (kit.Adapter, error) { return &steered{run: f}, nil }
	}
}

func TestDrainGivesUpWhatTheAdapterLeft(t *testing.T) {
	n := start(t, nil)
	a, _ := n.attach("alice")
	l := n.placed("alice", a, ref)
	n.cancel()
	f := n.nextOf("leg-failed")
	if f.c.GetLegId() != l.id || f.c.GetLegFailed().GetReason() != callv1.Reason_REASON_TERMINAL_LOST {
		t.Errorf("sent: %v", f.c)
	}
	f.ok(callv1.LegState_LEG_STATE_ENDED)
	if err := n.wait(); err != nil {
		t.Error(err)
	}
	n.watched.wait(t, "was without it", func(up map[string]*callv1.Terminal) bool { return len(up) == 0 })
	// Nothing works any more, and nothing hangs.
	n.refusedWith(n.accept(n.ctx(), hangUp("alice", l.id), kit.Ref{}), callv1.Code_CODE_RETRY)
	if _, _, err := n.host.Attach(n.ctx(), &callv1.Terminal{Subscriber: "alice"}); schema.CodeOf(err) != callv1.Code_CODE_RETRY {
		t.Errorf("attached: %v", err)
	}
}

func TestADrainingNodeTakesNoNewCalls(t *testing.T) {
	draining, let := make(chan struct{}), make(chan struct{})
	n := start(t, func(n *node, _ *kit.Env, _ *kit.Spec) {
		n.adapter.run = func(ctx context.Context, ready func()) error {
			ready()
			<-ctx.Done()
			close(draining)
			<-let
			return nil
		}
	})
	a, _ := n.attach("alice")
	l := n.placed("alice", a, ref)
	n.cancel()
	<-draining
	for schema.CodeOf(attachError(n)) != callv1.Code_CODE_RETRY { // from when the host knows
		n.notDelivered()
	}
	n.refusedWith(n.accept(n.ctx(), offer("alice", a), kit.Ref{Scope: "test", ID: "new"}), callv1.Code_CODE_RETRY)
	n.none()
	// The calls that there are can still end.
	l.gets(l.send(1, &callv1.Alerting{}), ok)
	out := n.accept(n.ctx(), hangUp("alice", l.id), kit.Ref{})
	n.next().ok(callv1.LegState_LEG_STATE_ENDED)
	if r := n.result(out); r.err != nil {
		t.Error(r.err)
	}
	close(let)
	if err := n.wait(); err != nil {
		t.Error(err)
	}
}

func attachError(n *node) error {
	_, _, err := n.host.Attach(n.ctx(), &callv1.Terminal{Subscriber: "bob"})
	return err
}

func TestAnAdapterThatDoesNotDrainIsAnError(t *testing.T) {
	let := make(chan struct{})
	defer close(let)
	b, err := bus.New(membus.NewServer().Connect(), "test", "n1")
	if err != nil {
		t.Fatal(err)
	}
	a := &steered{run: func(_ context.Context, ready func()) error { ready(); <-let; return nil }}
	spec := kit.Spec{Kind: "test", New: func(kit.Config, kit.Host) (kit.Adapter, error) { return a, nil }}
	limits := shortLimits()
	limits.DrainTimeout = 50 * time.Millisecond
	env := kit.Env{Bus: b, Terminals: bus.NewTerminals(b), Nodes: bus.NewNodes(b, time.Second, time.Minute), Limits: limits}
	ctx, cancel := context.WithCancel(context.Background())
	err = kit.Run(ctx, spec, nil, env, cancel)
	if err == nil || !strings.Contains(err.Error(), "did not drain") {
		t.Errorf("Run: %v", err)
	}
}

func TestTheBusComesAndGoes(t *testing.T) {
	n := start(t, nil)
	a, _ := n.attach("alice")
	l := n.placed("alice", a, ref)
	n.broker.Stop()
	n.refusedWith(n.accept(n.ctx(), hangUp("alice", l.id), kit.Ref{}), callv1.Code_CODE_RETRY)
	n.broker.Start()
	n.nextOf("hang-up").ok(callv1.LegState_LEG_STATE_ENDED)
}
