package roles

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// trace is what happened, in order.
type trace struct {
	mu  sync.Mutex
	all []string
}

func (t *trace) add(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, s)
}

// good is a role that starts and drains as it should.
func (t *trace) good(name string) Role {
	return Role{name, func(ctx context.Context, ready func()) error {
		t.add("start " + name)
		ready()
		ready() // a second call does no harm
		<-ctx.Done()
		t.add("stop " + name)
		return nil
	}}
}

func group(rs ...Role) *Group {
	return &Group{Roles: rs, Drain: 10 * time.Second, Log: slog.New(slog.DiscardHandler), Status: &Status{}}
}

func TestOrder(t *testing.T) {
	tr := &trace{}
	ctx, cancel := context.WithCancel(t.Context())
	g := group(tr.good("a"), tr.good("b"), tr.good("c"))
	g.Ready = func() {
		if ok, _ := g.Status.Ready(); !ok {
			t.Error("not ready")
		}
		cancel()
	}
	if err := g.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if want := []string{"start a", "start b", "start c", "stop c", "stop b", "stop a"}; !slices.Equal(tr.all, want) {
		t.Errorf("%v", tr.all)
	}
	if ok, _ := g.Status.Ready(); ok {
		t.Error("ready after the end")
	}
}

func TestFailures(t *testing.T) {
	bad := errors.New("broken")
	failing := func(err error, first bool) Role {
		return Role{"bad", func(_ context.Context, ready func()) error {
			if !first {
				ready()
			}
			return err
		}}
	}
	for name, tt := range map[string]struct {
		role Role
		want string
	}{
		"at the start":   {failing(bad, true), "bad: broken"},
		"later":          {failing(bad, false), "bad: broken"},
		"ends by itself": {failing(nil, false), "bad ended by itself"},
	} {
		tr := &trace{}
		err := group(tr.good("a"), tt.role, tr.good("c")).Run(t.Context())
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v", name, err)
		}
		if tr.all[0] != "start a" || tr.all[len(tr.all)-1] != "stop a" {
			t.Errorf("%s: %v", name, tr.all)
		}
	}
}

func TestEndWhileStarting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tr := &trace{}
	stuck := Role{"stuck", func(ctx context.Context, _ func()) error {
		cancel()
		<-ctx.Done()
		tr.add("stop stuck")
		return nil
	}}
	g := group(tr.good("a"), stuck, tr.good("c"))
	g.Ready = func() { t.Error("ready") }
	if err := g.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if want := []string{"start a", "stop stuck", "stop a"}; !slices.Equal(tr.all, want) {
		t.Errorf("%v", tr.all)
	}
	if _, waiting := g.Status.Ready(); !slices.Equal(waiting, []string{"stuck", "c"}) {
		t.Errorf("waiting: %v", waiting)
	}
}

func TestDrainLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		free := make(chan struct{})
		slow := Role{"slow", func(_ context.Context, ready func()) error { ready(); <-free; return nil }}
		tr := &trace{}
		g := group(tr.good("a"), slow)
		g.Ready = cancel
		err := g.Run(ctx)
		if err == nil || !strings.Contains(err.Error(), "slow did not end within 10s") {
			t.Errorf("%v", err)
		}
		close(free)
		synctest.Wait()
	})
}

func TestBadDrain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := group(Role{"r", func(ctx context.Context, ready func()) error {
		ready()
		<-ctx.Done()
		return errors.New("half done")
	}})
	g.Ready = cancel
	if err := g.Run(ctx); err == nil || err.Error() != "r: half done" {
		t.Errorf("%v", err)
	}
}

// A role that is told to end while it still starts ends in good order.
func TestEndedWhileStarting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := group(Role{"waits", func(ctx context.Context, _ func()) error {
		cancel()
		<-ctx.Done()
		return fmt.Errorf("connecting: %w", ctx.Err())
	}})
	if err := g.Run(ctx); err != nil {
		t.Errorf("ended as it was told to, and: %v", err)
	}
}
