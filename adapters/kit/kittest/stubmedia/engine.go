package stubmedia

import (
	"context"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Kind is the kind that an engine's bus must have.
const Kind = "media"

// Connects says who reports legs as connected.
type Connects int

const (
	// Itself: the engine does, once a leg has both descriptions.
	Itself Connects = iota
	// OnDemand: nobody, but for Engine.Connect.
	OnDemand
)

// Config is what an engine does otherwise than the plain one.
type Config struct {
	Connects Connects
	// Fail, if set, is asked before each operation; what it gives is the refusal
	// (CODE_NOT_ACCEPTABLE, CODE_NOT_FOUND, …). It is called one at a time.
	Fail func(callID string, op *callv1.MediaOp) *callv1.Error
	// Refuse, if set, is asked before each command; what it gives refuses all of
	// it (CODE_OVERLOAD).
	Refuse func(c *callv1.MediaCommand) *callv1.Error
	// Expire is how long a leg lives that nobody keeps. 10 s.
	Expire time.Duration
}

// Engine is one stub media node.
type Engine struct {
	cfg  Config
	bus  *bus.Bus
	work sync.WaitGroup

	mu        sync.Mutex
	legs      map[string]*leg
	origin    uint64
	nextSweep time.Time
	running   context.Context // of Run; nil while it does not
	signals   func(*callv1.Signal)
}

// New makes an engine for a bus of kind "media".
func New(b *bus.Bus, cfg Config) *Engine {
	if cfg.Expire <= 0 {
		cfg.Expire = 10 * time.Second
	}
	return &Engine{cfg: cfg, bus: b, legs: map[string]*leg{}}
}

// Run serves until ctx ends and calls ready once it does. nodes may be nil; then
// the engine is not announced. No goroutine is left when it returns.
func (e *Engine) Run(ctx context.Context, nodes bus.Nodes, ready func()) error {
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	e.run(running)
	defer e.work.Wait()
	defer end()
	defer e.halt()
	commands, err := e.bus.ServeMedia(func(c *callv1.MediaCommand, respond func(*callv1.MediaReply)) {
		respond(e.Serve(c))
	})
	if err != nil {
		return err
	}
	defer commands.Stop()
	signals, err := e.bus.ServeSignals(func(_ *callv1.Identity, s *callv1.Signal) {
		e.mu.Lock()
		f := e.signals
		e.mu.Unlock()
		if f != nil {
			f(s)
		}
	})
	if err != nil {
		return err
	}
	defer signals.Stop()
	if nodes != nil {
		announced, leave := context.WithCancel(context.WithoutCancel(ctx))
		instance := schema.NewID()
		left, err := nodes.Announce(announced, func() bus.Node {
			return bus.Node{Kind: Kind, Node: e.bus.Node(), Instance: instance, Load: e.Legs()}
		})
		if err != nil {
			leave()
			return err
		}
		defer func() { leave(); <-left }()
	}
	ready()
	<-ctx.Done()
	return nil
}

func (e *Engine) run(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running = ctx
}

// halt ends what run began.
func (e *Engine) halt() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running = nil
}

// Legs is the number of legs there are.
func (e *Engine) Legs() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.legs)
}

// Peer is the leg that a leg is bridged with; "" if it is with none.
func (e *Engine) Peer(legID string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l := e.legs[legID]; l != nil {
		return l.peer
	}
	return ""
}

// OnSignal has f called with every signal that comes. f must not block.
func (e *Engine) OnSignal(f func(*callv1.Signal)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.signals = f
}

// Connect reports a leg as connected, and returns when its owner has taken that,
// or with CODE_NOT_FOUND if there is no such leg.
func (e *Engine) Connect(ctx context.Context, legID string) error {
	e.mu.Lock()
	l := e.legs[legID]
	if l == nil {
		e.mu.Unlock()
		return schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such leg")
	}
	l.connected = true
	call, revision := l.call, l.transport
	e.mu.Unlock()
	return e.report(ctx, legID, &callv1.Command{
		CallId: call,
		Body:   &callv1.Command_MediaConnected{MediaConnected: &callv1.MediaConnected{Revision: revision}},
	})
}

// Fail reports a leg's media as lost for good, as Connect does.
func (e *Engine) Fail(ctx context.Context, legID, detail string) error {
	e.mu.Lock()
	l := e.legs[legID]
	if l == nil {
		e.mu.Unlock()
		return schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such leg")
	}
	l.connected = false
	call, revision := l.call, l.transport
	e.mu.Unlock()
	return e.report(ctx, legID, &callv1.Command{
		CallId: call,
		Body:   &callv1.Command_MediaFailed{MediaFailed: &callv1.MediaFailed{Revision: revision, Detail: detail}},
	})
}

// report sends a command until its owner has answered.
func (e *Engine) report(ctx context.Context, legID string, c *callv1.Command) error {
	c.Id, c.LegId = schema.NewID(), legID
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		r, err := e.bus.Command(try, c)
		cancel()
		switch {
		case err == nil && r.GetError().GetCode() == callv1.Code_CODE_REDIRECTED && r.GetCallId() != "":
			c.CallId = r.GetCallId()
		case err == nil && r.GetError().GetCode() != callv1.Code_CODE_RETRY:
			return schema.FromProto(r.GetError())
		}
		pause.Reset(20 * time.Millisecond)
	}
}

// reportConnected does so behind the command that connected the leg, while the
// engine runs. e.mu is held.
func (e *Engine) reportConnected(legID string) {
	running := e.running
	if e.cfg.Connects != Itself || running == nil {
		return
	}
	e.work.Go(func() {
		ctx, cancel := context.WithTimeout(running, 10*time.Second)
		defer cancel()
		_ = e.Connect(ctx, legID) // a leg that ended meanwhile has no owner to tell
	})
}
