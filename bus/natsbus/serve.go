package natsbus

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tandem-rtc/tandem/bus"
)

// Request implements bus.Driver.
func (c *Conn) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	if err := check(subject, data); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, bus.ContextError(ctx)
	}
	w, inbox, err := c.mux.add()
	if err != nil {
		return nil, err
	}
	if err := c.nc.PublishRequest(subject, inbox, data); err != nil {
		c.mux.drop(w)
		return nil, c.translate(err)
	}
	return c.mux.wait(ctx, w)
}

// Publish implements bus.Driver.
func (c *Conn) Publish(subject string, data []byte) error {
	if err := check(subject, data); err != nil {
		return err
	}
	return c.translate(c.nc.Publish(subject, data))
}

func check(subject string, data []byte) error {
	switch {
	case !bus.ValidSubject(subject):
		return fmt.Errorf("%w: subject %q", bus.ErrInvalid, subject)
	case len(data) > bus.MaxPayload:
		return fmt.Errorf("%w: %s, %d bytes", bus.ErrTooLarge, subject, len(data))
	}
	return nil
}

// subscription is one Serve. nats.go gives each a goroutine and a bounded queue.
type subscription struct {
	conn    *Conn
	sub     *nats.Subscription
	handle  bus.Handler
	stopped atomic.Bool
	running sync.Mutex // held while the handler runs
}

// Serve implements bus.Driver.
func (c *Conn) Serve(filter, queue string, h bus.Handler) (bus.Subscription, error) {
	if !bus.ValidFilter(filter) {
		return nil, fmt.Errorf("%w: filter %q", bus.ErrInvalid, filter)
	}
	if c.closed() {
		return nil, bus.ErrClosed
	}
	if !c.nc.IsConnected() {
		return nil, fmt.Errorf("%w: not connected", bus.ErrUnavailable)
	}
	s := &subscription{conn: c, handle: h}
	var err error
	if s.sub, err = c.nc.QueueSubscribe(filter, queue, s.receive); err != nil {
		return nil, c.translate(err)
	}
	if err = s.sub.SetPendingLimits(c.cfg.PendingMessages, c.cfg.PendingBytes); err == nil {
		err = c.nc.FlushTimeout(c.cfg.WriteTimeout) // then it is in force
	}
	if err != nil {
		_ = s.sub.Unsubscribe()
		return nil, c.translate(err)
	}
	c.mu.Lock()
	c.subs[s] = struct{}{}
	c.mu.Unlock()
	if c.closed() { // Close may have missed it
		s.Stop()
		return nil, bus.ErrClosed
	}
	return s, nil
}

func (s *subscription) receive(m *nats.Msg) {
	s.running.Lock()
	defer s.running.Unlock()
	if s.stopped.Load() {
		return
	}
	respond := ignore
	if m.Reply != "" {
		respond = func(data []byte) {
			if err := s.conn.nc.Publish(m.Reply, data); err != nil && !s.conn.closed() {
				s.conn.cfg.Logger.Debug("answer lost", "subject", m.Subject, "error", err)
			}
		}
	}
	s.handle(bus.Msg{Subject: m.Subject, Data: m.Data, Respond: respond})
}

func ignore([]byte) {}

// Stop implements bus.Subscription.
func (s *subscription) Stop() {
	s.stopped.Store(true)
	s.conn.mu.Lock()
	delete(s.conn.subs, s)
	s.conn.mu.Unlock()
	if s.sub.Unsubscribe() == nil && s.conn.nc.IsConnected() {
		// Once the server knows, requests find no responders instead of silence.
		_ = s.conn.nc.FlushTimeout(time.Second)
	}
	s.wait()
}

// wait returns once no handler runs; stopped is set, so none begins any more.
func (s *subscription) wait() {
	s.running.Lock()
	defer s.running.Unlock()
}
