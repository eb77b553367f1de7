package roles

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Role is one part of the process.
type Role struct {
	// Name is shown in logs and errors.
	Name string
	// Run serves until ctx ends and has then drained; it calls ready once.
	Run func(ctx context.Context, ready func()) error
}

// Status says how far the roles have come. Its methods may be called from any
// goroutine.
type Status struct {
	mu      sync.Mutex
	waiting []string // not ready, in order
	ready   bool
	ending  bool
}

// Ready reports whether every role is ready and none is ending; if not, the
// names of those that are not ready.
func (s *Status) Ready() (ready bool, waiting []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready && !s.ending, append([]string(nil), s.waiting...)
}

func (s *Status) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Group is a list of roles to run.
type Group struct {
	// Roles in the order in which they start.
	Roles []Role
	// Drain is how long all of them together may take to end.
	Drain time.Duration
	// Log gets one line for each role that ends badly or late.
	Log *slog.Logger
	// Status is kept up to date; it may be nil.
	Status *Status
	// Ready is called once all are ready; it may be nil.
	Ready func()
}

// running is a started role.
type running struct {
	Role
	cancel context.CancelFunc
	done   chan struct{}
	err    error // set before done is closed
}

// Run runs the group until ctx ends or a role fails, then drains it in reverse
// order. The error is the first failure, nil if ctx ended it and all drained.
// A role that does not end in time is left behind and reported.
func (g *Group) Run(ctx context.Context) error {
	if g.Status == nil {
		g.Status = &Status{}
	}
	g.Status.set(func() {
		for _, r := range g.Roles {
			g.Status.waiting = append(g.Status.waiting, r.Name)
		}
	})
	var started []*running
	failed := make(chan *running, len(g.Roles))
	err := g.start(ctx, &started, failed)
	if err == nil && ctx.Err() == nil {
		g.Status.set(func() { g.Status.ready = true })
		if g.Ready != nil {
			g.Ready()
		}
		select {
		case <-ctx.Done():
		case r := <-failed:
			err = r.failure()
		}
	}
	g.Status.set(func() { g.Status.ending = true })
	return errors.Join(err, g.drain(started, err != nil))
}

// start starts each role once the one before is ready.
func (g *Group) start(ctx context.Context, started *[]*running, failed chan *running) error {
	for _, role := range g.Roles {
		// Roles end one by one in drain, not all at once with ctx.
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		r := &running{Role: role, cancel: cancel, done: make(chan struct{})}
		ready := make(chan struct{})
		go func() {
			defer func() {
				close(r.done)
				failed <- r
			}()
			r.err = r.Run(own, sync.OnceFunc(func() { close(ready) }))
		}()
		*started = append(*started, r)
		select {
		case <-ready:
			g.Status.set(func() { g.Status.waiting = g.Status.waiting[1:] })
		case f := <-failed:
			return f.failure()
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// failure is the error of a role that ended without being told to.
func (r *running) failure() error {
	if r.err == nil {
		return fmt.Errorf("%s ended by itself", r.Name)
	}
	return fmt.Errorf("%s: %w", r.Name, r.err)
}

// drain ends what was started, last first.
func (g *Group) drain(started []*running, failed bool) (err error) {
	limit := time.NewTimer(g.Drain)
	defer limit.Stop()
	late := false
	for i := len(started) - 1; i >= 0; i-- {
		r := started[i]
		alive := true
		select {
		case <-r.done:
			alive = false
		default:
		}
		r.cancel()
		if !alive {
			continue // it is the failure, or failed after it
		}
		if late {
			select {
			case <-r.done:
			default:
				g.Log.Warn("left behind", "role", r.Name)
			}
			continue
		}
		select {
		case <-r.done:
			if r.err != nil && !errors.Is(r.err, context.Canceled) { // told to end while it was starting
				g.Log.Warn("did not end in good order", "role", r.Name, "error", r.err)
				if !failed {
					err = errors.Join(err, fmt.Errorf("%s: %w", r.Name, r.err))
				}
			}
		case <-limit.C:
			late = true
			err = errors.Join(err, fmt.Errorf("%s did not end within %v", r.Name, g.Drain))
		}
	}
	return err
}
