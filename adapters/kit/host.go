package kit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/bus/workers"
	"github.com/tandem-rtc/tandem/schema"
)

// host runs one adapter over the bus. It implements Host.
type host struct {
	spec     Spec
	env      Env
	limits   Limits
	log      *slog.Logger
	rec      Recorder
	instance string
	since    time.Time
	adapter  Adapter
	store    *store

	// work ends when the host has drained; everything its goroutines wait for
	// ends with it.
	work    context.Context
	cancel  context.CancelFunc
	cleanup chan struct{} // slots for detaching terminals at work
	// strangers are slots for questions about peers that have not signed in.
	strangers chan struct{}
	workers   workers.Pool // closed when the host has drained

	mu        sync.Mutex // never held while anything blocks
	legs      legTable
	terminals map[string]*terminal // with those being detached
	giveUps   int
	draining  bool // the adapter was asked to end
	closed    bool // the adapter has ended
	running   int  // goroutines
	idle      chan struct{}
	stopped   bool // no goroutine may be started any more
}

var _ Host = (*host)(nil)

// maxCleanups is how many detaching terminals talk to the bus at once.
const maxCleanups = 64

func newHost(spec Spec, env Env) *host {
	h := &host{
		spec: spec, env: env,
		limits:    env.Limits.withDefaults(),
		log:       env.Log,
		rec:       env.Recorder,
		instance:  schema.NewID(),
		since:     time.Now(),
		terminals: map[string]*terminal{},
		cleanup:   make(chan struct{}, maxCleanups),
		idle:      make(chan struct{}, 1),
	}
	h.strangers = make(chan struct{}, h.limits.MaxSignIns)
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.log = slog.New(callNamer{Handler: h.log.Handler()}).With("kind", spec.Kind, "node", env.Bus.Node())
	if h.rec == nil {
		h.rec = discard{}
	}
	h.legs = newLegTable(h.limits.Tombstones)
	h.store = &store{driver: env.Bus.Driver(), prefix: spec.Kind + "."}
	h.work, h.cancel = context.WithCancel(context.Background())
	return h
}

// goLocked starts a goroutine that the host waits for, unless it has stopped.
// h.mu is held.
func (h *host) goLocked(f func()) bool {
	if h.stopped {
		return false
	}
	h.running++
	h.workers.Go(func() {
		defer h.ran()
		f()
	})
	return true
}

func (h *host) ran() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running--; h.running == 0 {
		select {
		case h.idle <- struct{}{}:
		default:
		}
	}
}

// waitIdle waits until no goroutine is left and reports whether that came true
// in time.
func (h *host) waitIdle(timeout time.Duration) bool {
	t := time.NewTimer(timeout)
	defer t.Stop()
	for {
		h.mu.Lock()
		n := h.running
		h.mu.Unlock()
		if n == 0 {
			return true
		}
		select {
		case <-h.idle:
		case <-t.C:
			return false
		}
	}
}

// Store implements Host.
func (h *host) Store() Store { return h.store }

// DrainTimeout implements Host.
func (h *host) DrainTimeout() time.Duration { return h.limits.DrainTimeout }

// Node implements Host.
func (h *host) Node() string { return h.env.Bus.Node() }

// Metrics implements Host.
func (h *host) Metrics() Metrics { return h.rec }

// Log implements Host.
func (h *host) Log() *slog.Logger { return h.log }

// check reports what a host cannot start without.
func check(spec Spec, env Env) error {
	switch {
	case spec.Kind == "" || spec.New == nil:
		return errors.New("kit: the spec has no kind or cannot make an adapter")
	case env.Bus == nil || env.Terminals == nil || env.Nodes == nil:
		return errors.New("kit: the environment has no bus, terminals or nodes")
	case env.Bus.Kind() != spec.Kind:
		return errors.New("kit: the bus is another kind's")
	}
	return nil
}
