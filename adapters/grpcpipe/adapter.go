package grpcpipe

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc/peer"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Kind is the adapter's kind.
const Kind = "grpcpipe"

// Spec describes the adapter.
func Spec() kit.Spec {
	return kit.Spec{
		Kind:     Kind,
		Features: features(true),
		Config:   func() kit.Config { return Defaults() },
		New: func(c kit.Config, h kit.Host) (kit.Adapter, error) {
			cfg, ok := c.(*Config)
			if !ok {
				return nil, schema.Errorf(callv1.Code_CODE_INTERNAL, "grpcpipe: configuration of another adapter: %T", c)
			}
			return New(cfg, h), nil
		},
	}
}

// features of a terminal. A MultiPipe names its calls, so a new stream of the
// same subscriber takes them up; a new Pipe is shown its call and pulls it.
func features(multi bool) *callv1.Features {
	return &callv1.Features{
		Resumes: true, Renegotiates: true, ShowsRinging: true, Video: true,
		ShowsCalls: true, RemembersCalls: multi,
	}
}

// Adapter serves WG2 terminals.
type Adapter struct {
	cfg  Config
	host kit.Host

	listening chan struct{} // closed once addr is set
	addr      net.Addr

	connections *watched // set before the first one
	strangers   strangers

	running sync.WaitGroup // goroutines that outlive their stream's handler

	mu       sync.Mutex
	draining bool
	sessions map[string]*session // by terminal id
	streams  map[string]*streams // by subscriber
	count    int                 // of all streams
	legs     map[string]*session // live legs and the stream they are on
}

// streams are one subscriber's on this node.
type streams struct {
	open    int
	opening int
	// opened is closed when an opening under way has ended, for better or worse.
	opened chan struct{}
}

// New makes the adapter; cfg is valid.
func New(cfg *Config, h kit.Host) *Adapter {
	return &Adapter{
		cfg: *cfg, host: h,
		listening: make(chan struct{}),
		strangers: strangers{connections: make(map[*peer.Peer]*connection)},
		sessions:  make(map[string]*session),
		streams:   make(map[string]*streams),
		legs:      make(map[string]*session),
	}
}

// Addr waits until the adapter listens and gives the address that it listens
// on, or nil if ctx ends first.
func (a *Adapter) Addr(ctx context.Context) net.Addr {
	select {
	case <-a.listening:
		return a.addr
	case <-ctx.Done():
		return nil
	}
}

// Deliver implements kit.Adapter.
func (a *Adapter) Deliver(ctx context.Context, e *callv1.Event) error {
	s, err := a.find(ctx, e)
	if err != nil {
		return err
	}
	return s.deliver(ctx, e)
}

// find gives the stream of an event's terminal. An event may be faster than the
// stream's opening; then that is waited for, since what a Pipe says first is its
// subscriber's status. What shows that is taken at once.
func (a *Adapter) find(ctx context.Context, e *callv1.Event) (*session, error) {
	for {
		a.mu.Lock()
		s := a.sessions[e.GetTerminalId()]
		var opened chan struct{}
		if of := a.streams[e.GetSubscriber()]; of != nil && of.opening > 0 {
			opened = of.opened
		}
		ready := s != nil && (s.terminal != nil || schema.IsStatus(e))
		a.mu.Unlock()
		switch {
		case ready:
			return s, nil
		case opened == nil:
			return nil, gone()
		}
		select {
		case <-opened:
		case <-ctx.Done():
			return nil, retry("the stream is being opened")
		}
	}
}

// enter counts a stream in, as one that is about to be opened.
func (a *Adapter) enter(p *callv1.Principal, multi bool) (*session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.streams[p.GetSubscriber()]
	switch {
	case a.draining:
		return nil, retry("shutting down")
	case a.count >= a.cfg.MaxStreams, of != nil && of.open >= a.cfg.PerSubscriber:
		a.host.Metrics().Count("streams_refused", 1)
		return nil, schema.Errorf(callv1.Code_CODE_OVERLOAD, "too many streams")
	case of == nil:
		of = &streams{}
		a.streams[p.GetSubscriber()] = of
	}
	s := &session{a: a, multi: multi, principal: p, log: a.host.Log(), id: schema.NewID()}
	a.sessions[s.id] = s
	a.count++
	of.open++
	if of.opening++; of.opened == nil {
		of.opened = make(chan struct{})
	}
	a.host.Metrics().Gauge("streams", a.count)
	return s, nil
}

// opened says that a stream's opening has ended; t is nil if it failed.
func (a *Adapter) opened(s *session, t *callv1.Terminal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t != nil {
		s.terminal = t
		s.log = s.log.With("terminal", t.GetId(), "subscriber", t.GetSubscriber(), "multi", s.multi)
	} else {
		delete(a.sessions, s.id)
	}
	of := a.streams[s.principal.GetSubscriber()]
	close(of.opened)
	of.opened = nil
	if of.opening--; of.opening > 0 {
		of.opened = make(chan struct{})
	}
}

// leave counts a stream out.
func (a *Adapter) leave(s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sessions, s.id)
	sub := s.principal.GetSubscriber()
	of := a.streams[sub]
	if of.open--; of.open == 0 {
		delete(a.streams, sub)
	}
	a.count--
	a.host.Metrics().Gauge("streams", a.count)
}

// claim says that a leg is on a stream.
func (a *Adapter) claim(leg string, s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.legs[leg] = s
}

// release says that a leg is no longer on a stream.
func (a *Adapter) release(leg string, s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.legs[leg] == s {
		delete(a.legs, leg)
	}
}

// elsewhere reports whether a leg is on another stream of this node: then it is
// no call of s, even if both belong to one subscriber.
func (a *Adapter) elsewhere(leg string, s *session) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	other := a.legs[leg]
	return other != nil && other != s
}

func gone() error {
	return schema.Errorf(callv1.Code_CODE_GONE, "the stream has ended")
}

func busy() error {
	return schema.Errorf(callv1.Code_CODE_BUSY, "the terminal takes no further call")
}

func retry(why string) error { return schema.Errorf(callv1.Code_CODE_RETRY, "%s", why) }
