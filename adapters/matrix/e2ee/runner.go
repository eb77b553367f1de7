//go:build goolm

package e2ee

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// runner keeps a user's device going: it opens it, and opens it anew when it has
// failed.
type runner struct {
	k      *Keeper
	user   id.UserID
	after  []<-chan struct{} // ended before it may begin
	cancel context.CancelFunc
	done   chan struct{}
	kick   chan struct{}

	// Of the Keeper's lock:
	uses int
	used time.Time

	mu      sync.Mutex
	dev     *device
	err     error // what the last attempt failed of, while no other is under way
	failed  time.Time
	changed chan struct{} // closed at the next change of the above
}

func newRunner(k *Keeper, user id.UserID, after []<-chan struct{}) *runner {
	return &runner{k: k, user: user, after: after, done: make(chan struct{}), kick: make(chan struct{}, 1), changed: make(chan struct{})}
}

func (r *runner) set(dev *device, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dev, r.err = dev, err
	if err != nil {
		r.failed = time.Now()
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// run returns when ctx has ended and everything that the device did has.
func (r *runner) run(ctx context.Context) {
	defer close(r.done)
	for _, ended := range r.after {
		<-ended
	}
	for failures := 0; ctx.Err() == nil; {
		began := time.Now()
		served, err := r.serve(ctx)
		if ctx.Err() != nil {
			break
		}
		if failures++; time.Since(began) > time.Minute {
			failures = 1
		}
		r.k.cfg.Log.Error("a device failed and is opened anew", "user", string(r.user), "error", err)
		if !served || schema.CodeOf(err) == callv1.Code_CODE_CONFLICT {
			r.set(nil, err) // else it is likely to be back at once
		}
		pause(ctx, backoff(failures), r.kick)
		r.set(nil, nil)
	}
	r.set(nil, errStopped)
}

var errStopped = schema.Errorf(callv1.Code_CODE_RETRY, "the device was stopped")

// serve opens the device and serves it until it fails or ctx ends. served: it
// could be opened.
func (r *runner) serve(ctx context.Context) (served bool, err error) {
	dev, err := open(ctx, &r.k.cfg, r.user, r.k.arrived)
	if err != nil {
		return false, err
	}
	var chores sync.WaitGroup
	chores.Go(dev.doChores)
	r.set(dev, nil)
	err = dev.receive()
	r.set(nil, nil)
	dev.close()
	chores.Wait()
	if failed := dev.vault.failed(); failed != nil {
		err = failed
	}
	return true, refusal(err)
}

// retryAfter is how soon after a failure somebody who needs the device has it
// opened anew.
const retryAfter = time.Second

// wait gives the device once it is there, or what it failed of.
func (r *runner) wait(ctx context.Context) (*device, error) {
	for {
		r.mu.Lock()
		dev, err, changed := r.dev, r.err, r.changed
		if err != nil && !errors.Is(err, errStopped) && time.Since(r.failed) > retryAfter {
			err, r.err = nil, nil
			select {
			case r.kick <- struct{}{}:
			default:
			}
		}
		r.mu.Unlock()
		switch {
		case err != nil:
			return nil, err
		case dev != nil && dev.ctx.Err() == nil:
			return dev, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, schema.Errorf(callv1.Code_CODE_RETRY, "the device of %s is not ready: %w", r.user, ctx.Err())
		}
	}
}

// backoff is how long to wait after so many failures.
func backoff(failures int) time.Duration {
	d := min(30*time.Second, 250*time.Millisecond<<min(failures, 10))
	return d/2 + rand.N(d/2)
}

// pause waits until d is over, ctx ends, or it is kicked.
func pause(ctx context.Context, d time.Duration, kick <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-kick:
	}
}
