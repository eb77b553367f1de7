package homeserver

import (
	"net/http"
	"slices"
	"time"
)

// faults are what is wrong with it at the moment.
type faults struct {
	away, held, repeat bool
	limit, pass        int
	after              time.Duration
}

// Away has the homeserver be away, until it is told otherwise: connections break off
// without an answer, and nothing is delivered.
func (s *Server) Away(away bool) { s.set(func(f *faults) { f.away = away }) }

// Hold keeps what application services have not been told yet until it is told
// otherwise.
func (s *Server) Hold(held bool) { s.set(func(f *faults) { f.held = held }) }

// Repeat has every transaction be delivered twice, the second time whatever became of
// the first, until it is told otherwise.
func (s *Server) Repeat(repeat bool) { s.set(func(f *faults) { f.repeat = repeat }) }

// Limit refuses the next n events that application services send, with 429 and the
// time after which to try again.
func (s *Server) Limit(n int, after time.Duration) { s.LimitAfter(0, n, after) }

// LimitAfter is Limit after some events that pass.
func (s *Server) LimitAfter(pass, n int, after time.Duration) {
	s.set(func(f *faults) { f.pass, f.limit, f.after = pass, n, after })
}

func (s *Server) set(f func(*faults)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.faults)
	close(s.change)
	s.change = make(chan struct{})
}

// limited counts an event down.
func (f *faults) limited(r *request) *fault {
	if r.service == nil || f.limit <= 0 {
		return nil
	}
	if f.pass--; f.pass >= 0 {
		return nil
	}
	f.limit--
	out := no(http.StatusTooManyRequests, "M_LIMIT_EXCEEDED", "too many")
	out.RetryAfter = f.after.Milliseconds()
	return out
}

// faulty breaks connections off while the homeserver is away.
func (s *Server) faulty(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		away := s.faults.away
		s.mu.Unlock()
		h, ok := w.(http.Hijacker)
		if !away || !ok {
			next.ServeHTTP(w, r)
			return
		}
		if c, _, err := h.Hijack(); err == nil {
			_ = c.Close()
		}
	})
}

// Events gives all events so far, in order.
func (s *Server) Events() []*Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Complaints gives what is wrong with the call events that application services have
// sent: none of them is as the specification has it.
func (s *Server) Complaints() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bad)
}

// Queued is how many events application services have not taken yet.
func (s *Server) Queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range s.services {
		n += len(a.queue)
	}
	return n
}
