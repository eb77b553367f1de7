// Package hooks runs the functions that drivers let others register for an
// occurrence, one after the other on one goroutine.
package hooks

import "sync"

// Set is a set of functions to be called when something happens. Occurrences
// while the functions run are one.
type Set struct {
	fired chan struct{}
	stop  chan struct{}
	ended chan struct{}
	once  sync.Once

	mu   sync.Mutex
	list []*func()
}

// New starts the set's goroutine; Stop ends it.
func New() *Set {
	s := &Set{fired: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{})}
	go s.run()
	return s
}

// Add registers f; the returned func takes it out again.
func (s *Set) Add(f func()) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, &f)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, g := range s.list {
			if g == &f {
				s.list = append(s.list[:i:i], s.list[i+1:]...)
				return
			}
		}
	}
}

// Fire has the functions called soon; it does not wait.
func (s *Set) Fire() {
	select {
	case s.fired <- struct{}{}:
	default:
	}
}

// Stop lets no further function begin; it does not wait. Idempotent.
func (s *Set) Stop() { s.once.Do(func() { close(s.stop) }) }

// Wait returns once, after Stop, no function runs any more.
func (s *Set) Wait() { <-s.ended }

func (s *Set) run() {
	defer close(s.ended)
	for {
		select {
		case <-s.stop:
			return
		case <-s.fired:
		}
		s.mu.Lock()
		list := s.list[:len(s.list):len(s.list)]
		s.mu.Unlock()
		for _, f := range list {
			select {
			case <-s.stop:
				return
			default:
				(*f)()
			}
		}
	}
}
