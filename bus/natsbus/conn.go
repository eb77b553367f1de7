package natsbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/internal/hooks"
)

// Conn is a connection to NATS that implements bus.Driver.
type Conn struct {
	cfg       Config
	nc        *nats.Conn
	js        jetstream.JetStream // for what is rare; the rest goes through mux
	mux       *mux
	reconnect *hooks.Set
	records   *records
	dropped   atomic.Uint64
	done      chan struct{} // closed by Close
	closing   sync.Once

	mu   sync.Mutex
	subs map[*subscription]struct{}
}

var _ bus.Driver = (*Conn)(nil)

// Connect connects, trying until it succeeds or ctx ends. Afterwards the
// connection is kept up by itself until Close.
func Connect(ctx context.Context, cfg Config) (*Conn, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	opts, err := cfg.options()
	if err != nil {
		return nil, err
	}
	c := &Conn{cfg: cfg, mux: newMux(), reconnect: hooks.New(), done: make(chan struct{}), subs: map[*subscription]struct{}{}}
	opts = append(opts,
		nats.DisconnectErrHandler(c.onDisconnect),
		nats.ReconnectHandler(c.onReconnect),
		nats.ErrorHandler(c.onError),
	)
	if err := c.dial(ctx, opts); err != nil {
		c.reconnect.Stop()
		c.reconnect.Wait()
		return nil, err
	}
	if c.js, err = jetstream.NewWithAPIPrefix(c.nc, cfg.APIPrefix); err == nil {
		err = c.mux.start(c.nc, cfg)
	}
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("natsbus: %w", err)
	}
	c.records = newRecords(c)
	return c, nil
}

// dial connects for the first time. nats.go's own retry would give back a
// connection on which nothing works yet.
func (c *Conn) dial(ctx context.Context, opts []nats.Option) error {
	retry := time.NewTicker(250 * time.Millisecond)
	defer retry.Stop()
	for told := false; ; {
		nc, err := nats.Connect(c.cfg.URL, opts...)
		if err == nil {
			c.nc = nc
			return nil
		}
		if errors.Is(err, nats.ErrAuthorization) {
			return fmt.Errorf("natsbus: %w", err)
		}
		if !told {
			told = true
			c.cfg.Logger.Warn("NATS cannot be reached, trying on", "error", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w: %w", bus.ErrUnavailable, ctx.Err(), err)
		case <-retry.C:
		}
	}
}

func (c *Conn) onDisconnect(_ *nats.Conn, err error) {
	if c.closed() {
		return
	}
	c.cfg.Logger.Warn("connection to NATS lost", "error", err)
	c.mux.fail(bus.ErrLost)
}

func (c *Conn) onReconnect(*nats.Conn) {
	c.cfg.Logger.Info("connection to NATS is back")
	c.reconnect.Fire()
}

func (c *Conn) onError(_ *nats.Conn, s *nats.Subscription, err error) {
	if s == nil || !errors.Is(err, nats.ErrSlowConsumer) {
		c.cfg.Logger.Warn("NATS reports an error", "error", err)
		return
	}
	n, _ := s.Dropped()
	c.dropped.Add(1)
	c.cfg.Logger.Warn("slow consumer, messages dropped", "filter", s.Subject, "dropped", n)
}

// SlowConsumers counts how often a subscription began to drop messages.
func (c *Conn) SlowConsumers() uint64 { return c.dropped.Load() }

// NATS gives the connection itself, for what the bus has no words for
// (monitoring, tests). Do not close it.
func (c *Conn) NATS() *nats.Conn { return c.nc }

// OnReconnect implements bus.Driver.
func (c *Conn) OnReconnect(f func()) (cancel func()) { return c.reconnect.Add(f) }

// Records implements bus.Driver.
func (c *Conn) Records() bus.Records { return c.records }

// Close implements bus.Driver: it ends everything and waits for running
// handlers; it must not be called from one.
func (c *Conn) Close() error {
	c.closing.Do(func() { close(c.done) })
	c.reconnect.Stop()
	c.mu.Lock()
	subs := make([]*subscription, 0, len(c.subs))
	for s := range c.subs {
		s.stopped.Store(true)
		subs = append(subs, s)
	}
	c.mu.Unlock()
	c.nc.Close()
	c.mux.close()
	for _, s := range subs {
		s.wait()
	}
	c.reconnect.Wait()
	return nil
}

func (c *Conn) closed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// translate makes a bus error of one of nats.go's.
func (c *Conn) translate(err error) error {
	switch {
	case err == nil:
		return nil
	case c.closed(), errors.Is(err, nats.ErrConnectionClosed):
		return bus.ErrClosed
	case errors.Is(err, nats.ErrMaxPayload):
		return bus.ErrTooLarge
	case errors.Is(err, nats.ErrBadSubject):
		return bus.ErrInvalid
	case errors.Is(err, nats.ErrReconnectBufExceeded): // we keep nothing back for later
		return fmt.Errorf("%w: there is no connection to NATS now", bus.ErrUnavailable)
	}
	return fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
}
