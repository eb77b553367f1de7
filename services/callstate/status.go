package callstate

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// showAll has every terminal that shows its subscriber's calls told what a call is
// to it now, if that has changed. The actor's goroutine calls it.
func (a *actor) showAll(c *callv1.CallRecord) {
	s := a.p.s
	if c.GetAnsweredAt() == nil || !s.terminals.anyShowsCalls() {
		return
	}
	for _, subscriber := range step.Audience(c) {
		for _, t := range s.terminals.of(subscriber) {
			if t.GetFeatures().GetShowsCalls() {
				a.show(c, t)
			}
		}
	}
}

// showAnew tells a terminal that has just attached what the call is to it.
func (a *actor) showAnew(c *callv1.CallRecord, t *callv1.Terminal) {
	if t.GetFeatures().GetShowsCalls() && step.Live(c) {
		delete(a.shown, t.GetId())
		a.show(c, t)
	}
}

// show tells one terminal. A call that another node owned before may have been
// shown to anybody, so its end is.
func (a *actor) show(c *callv1.CallRecord, t *callv1.Terminal) {
	s, id := a.p.s, t.GetId()
	shown, known := a.shown[id]
	if a.shown == nil {
		a.shown = map[string]bool{}
	}
	status := step.StatusOf(c, t)
	if status == step.NotShown && !step.Live(c) && shown {
		status = step.ShownIdle // it rang with the call to the end
	}
	switch status {
	case step.NotShown:
		a.shown[id] = false
		s.board.drop(id, a.id)
	case step.ShownInCall:
		if !shown {
			a.shown[id] = true
			s.board.put(a, t, step.InCallEvent(c, t))
		}
	case step.ShownIdle:
		if shown || !known && a.restored {
			s.board.put(a, t, step.IdleEvent(c, t))
		}
		a.shown[id] = false
	}
}

// statusBoard sends terminals the status of calls that they are not in. A terminal
// for which something waits has a goroutine of its own; of a call only the newest
// status waits.
type statusBoard struct {
	s    *Service
	busy atomic.Int32 // terminals for which something waits

	mu        sync.Mutex
	terminals map[string]*statusQueue
}

type statusQueue struct {
	t     *callv1.Terminal
	calls []*statusItem // by when they came
	nudge chan struct{}
}

type statusItem struct {
	a     *actor
	e     *callv1.Event
	until time.Time
}

func newStatusBoard(s *Service) *statusBoard {
	return &statusBoard{s: s, terminals: map[string]*statusQueue{}}
}

// put has a terminal told a call's status, in place of one that waits.
func (b *statusBoard) put(a *actor, t *callv1.Terminal, e *callv1.Event) {
	item := &statusItem{a: a, e: e, until: b.s.now().Add(statusFor)}
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.terminals[t.GetId()]
	if q == nil {
		q = &statusQueue{t: t, nudge: make(chan struct{}, 1)}
		b.terminals[t.GetId()] = q
		b.busy.Add(1)
		b.s.goRun(func() { b.run(q) })
	}
	b.removeLocked(q, e.GetCallId())
	q.t, q.calls = t, append(q.calls, item)
	q.wake()
}

// drop forgets a status that waits: the terminal is in the call now.
func (b *statusBoard) drop(terminalID, callID string) {
	if b.busy.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.terminals[terminalID]; q != nil {
		b.removeLocked(q, callID)
	}
}

func (b *statusBoard) removeLocked(q *statusQueue, callID string) {
	kept := q.calls[:0]
	for _, i := range q.calls {
		if i.e.GetCallId() != callID {
			kept = append(kept, i)
		}
	}
	q.calls = kept
}

// delivered says that a terminal has its legs' events: what waited for that may
// follow.
func (b *statusBoard) delivered(terminalID string) {
	if b.busy.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.terminals[terminalID]; q != nil {
		q.wake()
	}
}

func (q *statusQueue) wake() {
	select {
	case q.nudge <- struct{}{}:
	default:
	}
}

// run tells one terminal until nothing waits.
func (b *statusBoard) run(q *statusQueue) {
	s, backoff := b.s, eventBackoff
	for s.ctx.Err() == nil {
		item, t, more := b.next(q)
		if !more {
			return
		}
		if item != nil && b.send(item, t) {
			b.done(q, item)
			backoff = eventBackoff
			continue
		}
		wait := time.NewTimer(backoff)
		select {
		case <-wait.C:
		case <-q.nudge:
		case <-s.ctx.Done():
		}
		wait.Stop()
		backoff = min(2*backoff, eventBackoffMax)
	}
}

// next gives a status whose terminal has heard the end of its own leg in that
// call; nil if it has to wait. more is false once nothing is left, or the terminal
// is gone, and ends the goroutine.
func (b *statusBoard) next(q *statusQueue) (item *statusItem, t *callv1.Terminal, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, kept := b.s.now(), q.calls[:0]
	for _, i := range q.calls {
		if now.Before(i.until) && !i.a.gone.Load() {
			kept = append(kept, i)
		}
	}
	q.calls = kept
	if len(q.calls) == 0 || !b.s.terminals.has(q.t) {
		delete(b.terminals, q.t.GetId())
		b.busy.Add(-1)
		return nil, nil, false
	}
	for _, i := range q.calls {
		if !i.a.deliveries.waitFor(q.t.GetId()) {
			return i, q.t, true
		}
	}
	return nil, nil, true
}

// send tells a terminal one status; true when it need not be sent again.
func (b *statusBoard) send(i *statusItem, t *callv1.Terminal) bool {
	ctx, cancel := bus.WithTimeout(b.s.ctx, eventTimeout)
	defer cancel()
	ack, err := b.s.env.Bus.Event(ctx, t.GetKind(), t.GetNode(), i.e)
	if err != nil || ack.GetError().GetCode() == callv1.Code_CODE_RETRY {
		return false
	}
	if ack.GetError() != nil && ack.GetError().GetCode() != callv1.Code_CODE_GONE {
		b.s.log.Warn("status refused", "call", i.e.GetCallId(), "terminal", t.GetId(),
			"code", schema.CodeName(ack.GetError().GetCode()), "error", ack.GetError().GetMessage())
	}
	return true
}

// done takes a status off that was sent, unless a newer one waits.
func (b *statusBoard) done(q *statusQueue, item *statusItem) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := q.calls[:0]
	for _, i := range q.calls {
		if i != item {
			kept = append(kept, i)
		}
	}
	q.calls = kept
}
