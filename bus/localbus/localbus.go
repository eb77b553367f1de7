package localbus

import (
	"context"
	"errors"
	"sync"

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

// Serve implements bus.Driver.
func (c *conn) Serve(filter, queue string, h bus.Handler) (bus.Subscription, error) {
	s := newServer(filter, c, h)
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
	a := &slot[[]byte]{}
	err := c.hand(ctx, s, bus.Msg{Subject: subject, Data: data, Respond: a.give}, a.unserved)
	var v []byte
	if err == nil {
		v, err = a.wait(ctx, c)
	}
	if errors.Is(err, errNotServed) {
		return c.Driver.Request(ctx, subject, data)
	}
	return v, err
}

// RequestValue implements bus.Shortcut.
func (c *conn) RequestValue(ctx context.Context, subject string, value any) (answer any, served bool, err error) {
	s := c.router.find(subject)
	if s == nil {
		return nil, false, nil
	}
	a := &slot[any]{}
	m := bus.Msg{Subject: subject, Value: value, RespondValue: a.give}
	var work func()
	if bus.Lends(ctx) {
		m.Lend = func(f func()) bool { work = f; return true }
	}
	err = c.hand(ctx, s, m, a.unserved)
	if work != nil {
		work()
	}
	if err == nil {
		answer, err = a.wait(ctx, c)
	}
	if errors.Is(err, errNotServed) {
		return nil, false, nil
	}
	return answer, err == nil, err
}

// errNotServed: the server stopped or has too much to do; nothing happened.
var errNotServed = errors.New("localbus: not served")

// hand gives a message to a server.
func (c *conn) hand(ctx context.Context, s *server, m bus.Msg, unserved func()) error {
	select {
	case <-c.closed:
		return bus.ErrClosed
	default:
	}
	if ctx.Err() != nil {
		return bus.ContextError(ctx)
	}
	if !s.try(m, unserved) {
		return errNotServed
	}
	return nil
}

// slot is the place for one answer; the first counts.
type slot[T any] struct {
	mu    sync.Mutex
	state state
	value T
	// ready is closed with the answer; made when somebody has to wait for it, as a
	// rule never.
	ready chan struct{}
}

// state is what has become of a request.
type state int

const (
	open state = iota
	given
	refused // there will be no answer
)

func (a *slot[T]) give(v T) { a.settle(given, v) }

func (a *slot[T]) unserved() {
	var none T
	a.settle(refused, none)
}

func (a *slot[T]) settle(s state, v T) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state != open {
		return
	}
	a.state, a.value = s, v
	if a.ready != nil {
		close(a.ready)
	}
}

func (a *slot[T]) wait(ctx context.Context, c *conn) (v T, err error) {
	a.mu.Lock()
	waiting := a.state == open
	if waiting {
		a.ready = make(chan struct{})
	}
	a.mu.Unlock()
	if waiting {
		alarm := bus.NewAlarm(ctx)
		defer alarm.Stop()
		select {
		case <-a.ready:
		case <-alarm.Ended:
			return v, bus.AlarmError(ctx)
		case <-alarm.Late:
			return v, bus.AlarmError(ctx)
		case <-c.closed:
			return v, bus.ErrClosed
		}
	}
	if a.state == refused { // settled for good: no lock is needed
		return v, errNotServed
	}
	return a.value, nil
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
	err := c.Driver.Close()
	for _, s := range servers {
		s.drop()
	}
	return err
}
