package membus

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/internal/hooks"
)

// Conn is one client of a Server, as a process would be.
type Conn struct {
	s         *Server
	done      chan struct{} // closed by Kill and Close
	reconnect *hooks.Set

	// Guarded by the server's mu.
	closed   bool
	subs     map[*subscription]struct{}
	watchers map[*watcher]struct{}
}

var _ bus.Driver = (*Conn)(nil)

// enter begins something that a connection does; leave must follow if it
// succeeded.
func (c *Conn) enter() error {
	c.s.mu.RLock()
	switch {
	case c.closed:
		c.s.mu.RUnlock()
		return bus.ErrClosed
	case c.s.down:
		c.s.mu.RUnlock()
		return bus.ErrUnavailable
	}
	return nil
}

func (c *Conn) leave() { c.s.mu.RUnlock() }

// ended reports whether the connection was killed or closed.
func (c *Conn) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Request implements bus.Driver.
func (c *Conn) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, bus.ContextError(ctx)
	}
	answer := make(chan []byte, 1)
	reached, outage, err := c.send(subject, data, answer)
	if err != nil {
		return nil, err
	}
	if reached == 0 {
		return nil, bus.ErrNoResponders
	}
	select {
	case data = <-answer:
		return data, nil
	case <-ctx.Done():
		return nil, bus.ContextError(ctx)
	case <-outage:
		return nil, bus.ErrLost
	case <-c.done:
		return nil, bus.ErrClosed
	}
}

// Publish implements bus.Driver.
func (c *Conn) Publish(subject string, data []byte) error {
	_, _, err := c.send(subject, data, nil)
	return err
}

// send queues a message for whom it concerns and says how many that are, and
// what is closed if the broker goes away.
func (c *Conn) send(subject string, data []byte, answer chan []byte) (int, <-chan struct{}, error) {
	switch {
	case !bus.ValidSubject(subject):
		return 0, nil, fmt.Errorf("%w: subject %q", bus.ErrInvalid, subject)
	case len(data) > bus.MaxPayload:
		return 0, nil, fmt.Errorf("%w: %s, %d bytes", bus.ErrTooLarge, subject, len(data))
	}
	if err := c.enter(); err != nil {
		return 0, nil, err
	}
	defer c.leave()
	var room [4]*subscription
	chosen := choose(c.s.routes.match(subject, room[:0]))
	for _, s := range chosen {
		s.put(bus.Msg{Subject: subject, Data: bytes.Clone(data), Respond: s.conn.responder(answer, c.s.outage)})
	}
	return len(chosen), c.s.outage, nil
}

// responder lets c answer a request, unless an outage came in between.
func (c *Conn) responder(answer chan []byte, outage chan struct{}) func([]byte) {
	if answer == nil {
		return func([]byte) {}
	}
	return func(data []byte) {
		if len(data) > bus.MaxPayload || c.enter() != nil {
			return
		}
		defer c.leave()
		if c.s.outage != outage {
			return
		}
		select {
		case answer <- bytes.Clone(data):
		default: // the first answer counts
		}
	}
}

// Serve implements bus.Driver.
func (c *Conn) Serve(filter, queue string, h bus.Handler) (bus.Subscription, error) {
	if !bus.ValidFilter(filter) {
		return nil, fmt.Errorf("%w: filter %q", bus.ErrInvalid, filter)
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	switch {
	case c.closed:
		return nil, bus.ErrClosed
	case c.s.down:
		return nil, bus.ErrUnavailable
	}
	s := newSubscription(c, filter, queue, h)
	c.subs[s] = struct{}{}
	c.s.routes.insert(filter, s)
	go s.run()
	return s, nil
}

// Records implements bus.Driver.
func (c *Conn) Records() bus.Records { return records{c} }

// OnReconnect implements bus.Driver.
func (c *Conn) OnReconnect(f func()) (cancel func()) { return c.reconnect.Add(f) }

// Kill ends the connection as the death of its process would, at once: no
// handler begins any more, nothing it sends arrives, what it waits for fails
// with bus.ErrClosed. Unlike Close it does not wait for handlers that run, so it
// may be called from one.
func (c *Conn) Kill() { c.shut() }

// Close implements bus.Driver: Kill, then waits for running handlers. It must
// not be called from a handler.
func (c *Conn) Close() error {
	for _, s := range c.shut() {
		<-s.ended
	}
	c.reconnect.Wait()
	return nil
}

func (c *Conn) shut() []*subscription {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if !c.closed {
		c.closed = true
		close(c.done)
		c.reconnect.Stop()
		delete(c.s.conns, c)
	}
	subs := make([]*subscription, 0, len(c.subs))
	for s := range c.subs {
		c.s.routes.remove(s.filter, s)
		s.stop()
		subs = append(subs, s)
	}
	return subs
}
