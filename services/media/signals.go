package media

import (
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Bounds of what is kept for legs that are not there yet.
const (
	waitingPerLeg = 64
	waitingLegs   = 1024
	// candidatesPerSignal is the most candidates of one signal that are looked at.
	candidatesPerSignal = 64
)

// waiting keeps the signals of unknown legs for a while: a candidate may
// overtake the command that makes its leg. Guarded by Service.mu.
type waiting struct {
	keep time.Duration
	legs map[string]*waiter
}

type waiter struct {
	signals []*callv1.Signal
	timer   *time.Timer
}

func newWaiting(keep time.Duration) *waiting {
	return &waiting{keep: keep, legs: map[string]*waiter{}}
}

// drop forgets a leg's signals.
func (w *waiting) drop(id string) {
	if q := w.legs[id]; q != nil {
		q.timer.Stop()
		delete(w.legs, id)
	}
}

// take gives a leg's signals and forgets them.
func (w *waiting) take(id string) []*callv1.Signal {
	q := w.legs[id]
	if q == nil {
		return nil
	}
	w.drop(id)
	return q.signals
}

func (w *waiting) stop() {
	for id := range w.legs {
		w.drop(id)
	}
}

// signal takes a signal off the bus; it does not block.
func (s *Service) signal(_ *callv1.Identity, sig *callv1.Signal) {
	id := sig.GetLegId()
	s.mu.Lock()
	m := s.legs[id]
	if m == nil {
		if !s.await(id, sig) {
			s.metrics.Count(MetricSignalsDropped, 1)
		}
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.give(m, sig)
}

// await keeps a signal for an unknown leg. The caller holds mu.
func (s *Service) await(id string, sig *callv1.Signal) bool {
	w := s.waiting
	q := w.legs[id]
	if q == nil {
		if len(w.legs) >= waitingLegs || s.draining {
			return false
		}
		q = &waiter{}
		q.timer = time.AfterFunc(w.keep, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if w.legs[id] == q {
				s.metrics.Count(MetricSignalsDropped, len(q.signals))
				delete(w.legs, id)
			}
		})
		w.legs[id] = q
	}
	if len(q.signals) >= waitingPerLeg {
		return false
	}
	q.signals = append(q.signals, sig)
	return true
}

// flush gives a new leg what has waited for it.
func (s *Service) flush(m *member) {
	s.mu.Lock()
	signals := s.waiting.take(m.id)
	s.mu.Unlock()
	for _, sig := range signals {
		s.give(m, sig)
	}
}

// give hands a signal to its leg, in order.
func (s *Service) give(m *member, sig *callv1.Signal) {
	if !s.signals.do(m.id, func() { s.apply(m, sig) }) {
		s.metrics.Count(MetricSignalsDropped, 1)
	}
}

func (s *Service) apply(m *member, sig *callv1.Signal) {
	switch b := sig.GetBody().(type) {
	case *callv1.Signal_Candidates:
		l := m.now.Load().leg
		for i, c := range b.Candidates.GetCandidates() {
			if i == candidatesPerSignal {
				break
			}
			l.AddCandidate(c)
		}
	case *callv1.Signal_Dtmf:
		j := s.jointOf(m.id)
		if d := b.Dtmf; j == nil || len(d.GetDigit()) != 1 || !j.Dtmf(m.now.Load().end, d.GetDigit()[0], d.GetDurationMs()) {
			s.log.Debug("digit dropped", "call", s.callOf(m), "leg", m.id)
		}
	}
}
