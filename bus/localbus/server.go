package localbus

import (
	"sync"

	"github.com/tandem-rtc/tandem/bus"
)

// maxWaiting bounds the messages that wait for a handler here; further ones go
// by the broker, whose queue is longer.
const maxWaiting = 256

// maxForOthers is how many messages of others a requester handles with its own,
// before a goroutine takes the rest over.
const maxForOthers = 8

// server is one Serve. A handler gets one message at a time, whichever way they
// come: who finds it busy leaves its message to who is in it.
type server struct {
	filter string
	inner  bus.Subscription
	conn   *conn
	h      bus.Handler

	mu      sync.Mutex
	free    sync.Cond // the handler ran, or there is room
	busy    bool
	stopped bool
	waiting []message
}

// message is a request with what happens if nobody comes to handle it; nil for
// one of the broker's.
type message struct {
	bus.Msg
	unserved func()
}

func newServer(filter string, c *conn, h bus.Handler) *server {
	s := &server{filter: filter, conn: c, h: h}
	s.free.L = &s.mu
	return s
}

// handle takes a message from the broker.
func (s *server) handle(m bus.Msg) {
	s.mu.Lock()
	for s.busy && !s.stopped && len(s.waiting) >= maxWaiting {
		s.free.Wait()
	}
	s.takeLocked(message{m, nil})
}

// try takes a request of this process; false if it has to go by the broker. Only
// a request that is handled at once can lend its goroutine.
func (s *server) try(m bus.Msg, unserved func()) bool {
	s.mu.Lock()
	if s.stopped || len(s.waiting) >= maxWaiting {
		s.mu.Unlock()
		return false
	}
	s.takeLocked(message{m, unserved})
	return true
}

// takeLocked handles a message, or leaves it to who is at it. It unlocks s.mu.
func (s *server) takeLocked(m message) {
	switch {
	case s.stopped:
		s.mu.Unlock()
	case s.busy:
		m.Lend = nil
		s.waiting = append(s.waiting, m)
		s.mu.Unlock()
	default:
		s.busy = true
		s.mu.Unlock()
		s.h(m.Msg)
		s.serveOthers(maxForOthers)
	}
}

// serveOthers handles what came meanwhile: up to a number, or all if that is
// negative.
func (s *server) serveOthers(limit int) {
	for n := 0; ; n++ {
		s.mu.Lock()
		if s.stopped || len(s.waiting) == 0 {
			s.busy = false
			s.free.Broadcast()
			s.mu.Unlock()
			return
		}
		if n == limit {
			s.mu.Unlock()
			go s.serveOthers(-1) // ends when nothing waits; leave waits for it
			return
		}
		m := s.waiting[0]
		s.waiting[0] = message{}
		s.waiting = s.waiting[1:]
		s.free.Signal()
		s.mu.Unlock()
		s.h(m.Msg)
	}
}

// drop tells those that wait at a server that has stopped, once the broker knows:
// they ask there next.
func (s *server) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.waiting {
		if m.unserved != nil {
			m.unserved()
		}
	}
	s.waiting = nil
}

// Stop implements bus.Subscription.
func (s *server) Stop() {
	s.leave()
	s.inner.Stop()
	s.drop()
}

// leave ends the short way; no handler runs when leave returns.
func (s *server) leave() {
	r := s.conn.router
	r.mu.Lock()
	r.root.remove(s.filter, s)
	r.mu.Unlock()
	s.mu.Lock()
	s.stopped = true
	s.free.Broadcast()
	for s.busy {
		s.free.Wait()
	}
	s.mu.Unlock()
	s.conn.mu.Lock()
	delete(s.conn.servers, s)
	s.conn.mu.Unlock()
}
