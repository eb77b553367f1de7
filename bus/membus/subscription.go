package membus

import (
	"sync"

	"github.com/tandem-rtc/tandem/bus"
)

// subscription is one Serve: a bounded queue and the goroutine that empties it.
type subscription struct {
	conn   *Conn
	filter string
	queue  string
	handle bus.Handler
	ended  chan struct{} // closed when the goroutine is over

	mu      sync.Mutex
	wake    sync.Cond
	waiting []bus.Msg
	stopped bool
	slow    bool
	dropped uint64
}

func newSubscription(c *Conn, filter, queue string, h bus.Handler) *subscription {
	s := &subscription{conn: c, filter: filter, queue: queue, handle: h, ended: make(chan struct{})}
	s.wake.L = &s.mu
	return s
}

// put queues a message or, if too many wait, drops it as NATS does with a slow
// consumer.
func (s *subscription) put(m bus.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped:
	case len(s.waiting) >= s.conn.s.pending:
		s.dropped++
		if !s.slow {
			s.slow = true
			s.conn.s.log.Warn("slow consumer, messages dropped", "filter", s.filter, "dropped", s.dropped)
		}
	default:
		s.waiting = append(s.waiting, m)
		s.wake.Signal()
	}
}

// run calls the handler until the subscription is stopped.
func (s *subscription) run() {
	defer close(s.ended)
	var batch []bus.Msg
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.waiting) == 0 && !s.stopped {
			s.slow = false
			s.wake.Wait()
		}
		batch, s.waiting = s.waiting, batch[:0]
		for i := range batch {
			if s.stopped {
				return
			}
			s.mu.Unlock()
			s.handle(batch[i])
			s.mu.Lock()
			batch[i] = bus.Msg{}
		}
		if s.stopped {
			return
		}
	}
}

// stop lets no further handler begin.
func (s *subscription) stop() {
	s.mu.Lock()
	s.stopped = true
	s.waiting = nil
	s.wake.Signal()
	s.mu.Unlock()
}

// Stop implements bus.Subscription.
func (s *subscription) Stop() {
	srv := s.conn.s
	srv.mu.Lock()
	if _, ok := s.conn.subs[s]; ok {
		delete(s.conn.subs, s)
		srv.routes.remove(s.filter, s)
	}
	srv.mu.Unlock()
	s.stop()
	<-s.ended
}

// Dropped is how many messages the subscription lost by being slow.
func (s *subscription) Dropped() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}
