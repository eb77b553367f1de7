package loopback

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Kind is the adapter's kind.
const Kind = "loopback"

// Config is the adapter's configuration.
type Config struct {
	// Exchange is the network to serve.
	Exchange *Exchange `yaml:"-"`
	// WriteTimeout is how long the answer to a request may wait for its peer.
	WriteTimeout time.Duration `yaml:"write_timeout" doc:"How long an answer may wait for a peer that does not read."`
}

// Validate implements kit.Config.
func (c *Config) Validate() error {
	switch {
	case c.Exchange == nil:
		return schema.Invalid("exchange", "missing")
	case c.WriteTimeout <= 0:
		return schema.Invalid("write_timeout", "must be positive")
	}
	return nil
}

// Spec describes the adapter.
func Spec() kit.Spec {
	return kit.Spec{
		Kind: Kind,
		Features: &callv1.Features{
			Resumes: true, Renegotiates: true, ShowsRinging: true, ShowsCalls: true, Video: true, DtmfSignals: true,
		},
		Config: func() kit.Config { return &Config{WriteTimeout: time.Second} },
		New: func(c kit.Config, h kit.Host) (kit.Adapter, error) {
			cfg, ok := c.(*Config)
			if !ok {
				return nil, errors.New("loopback: another adapter's configuration")
			}
			return &adapter{cfg: cfg, host: h, sessions: map[string]*session{}}, nil
		},
	}
}

// adapter implements kit.Adapter.
type adapter struct {
	cfg  *Config
	host kit.Host

	mu       sync.Mutex
	sessions map[string]*session // by terminal id
}

// Run implements kit.Adapter: one goroutine a connection, which ends with it or
// with ctx.
func (a *adapter) Run(ctx context.Context, ready func()) error {
	var sessions sync.WaitGroup
	defer sessions.Wait()
	ready()
	for {
		select {
		case conn := <-a.cfg.Exchange.dials:
			s := &session{a: a, conn: conn}
			sessions.Go(func() { s.run(ctx) })
		case <-ctx.Done():
			return nil
		}
	}
}

// Deliver implements kit.Adapter.
func (a *adapter) Deliver(ctx context.Context, e *callv1.Event) error {
	a.mu.Lock()
	s := a.sessions[e.GetTerminalId()]
	a.mu.Unlock()
	if s == nil {
		return schema.Errorf(callv1.Code_CODE_GONE, "no such terminal here")
	}
	f, ok := frame(e)
	if !ok {
		return nil
	}
	return s.deliver(ctx, f)
}

func (a *adapter) add(t *callv1.Terminal, s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions[t.GetId()] = s
}

func (a *adapter) remove(t *callv1.Terminal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sessions, t.GetId())
}
