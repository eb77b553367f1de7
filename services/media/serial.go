package media

import "sync"

// serial runs jobs one after the other for each key, different keys at the same
// time. A key without jobs costs nothing. Both queues are bounded.
type serial struct {
	perKey, total int

	mu     sync.Mutex
	queues map[string][]func()
	count  int
	closed bool
	wg     sync.WaitGroup
}

func newSerial(perKey, total int) *serial {
	return &serial{perKey: perKey, total: total, queues: map[string][]func(){}}
}

// do queues a job and reports whether there was room. It does not block.
func (s *serial) do(key string, job func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue, running := s.queues[key]
	if s.closed || len(queue) >= s.perKey || s.count >= s.total {
		return false
	}
	s.count++
	s.queues[key] = append(queue, job)
	if !running {
		s.wg.Go(func() { s.run(key) })
	}
	return true
}

// run works through a key's jobs; it ends when there are none.
func (s *serial) run(key string) {
	for {
		s.mu.Lock()
		queue := s.queues[key]
		if len(queue) == 0 {
			delete(s.queues, key)
			s.mu.Unlock()
			return
		}
		job := queue[0]
		queue[0] = nil
		s.queues[key] = queue[1:]
		s.mu.Unlock()
		job()
		s.mu.Lock()
		s.count--
		s.mu.Unlock()
	}
}

// close takes no more jobs and waits for those queued.
func (s *serial) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wg.Wait()
}
