package callstate

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/workers"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// Env is what the service needs from its process.
type Env struct {
	// Bus must have the kind "callstate".
	Bus       *bus.Bus
	Terminals bus.Terminals
	Nodes     bus.Nodes
	Leases    bus.Leases
	Log       *slog.Logger
	// Metrics may be nil.
	Metrics Metrics
	// Now is the clock; nil for time.Now.
	Now func() time.Time
	// Limits bound what a command may hold.
	Limits schema.Limits
}

// Service is one call-state node.
type Service struct {
	cfg      Config
	settings step.Settings
	env      Env
	log      *slog.Logger
	now      func() time.Time
	instance string

	ctx       context.Context // the run's; set before anything can use it
	work      workers.Pool    // every goroutine that the service starts
	parts     [schema.Partitions]*partition
	timers    *timers
	terminals *terminalTable
	nodes     *nodeTable
	pairs     *pairCache
	subs      *subscriberIndex
	callers   *callerLimits
	board     *statusBoard
	asking    atomic.Int32
	live      atomic.Int64
	full      atomic.Bool
	troubles  troubles
	twins     *twins
}

// New makes a call-state node. It does no I/O.
func New(cfg Config, env Env) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if env.Bus.Kind() != step.KindCallState {
		return nil, fmt.Errorf("callstate: bus identity is of kind %q", env.Bus.Kind())
	}
	s := &Service{
		cfg: cfg, settings: cfg.settings(), env: env, log: env.Log, now: env.Now, instance: schema.NewID(),
		terminals: newTerminalTable(), nodes: newNodeTable(), pairs: newPairCache(), subs: newSubscriberIndex(),
		callers: newCallerLimits(cfg), twins: newTwins(),
	}
	s.board = newStatusBoard(s)
	if s.now == nil {
		s.now = time.Now
	}
	if s.env.Metrics == nil {
		s.env.Metrics = noMetrics{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.timers = newTimers(s.now, s.deadlineDue)
	for i := range s.parts {
		s.parts[i] = newPartition(s, uint32(i))
	}
	return s, nil
}

// Run serves until ctx ends, then gives the leases back. It calls ready once
// every partition has been taken or found with another node.
func (s *Service) Run(ctx context.Context, ready func()) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.ctx = run
	defer s.work.Wait() // after cancel: nothing outlives Run
	defer s.work.Close()
	defer cancel()

	if err := s.watch(ctx); err != nil {
		return err
	}
	gone, err := s.env.Nodes.Announce(run, s.announcement)
	if err != nil {
		return fmt.Errorf("callstate: announce: %w", err)
	}
	s.goRun(func() { s.timers.run(run) })
	s.goRun(func() { s.watchUsage(run) })
	if err := s.takePartitions(ctx); err != nil {
		return err
	}
	calls, err := s.env.Bus.ServeCalls(s.serveCalls)
	if err != nil {
		return fmt.Errorf("callstate: serve: %w", err)
	}
	ready()
	s.keepLeases(ctx)

	calls.Stop()
	s.drain()
	cancel()
	s.releasePartitions()
	<-gone
	return nil
}

// goRun runs f on a goroutine that Run waits for.
func (s *Service) goRun(f func()) { s.work.Go(f) }

func (s *Service) announcement() bus.Node {
	return bus.Node{Kind: s.env.Bus.Kind(), Node: s.env.Bus.Node(), Instance: s.instance, Load: int(s.live.Load())}
}

// watch fills the tables of nodes and terminals and keeps them current.
func (s *Service) watch(ctx context.Context) error {
	nodesReady, terminalsReady := make(chan struct{}), make(chan struct{})
	failed := make(chan error, 2)
	s.goRun(func() {
		var once sync.Once
		err := s.env.Nodes.Watch(s.ctx, s.nodeChanged, func() { once.Do(func() { close(nodesReady) }) })
		failed <- err
	})
	s.goRun(func() {
		var once sync.Once
		err := s.env.Terminals.Watch(s.ctx, s.terminalChanged, func() { once.Do(func() { close(terminalsReady) }) })
		failed <- err
	})
	for _, c := range []chan struct{}{nodesReady, terminalsReady} {
		select {
		case <-c:
		case err := <-failed:
			return fmt.Errorf("callstate: watch: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// watchUsage keeps an eye on how full the journal is, and on the directory.
func (s *Service) watchUsage(ctx context.Context) {
	t := time.NewTicker(5 * time.Second)
	defer t.Stop()
	for {
		usage, err := s.env.Bus.Records().Usage(ctx)
		if ctx.Err() == nil {
			s.troubles.went(needRead, s.now(), err)
		}
		if err == nil {
			s.env.Metrics.JournalUsed(usage)
		}
		if err == nil && s.full.Swap(usage >= fullUsage) != (usage >= fullUsage) {
			s.log.Warn("journal usage", "share", usage, "taking calls", usage < fullUsage)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		s.askDirectory(ctx)
	}
}

// drain stops taking commands and waits for the transitions under way.
func (s *Service) drain() {
	for _, p := range s.parts {
		p.stop()
	}
	limit := time.NewTimer(commandBudget)
	defer limit.Stop()
	for _, p := range s.parts {
		if !p.idle(limit.C) {
			s.log.Warn("drain: transitions under way were left to the next owner")
			return
		}
	}
}

// Problems says why this node would refuse every new call now, or have it wait, and
// what is wrong with other nodes; none as a rule.
func (s *Service) Problems() (out []string) {
	if s.nodes.leastLoaded() == "" {
		out = append(out, "no media node is alive: new calls are refused")
	}
	if s.full.Load() {
		out = append(out, "the journal is nearly full: new calls are refused")
	}
	if s.cfg.MaxCalls > 0 && int(s.live.Load()) >= s.cfg.MaxCalls {
		out = append(out, "callstate.max_calls is reached: new calls are refused")
	}
	out = append(out, s.troubles.problems(s.now())...)
	return append(out, s.twins.problems(s.now())...)
}

// Live lists the records of the calls that this node holds, for the console.
func (s *Service) Live() []*callv1.CallRecord {
	var out []*callv1.CallRecord
	for _, p := range s.parts {
		out = append(out, p.records()...)
	}
	return out
}
