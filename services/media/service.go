package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/pionleg"
)

// Env is what a node needs of its surroundings.
type Env struct {
	// Bus of identity "media"/node.
	Bus *bus.Bus
	// Nodes is where the node announces itself; nil if nobody looks.
	Nodes bus.Nodes
	// Log; nil drops everything.
	Log *slog.Logger
	// Metrics; nil drops everything.
	Metrics Metrics
}

// Service is one media node.
type Service struct {
	cfg     Config
	env     Env
	log     *slog.Logger
	metrics Metrics
	engine  engine
	key     string // instance
	jobs    *serial
	signals *serial

	mu       sync.Mutex
	legs     map[string]*member
	waiting  *waiting
	draining bool
	closed   bool

	joinMu sync.Mutex
	joints map[string]*joint // by leg id, twice each

	generations atomic.Uint64

	wg   sync.WaitGroup // legs being closed, facts being told
	life context.Context
	end  context.CancelFunc
}

// engine makes legs; pionleg.Engine is one.
type engine interface {
	New(events leg.Events) leg.Leg
	Addr() netip.AddrPort
	Close() error
}

// New makes a node and binds its port. Run serves; a node that is not run must
// be ended with Close.
func New(cfg Config, env Env) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	if env.Bus == nil {
		return nil, errors.New("media: no bus")
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	if env.Metrics == nil {
		env.Metrics = noMetrics{}
	}
	cfg = cfg.filled()
	ec := cfg.engine()
	ec.Log = env.Log
	e, err := pionleg.Open(ec)
	if err != nil {
		return nil, err //nolint:wrapcheck // names the setting
	}
	return newService(cfg, env, e), nil
}

func newService(cfg Config, env Env, e engine) *Service {
	life, end := context.WithCancel(context.Background())
	return &Service{
		cfg: cfg, env: env, log: env.Log, metrics: env.Metrics, engine: e, key: schema.NewID(),
		jobs: newSerial(32, 4*cfg.MaxLegs+64), signals: newSerial(256, 8*cfg.MaxLegs+256),
		legs: map[string]*member{}, waiting: newWaiting(cfg.SignalWait),
		joints: map[string]*joint{}, life: life, end: end,
	}
}

// Addr is the UDP address that is bound; its port is the one of all legs.
func (s *Service) Addr() netip.AddrPort { return s.engine.Addr() }

// Legs is the number of live legs.
func (s *Service) Legs() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.legs)
}

// Run serves until ctx ends, then drains: the node takes no new legs, waits for
// those it has as long as the configuration says, ends the rest, and returns nil.
// It calls ready once, when commands are served and the node is announced.
func (s *Service) Run(ctx context.Context, ready func()) error {
	commands, err := s.env.Bus.ServeMedia(s.handle)
	if err != nil {
		s.Close()
		return fmt.Errorf("media: %w", err)
	}
	signals, err := s.env.Bus.ServeSignals(s.signal)
	if err != nil {
		commands.Stop()
		s.Close()
		return fmt.Errorf("media: %w", err)
	}
	announce, forget := context.WithCancel(context.WithoutCancel(ctx))
	defer forget()
	var gone <-chan struct{}
	if s.env.Nodes != nil {
		// It takes as long as the table is not there; then, ctx ends it.
		waiting := context.AfterFunc(ctx, forget)
		gone, err = s.env.Nodes.Announce(announce, s.node)
		if ended := !waiting(); err != nil || ended {
			if err == nil {
				<-gone
			}
			commands.Stop()
			signals.Stop()
			s.Close()
			if ended {
				return nil
			}
			return fmt.Errorf("media: %w", err)
		}
	}
	s.background(func() { s.countTraffic(s.life) })
	s.log.Info("media node serves", "address", s.Addr().String())
	ready()
	<-ctx.Done()
	s.drain()
	forget()
	if gone != nil {
		<-gone
	}
	commands.Stop()
	signals.Stop()
	s.Close()
	s.log.Info("media node stopped")
	return nil
}

// node is what the node announces.
func (s *Service) node() bus.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bus.Node{
		Kind: s.env.Bus.Kind(), Node: s.env.Bus.Node(), Instance: s.key, Load: len(s.legs), Draining: s.draining,
	}
}

// drain waits for the legs to end, within the configured time.
func (s *Service) drain() {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	deadline := time.NewTimer(s.cfg.Drain)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for s.Legs() > 0 {
		select {
		case <-deadline.C:
			return
		case <-tick.C:
		}
	}
}

// Close ends all legs and returns once nothing of the node runs. Run does it.
func (s *Service) Close() {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	s.end()
	s.jobs.close()
	s.signals.close()
	s.mu.Lock()
	for id, m := range s.legs {
		delete(s.legs, id)
		s.dispose(m)
	}
	s.waiting.stop()
	s.closed = true
	s.mu.Unlock()
	s.wg.Wait()
	if err := s.engine.Close(); err != nil {
		s.log.Debug("closing the media port", "error", err)
	}
}

// background runs f unless the node is closed; Close waits for it.
func (s *Service) background(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Go(f)
	return true
}
