package kit_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// watched is the table of terminals as others see it.
type watched struct {
	mu      sync.Mutex
	up      map[string]*callv1.Terminal
	changed chan struct{}
}

func watchTerminals(t *testing.T, table bus.Terminals) *watched {
	w := &watched{up: map[string]*callv1.Terminal{}, changed: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	done, synced := make(chan struct{}), make(chan struct{})
	var once sync.Once
	go func() {
		defer close(done)
		_ = table.Watch(ctx, func(x *callv1.Terminal, up bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if up {
				w.up[x.GetId()] = x
			} else {
				delete(w.up, x.GetId())
			}
			close(w.changed)
			w.changed = make(chan struct{})
		}, func() { once.Do(func() { close(synced) }) })
	}()
	t.Cleanup(func() { cancel(); <-done })
	<-synced
	return w
}

func (w *watched) wait(t *testing.T, what string, f func(map[string]*callv1.Terminal) bool) {
	t.Helper()
	late := time.After(patience)
	for {
		w.mu.Lock()
		ok, changed := f(w.up), w.changed
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("the table of terminals: never %s", what)
		}
	}
}

// recorder counts what a host measures.
type recorder struct {
	mu     sync.Mutex
	counts map[string]int
}

func newRecorder() *recorder { return &recorder{counts: map[string]int{}} }

func (r *recorder) add(key string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[key] += n
}

func (r *recorder) set(key string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[key] = n
}

func (r *recorder) get(key string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[key]
}

func (r *recorder) Count(name string, n int) { r.add(name, n) }
func (r *recorder) Gauge(name string, v int) { r.set(name, v) }
func (r *recorder) Command(what, outcome string, _ time.Duration) {
	r.add("command "+what+" "+outcome, 1)
}
func (r *recorder) Event(what, outcome string, _ time.Duration) { r.add("event "+what+" "+outcome, 1) }
func (r *recorder) GiveUp(outcome string)                       { r.add("give-up "+outcome, 1) }
func (r *recorder) Terminals(n int)                             { r.set("terminals", n) }
func (r *recorder) Legs(n int)                                  { r.set("legs", n) }
