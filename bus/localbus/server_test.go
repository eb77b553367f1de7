package localbus

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
)

func connect(t *testing.T) *conn {
	t.Helper()
	d := NewRouter().Wrap(membus.NewServer().Connect()).(*conn) //nolint:forcetypeassert // it is one
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// TestABusyHandlerGetsEverythingOneAtATime: many ask at once; nobody is lost, and
// no two are in the handler together.
func TestABusyHandlerGetsEverythingOneAtATime(t *testing.T) {
	d := connect(t)
	var inside atomic.Int32
	if _, err := d.Serve("a", "", func(m bus.Msg) {
		if inside.Add(1) != 1 {
			t.Error("two at once")
		}
		m.RespondValue(m.Value)
		inside.Add(-1)
	}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			for n := range 200 {
				v, served, err := d.RequestValue(t.Context(), "a", i*1000+n)
				if err != nil || served && v != i*1000+n {
					t.Errorf("%v %v %v", v, served, err)
				}
			}
		})
	}
	all.Wait()
}

// TestWhoWaitsForAHandlerThatStopsIsToldSo: they may ask another, by the broker.
func TestWhoWaitsForAHandlerThatStopsIsToldSo(t *testing.T) {
	d := connect(t)
	in, release := make(chan struct{}), make(chan struct{})
	sub, err := d.Serve("a", "", func(m bus.Msg) {
		if m.Value == 1 {
			close(in)
			<-release
		}
		m.RespondValue("done")
	})
	if err != nil {
		t.Fatal(err)
	}
	first, second, stopped := make(chan any, 1), make(chan error, 1), make(chan struct{})
	go func() {
		v, _, _ := d.RequestValue(t.Context(), "a", 1)
		first <- v
	}()
	<-in
	go func() {
		_, err := d.Request(t.Context(), "a", []byte("2"))
		second <- err
	}()
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := d.RequestValue(short, "a", 3); !errors.Is(err, bus.ErrTimeout) {
		t.Errorf("one that waits for too long: %v", err)
	}
	s := d.router.find("a")
	until := func(holds func() bool) {
		for ok := false; !ok; runtime.Gosched() {
			s.mu.Lock()
			ok = holds()
			s.mu.Unlock()
		}
	}
	until(func() bool { return len(s.waiting) == 2 })
	go func() { sub.Stop(); close(stopped) }()
	until(func() bool { return s.stopped })
	close(release)
	<-stopped
	if v := <-first; v != "done" {
		t.Errorf("the one under way got %v", v)
	}
	if err := <-second; !errors.Is(err, bus.ErrNoResponders) {
		t.Errorf("the one that waited: %v", err)
	}
}

// TestARequesterLendsItsGoroutine: the work is done when the request returns, and
// only if it was offered.
func TestARequesterLendsItsGoroutine(t *testing.T) {
	d := connect(t)
	if _, err := d.Serve("a", "", func(m bus.Msg) {
		if m.Lend == nil {
			m.RespondValue("not lent")
			return
		}
		respond := m.RespondValue
		m.Lend(func() { respond("by the requester") })
	}); err != nil {
		t.Fatal(err)
	}
	for want, ctx := range map[string]context.Context{
		"not lent": t.Context(), "by the requester": bus.Lending(t.Context()),
	} {
		if v, served, err := d.RequestValue(ctx, "a", 0); v != want || !served || err != nil {
			t.Errorf("%v %v %v, want %s", v, served, err, want)
		}
	}
}
