package bus

import (
	"context"
	"sync"
	"time"
)

// WithTimeout is context.WithTimeout for what is usually over before anybody
// waits: the timer is made when Done is first called. Most requests within one
// process have their answer by then.
func WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return WithDeadline(parent, time.Now().Add(d))
}

// WithDeadline is context.WithDeadline in the same way.
func WithDeadline(parent context.Context, at time.Time) (context.Context, context.CancelFunc) {
	if earlier, ok := parent.Deadline(); ok && earlier.Before(at) {
		at = earlier
	}
	c := &lazyContext{parent: parent, at: at}
	return c, c.cancel
}

type lazyContext struct {
	parent context.Context //nolint:containedctx // it is a context
	at     time.Time

	mu    sync.Mutex
	over  bool            // canceled before there was an inner one
	inner context.Context //nolint:containedctx // with the timer; nil until Done
	end   context.CancelFunc
}

// Deadline implements context.Context.
func (c *lazyContext) Deadline() (time.Time, bool) { return c.at, true }

// Done implements context.Context.
func (c *lazyContext) Done() <-chan struct{} { return c.real().Done() }

// real gives the context with the timer.
func (c *lazyContext) real() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		c.inner, c.end = context.WithDeadline(c.parent, c.at)
		if c.over {
			c.end()
		}
	}
	return c.inner
}

// Err implements context.Context.
func (c *lazyContext) Err() error {
	c.mu.Lock()
	inner, over := c.inner, c.over
	c.mu.Unlock()
	switch {
	case inner != nil:
		return inner.Err()
	case over:
		return context.Canceled
	case c.parent.Err() != nil:
		return c.parent.Err()
	case !time.Now().Before(c.at):
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context. A context made of this one asks for the
// nearest one with a timer, after Done: that is the inner one.
func (c *lazyContext) Value(key any) any {
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return c.parent.Value(key)
}

func (c *lazyContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.end != nil {
		c.end()
	}
}
