package callstate

import (
	"container/heap"
	"context"
	"sync"
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// timers wakes calls at the earliest deadline of their record.
type timers struct {
	now func() time.Time
	due func(callID string, partition uint32)

	mu    sync.Mutex
	heap  timerHeap
	byID  map[string]*timer
	until time.Time // when run looks next
	nudge chan struct{}
}

type timer struct {
	at        time.Time
	callID    string
	partition uint32
	index     int
}

func newTimers(now func() time.Time, due func(string, uint32)) *timers {
	return &timers{now: now, due: due, byID: map[string]*timer{}, nudge: make(chan struct{}, 1)}
}

// set gives a call its next wake-up; the zero time clears it.
func (t *timers) set(callID string, partition uint32, at time.Time) {
	if at.IsZero() {
		t.clear(callID)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setLocked(callID, partition, at)
}

// keep gives a call its next wake-up unless it has one: that is of a newer record.
func (t *timers) keep(callID string, partition uint32, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[callID] == nil && !at.IsZero() {
		t.setLocked(callID, partition, at)
	}
}

func (t *timers) setLocked(callID string, partition uint32, at time.Time) {
	if old := t.byID[callID]; old != nil {
		old.at = at
		heap.Fix(&t.heap, old.index)
	} else {
		n := &timer{at: at, callID: callID, partition: partition}
		t.byID[callID] = n
		heap.Push(&t.heap, n)
	}
	if at.Before(t.until) { // a later one is found by itself
		select {
		case t.nudge <- struct{}{}:
		default:
		}
	}
}

func (t *timers) clear(callID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.byID[callID]; old != nil {
		heap.Remove(&t.heap, old.index)
		delete(t.byID, callID)
	}
}

// run wakes calls until ctx ends.
func (t *timers) run(ctx context.Context) {
	clock := time.NewTimer(time.Hour)
	defer clock.Stop()
	for {
		clock.Reset(t.fire())
		select {
		case <-clock.C:
		case <-t.nudge:
		case <-ctx.Done():
			return
		}
	}
}

// fire wakes what is due and returns how long until the next.
func (t *timers) fire() time.Duration {
	for {
		t.mu.Lock()
		now := t.now()
		if len(t.heap) == 0 || t.heap[0].at.After(now) {
			wait := time.Hour
			if len(t.heap) > 0 {
				wait = min(wait, t.heap[0].at.Sub(now))
			}
			t.until = now.Add(wait)
			t.mu.Unlock()
			return wait
		}
		first := t.heap[0]
		heap.Pop(&t.heap)
		delete(t.byID, first.callID)
		t.mu.Unlock()
		t.due(first.callID, first.partition)
	}
}

// deadlineDue has a call act on every deadline of its record that has passed;
// the next commit arms what is left.
func (s *Service) deadlineDue(callID string, partition uint32) {
	p := s.parts[partition]
	p.mu.Lock()
	a := p.calls[callID]
	p.mu.Unlock()
	if a == nil {
		return
	}
	now := s.now()
	var next time.Time
	for _, d := range a.record.Load().GetDeadlines() {
		if at := d.GetAt().AsTime(); at.After(now) {
			next = earlier(next, at)
			continue
		}
		a.own(&callv1.Command{CallId: callID, Body: &callv1.Command_DeadlinePassed{
			DeadlinePassed: &callv1.DeadlinePassed{Kind: d.GetKind(), LegId: d.GetLegId()},
		}})
	}
	s.timers.keep(callID, partition, next)
}

func nextDeadline(c *callv1.CallRecord) time.Time {
	var next time.Time
	for _, d := range c.GetDeadlines() {
		next = earlier(next, d.GetAt().AsTime())
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// timerHeap implements heap.Interface.
type timerHeap []*timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*timer) //nolint:forcetypeassert // only timers are pushed
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return t
}
