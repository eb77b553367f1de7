package membus

import (
	"log/slog"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/internal/hooks"
)

// Server is a broker in memory. Its methods may be called from any goroutine.
type Server struct {
	log      *slog.Logger
	now      func() time.Time
	maxBytes int64
	pending  int

	// mu is held for reading while anything happens on behalf of a connection
	// and for writing while connections, subscriptions or the outage change: so
	// once Close returned nothing of that connection is under way.
	mu     sync.RWMutex
	down   bool
	outage chan struct{} // closed by the next Stop, which makes a new one
	conns  map[*Conn]struct{}
	routes node

	store   sync.Mutex // guards what follows; taken after mu
	records journal
	buckets map[string]*bucket
}

// Option changes a Server's defaults.
type Option func(*Server)

// WithClock sets the clock that TTLs are counted on; time.Now by default.
func WithClock(now func() time.Time) Option { return func(s *Server) { s.now = now } }

// WithMaxBytes limits the journal; writes beyond fail with bus.ErrFull. 0, the
// default, is no limit.
func WithMaxBytes(n int64) Option { return func(s *Server) { s.maxBytes = n } }

// WithPendingLimit sets how many messages a subscription may have waiting before
// further ones are dropped; 65,536 by default.
func WithPendingLimit(n int) Option { return func(s *Server) { s.pending = n } }

// WithLogger sets where slow consumers are reported; nowhere by default.
func WithLogger(l *slog.Logger) Option { return func(s *Server) { s.log = l } }

// NewServer makes an empty broker. It needs no closing.
func NewServer(opts ...Option) *Server {
	s := &Server{
		log:     slog.New(slog.DiscardHandler),
		now:     time.Now,
		pending: 1 << 16,
		outage:  make(chan struct{}),
		conns:   map[*Conn]struct{}{},
		records: journal{last: map[string]*record{}},
		buckets: map[string]*bucket{},
	}
	for _, o := range opts {
		o(s)
	}
	return s
}

// Connect makes a client of the broker; its dynamic type is *Conn.
func (s *Server) Connect() bus.Driver {
	c := &Conn{
		s:         s,
		done:      make(chan struct{}),
		reconnect: hooks.New(),
		subs:      map[*subscription]struct{}{},
		watchers:  map[*watcher]struct{}{},
	}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	return c
}

// Restart is Stop and Start.
func (s *Server) Restart() {
	s.Stop()
	s.Start()
}

// Stop takes the broker away: until Start everything fails with
// bus.ErrUnavailable, buckets in memory are lost, and requests under way fail
// with bus.ErrLost.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return
	}
	s.down = true
	close(s.outage)
	s.outage = make(chan struct{})
	for name, b := range s.buckets {
		if b.memory {
			delete(s.buckets, name)
		}
	}
}

// Start brings the broker back: subscriptions are in force again, watchers get
// their present entries again, OnReconnect fires.
func (s *Server) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.down {
		return
	}
	s.down = false
	for c := range s.conns {
		for w := range c.watchers {
			w.resync()
		}
		c.reconnect.Fire()
	}
}
