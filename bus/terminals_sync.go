package bus

import (
	"context"
	"time"
)

// askWithin bounds a look at the bucket's last revision. A replicated stream
// takes 5 to 7 s to replace a dead leader.
const askWithin = 8 * time.Second

// question is one look at the bucket's last revision, shared by all Syncs that
// began before it was put.
type question struct {
	done     chan struct{}
	revision uint64
	err      error
}

// Sync implements Terminals.
func (s *terminals) Sync(ctx context.Context) error {
	q := s.ask()
	select {
	case <-q.done:
	case <-ctx.Done():
		return ContextError(ctx)
	}
	if q.err != nil {
		return q.err
	}
	for {
		s.mu.Lock()
		synced, moved := s.running && s.seen >= q.revision, s.moved
		s.mu.Unlock()
		if synced {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ContextError(ctx)
		}
	}
}

// ask joins the next question.
func (s *terminals) ask() *question {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = &question{done: make(chan struct{})}
		if !s.asking {
			s.asking = true
			go s.putQuestions()
		}
	}
	return s.next
}

// putQuestions puts questions as long as there are any.
func (s *terminals) putQuestions() {
	for {
		s.mu.Lock()
		q := s.next
		s.next = nil
		s.asking = q != nil
		s.mu.Unlock()
		if q == nil {
			return
		}
		q.revision, q.err = s.lastRevision()
		close(q.done)
	}
}

func (s *terminals) lastRevision() (uint64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	kv, err := s.bucket.open(ctx)
	if err != nil {
		return 0, err
	}
	return kv.LastRevision(ctx)
}

// saw notes how far the Watch has come; synced is a full view.
func (s *terminals) saw(synced bool, revision uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if synced {
		s.running = true
	} else if revision <= s.seen {
		return
	}
	s.seen = revision
	close(s.moved)
	s.moved = make(chan struct{})
}

// ended notes that the Watch is over.
func (s *terminals) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.seen = false, 0
}
