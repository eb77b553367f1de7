package localbus

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/tandem-rtc/tandem/bus"
)

// Router knows the servers of one process.
type Router struct {
	mu   sync.RWMutex
	root node
}

// NewRouter makes an empty router.
func NewRouter() *Router { return &Router{} }

// Wrap gives a driver whose local requests take the short way. Drivers that
// share a router must be connected to the same broker.
func (r *Router) Wrap(d bus.Driver) bus.Driver {
	return &conn{Driver: d, router: r, closed: make(chan struct{})}
}

// find gives the one local server of a subject, or nil.
func (r *Router) find(subject string) *server {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s, n := r.root.match(subject)
	if n != 1 {
		return nil
	}
	return s
}

type conn struct {
	bus.Driver
	router *Router

	mu      sync.Mutex
	servers map[*server]struct{}
	once    sync.Once
	closed  chan struct{}
}

// server is one Serve. Its mutex keeps the promise that a handler gets one
// message at a time, whichever way they come.
type server struct {
	filter string
	inner  bus.Subscription
	conn   *conn

	mu      sync.Mutex
	stopped bool
	h       bus.Handler
}

func (s *server) handle(m bus.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.h(m)
	}
}

// patience is how often a busy handler is given the processor before its
// message takes the long way: handlers are short.
const patience = 16

// try handles a request at once, unless the handler stays busy: then the
// broker's queue is where to wait, so that a handler that blocks holds up nobody
// here.
func (s *server) try(m bus.Msg) bool {
	for n := 0; !s.mu.TryLock(); n++ {
		if n == patience {
			return false
		}
		runtime.Gosched()
	}
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.h(m)
	return true
}

// Stop implements bus.Subscription.
func (s *server) Stop() {
	s.leave()
	s.inner.Stop()
}

// leave ends the short way; no handler runs by it when leave returns.
func (s *server) leave() {
	r := s.conn.router
	r.mu.Lock()
	r.root.remove(s.filter, s)
	r.mu.Unlock()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.conn.mu.Lock()
	delete(s.conn.servers, s)
	s.conn.mu.Unlock()
}

// Serve implements bus.Driver.
func (c *conn) Serve(filter, queue string, h bus.Handler) (bus.Subscription, error) {
	s := &server{filter: filter, conn: c, h: h}
	inner, err := c.Driver.Serve(filter, queue, s.handle)
	if err != nil {
		return nil, err
	}
	s.inner = inner
	c.mu.Lock()
	if c.servers == nil {
		c.servers = map[*server]struct{}{}
	}
	c.servers[s] = struct{}{}
	c.mu.Unlock()
	c.router.mu.Lock()
	c.router.root.insert(filter, s)
	c.router.mu.Unlock()
	return s, nil
}

// Request implements bus.Driver. The server owns data from here on.
func (c *conn) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	s := c.router.find(subject)
	if s == nil || len(data) > bus.MaxPayload {
		return c.Driver.Request(ctx, subject, data)
	}
	a := newAnswer[[]byte]()
	handled, err := c.hand(ctx, s, bus.Msg{Subject: subject, Data: data, Respond: a.give})
	if err != nil {
		return nil, err
	}
	if !handled {
		return c.Driver.Request(ctx, subject, data)
	}
	return a.wait(ctx, c)
}

// RequestValue implements bus.Shortcut.
func (c *conn) RequestValue(ctx context.Context, subject string, value any) (answer any, served bool, err error) {
	s := c.router.find(subject)
	if s == nil {
		return nil, false, nil
	}
	a := newAnswer[any]()
	handled, err := c.hand(ctx, s, bus.Msg{Subject: subject, Value: value, RespondValue: a.give})
	if err != nil || !handled {
		return nil, false, err
	}
	answer, err = a.wait(ctx, c)
	return answer, err == nil, err
}

// hand gives a message to a server at once; false if that is busy.
func (c *conn) hand(ctx context.Context, s *server, m bus.Msg) (bool, error) {
	select {
	case <-c.closed:
		return false, bus.ErrClosed
	case <-ctx.Done():
		return false, bus.ContextError(ctx)
	default:
		return s.try(m), nil
	}
}

// answer is the place for one answer; the first counts.
type answer[T any] struct {
	given atomic.Bool
	c     chan T
}

func newAnswer[T any]() *answer[T] { return &answer[T]{c: make(chan T, 1)} }

func (a *answer[T]) give(v T) {
	if a.given.CompareAndSwap(false, true) {
		a.c <- v
	}
}

func (a *answer[T]) wait(ctx context.Context, c *conn) (v T, err error) {
	select {
	case v = <-a.c:
		return v, nil
	default:
	}
	select {
	case v = <-a.c:
		return v, nil
	case <-ctx.Done():
		return v, bus.ContextError(ctx)
	case <-c.closed:
		return v, bus.ErrClosed
	}
}

// Close implements bus.Driver.
func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	c.mu.Lock()
	servers := make([]*server, 0, len(c.servers))
	for s := range c.servers {
		servers = append(servers, s)
	}
	c.mu.Unlock()
	for _, s := range servers {
		s.leave()
	}
	return c.Driver.Close()
}
