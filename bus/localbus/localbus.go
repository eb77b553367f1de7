package localbus

import (
	"context"
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

// try handles a request at once, unless the handler is busy: then the broker's
// queue is where to wait, so that a handler that blocks holds up nobody here.
func (s *server) try(m bus.Msg) bool {
	if !s.mu.TryLock() {
		return false
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
	select {
	case <-c.closed:
		return nil, bus.ErrClosed
	case <-ctx.Done():
		return nil, bus.ContextError(ctx)
	default:
	}
	answer := make(chan []byte, 1)
	var answered atomic.Bool
	if !s.try(bus.Msg{Subject: subject, Data: data, Respond: func(a []byte) {
		if answered.CompareAndSwap(false, true) {
			answer <- a
		}
	}}) {
		return c.Driver.Request(ctx, subject, data)
	}
	select {
	case a := <-answer:
		return a, nil
	default:
	}
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		return nil, bus.ContextError(ctx)
	case <-c.closed:
		return nil, bus.ErrClosed
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
