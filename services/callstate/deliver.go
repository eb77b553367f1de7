package callstate

import (
	"context"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// deliveries sends a call's pending events, in order per leg, until they are
// acknowledged. Each leg has a goroutine of its own while it has events, so a
// slow terminal delays no other.
type deliveries struct {
	a *actor

	mu      sync.Mutex
	stopped bool
	legs    map[string]*delivery
}

// delivery is one leg's queue.
type delivery struct {
	id      string
	events  []*callv1.Event
	leg     *callv1.Leg
	acked   uint64
	running bool
	silent  time.Time // since when its node does not answer; zero if it does
	paused  bool      // its terminal is lost; set again when it is back
	putOff  uint64    // number of the event that its node did not want yet
	wake    chan struct{}
}

// set takes over what a committed record says: events not yet acknowledged,
// and where they go.
func (d *deliveries) set(c *callv1.CallRecord) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return
	}
	if d.legs == nil {
		d.legs = make(map[string]*delivery, 2)
	}
	for _, l := range d.legs {
		l.events = nil
	}
	for _, l := range c.GetLegs() {
		if q := d.legs[l.GetId()]; q != nil {
			if q.leg.GetTerminal().GetId() != l.GetTerminal().GetId() {
				q.silent = time.Time{}
			}
			q.leg = l
			q.paused = l.GetLost()
		}
	}
	for _, e := range c.GetPendingEvents() {
		q := d.legs[e.GetLegId()]
		if q == nil {
			l := legOf(c, e.GetLegId())
			q = &delivery{id: e.GetLegId(), leg: l, paused: l.GetLost(), wake: make(chan struct{}, 1)}
			d.legs[e.GetLegId()] = q
		}
		if e.GetNumber() > q.acked {
			q.events = append(q.events, e)
		}
	}
}

// wake starts the goroutines that have something to send. It is called after
// the reply to the command went out, so an adapter has its reply first.
func (d *deliveries) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return
	}
	for _, q := range d.legs {
		if len(q.events) == 0 || q.paused {
			continue
		}
		if q.running {
			select {
			case q.wake <- struct{}{}:
			default:
			}
			continue
		}
		q.running = true
		d.a.p.s.goRun(func() { d.run(q) })
	}
}

// now sends what waits, from the caller's goroutine; true if all of it was
// acknowledged, false at once if some of it is under way already or has nowhere
// to go.
func (d *deliveries) now(ctx context.Context) bool {
	d.mu.Lock()
	var idle []*delivery
	for _, q := range d.legs {
		if len(q.events) > 0 && (q.running || q.paused) {
			d.mu.Unlock()
			return false
		}
		if len(q.events) > 0 {
			idle = append(idle, q)
		}
	}
	for _, q := range idle {
		q.running = true
	}
	d.mu.Unlock()
	done := true
	for _, q := range idle {
		done = d.sendNow(ctx, q) && done
	}
	return done
}

func (d *deliveries) sendNow(ctx context.Context, q *delivery) bool {
	for {
		e, l := d.next(q)
		switch {
		case e == nil:
			return !d.a.gone.Load()
		case !d.deliver(ctx, e, l, false):
			d.mu.Lock()
			q.running = false
			d.mu.Unlock()
			return false
		}
		d.done(q, e)
	}
}

// acked gives the number of a leg's last acknowledged event.
func (d *deliveries) acked(legID string) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if q := d.legs[legID]; q != nil {
		return q.acked
	}
	return 0
}

// idle reports whether nothing is left to send.
func (d *deliveries) idle() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.legs {
		if q.running {
			return false
		}
	}
	return true
}

func (d *deliveries) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	for _, q := range d.legs {
		q.events = nil
	}
}

// next gives the event to send and where; nil ends the goroutine.
func (d *deliveries) next(q *delivery) (*callv1.Event, *callv1.Leg) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(q.events) == 0 || q.paused || d.stopped {
		q.running = false
		return nil, nil
	}
	q.dropRing()
	return q.events[0], q.leg
}

// dropRing leaves out a call that its terminal was not shown yet, and that is
// answered elsewhere by now: to ring would be for nothing, and later than whatever
// came of the call. (Calls that end otherwise are shown, as missed.)
func (q *delivery) dropRing() {
	if first := q.events[0]; first.GetIncoming() == nil || first.GetNumber() != q.putOff {
		return
	}
	for _, e := range q.events[1:] {
		if e.GetEnded().GetReason() == callv1.Reason_REASON_ANSWERED_ELSEWHERE {
			q.acked, q.events = q.putOff, q.events[1:]
			return
		}
	}
}

func (d *deliveries) done(q *delivery, e *callv1.Event) {
	d.mu.Lock()
	q.acked, q.silent = max(q.acked, e.GetNumber()), time.Time{}
	for len(q.events) > 0 && q.events[0].GetNumber() <= q.acked {
		q.events = q.events[1:]
	}
	all, t := len(q.events) == 0, q.leg.GetTerminal()
	d.mu.Unlock()
	if all {
		d.a.p.s.board.delivered(t.GetId())
	}
}

// waitFor reports whether a terminal has not heard all events of its legs.
func (d *deliveries) waitFor(terminalID string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.legs {
		if len(q.events) > 0 && q.leg.GetTerminal().GetId() == terminalID {
			return true
		}
	}
	return false
}

func (d *deliveries) run(q *delivery) {
	s := d.a.p.s
	backoff := eventBackoff
	for s.ctx.Err() == nil {
		e, l := d.next(q)
		if e == nil {
			d.a.forget()
			return
		}
		if d.deliver(s.ctx, e, l, true) {
			d.done(q, e)
			backoff = eventBackoff
			continue
		}
		s.env.Metrics.EventRetry()
		t := time.NewTimer(backoff)
		select {
		case <-t.C:
		case <-q.wake:
		case <-s.ctx.Done():
		}
		t.Stop()
		backoff = min(2*backoff, eventBackoffMax)
	}
	d.mu.Lock()
	q.running = false
	d.mu.Unlock()
}

// deliver sends an event once; true when it need not be sent again. lend: this
// goroutine is the leg's own, and the adapter's host may use it.
func (d *deliveries) deliver(ctx context.Context, e *callv1.Event, l *callv1.Leg, lend bool) bool {
	s, t := d.a.p.s, l.GetTerminal()
	over := l.GetState() == callv1.LegState_LEG_STATE_ENDED
	if over {
		t = s.standIn(l)
		e = step.Readdress(e, t)
	}
	if lend {
		ctx = s.nodes.during(ctx, t)
	}
	ctx, cancel := bus.WithTimeout(ctx, eventTimeout)
	defer cancel()
	if lend {
		ctx = bus.Lending(ctx)
	}
	ack, err := s.env.Bus.Event(ctx, t.GetKind(), t.GetNode(), e)
	if err == nil && ack.GetError() == nil {
		return true
	}
	log := s.log.With("call", e.GetCallId(), "leg", e.GetLegId(), "number", e.GetNumber(), "node", t.GetNode())
	silent := d.silence(e.GetLegId(), err != nil)
	if err != nil {
		log.Debug("event not delivered", "error", err)
		if !over && s.neverCame(t, silent) {
			d.a.legLost(l, "its node is not there")
		}
		return over && !s.nodes.serves(t) && s.noneWillCome(l)
	}
	switch ack.GetError().GetCode() {
	case callv1.Code_CODE_RETRY:
		d.putOff(e)
		return false
	case callv1.Code_CODE_GONE:
		if over {
			return s.noneWillCome(l)
		}
		log.Info("terminal gone")
		d.a.legLost(l, "its node does not know the terminal")
		// A leg that may be taken up keeps its events; another loses them with
		// its end, which legLost brings about.
		return !t.GetFeatures().GetResumes()
	default:
		// Permanent: the adapter's host gives the leg up itself.
		log.Warn("event refused", "code", schema.CodeName(ack.GetError().GetCode()), "error", ack.GetError().GetMessage())
		return true
	}
}

// putOff notes that a node did not want an event yet.
func (d *deliveries) putOff(e *callv1.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.legs[e.GetLegId()].putOff = e.GetNumber()
}

// silence notes whether a leg's node has answered, and gives since when it does not.
func (d *deliveries) silence(legID string, silent bool) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.legs[legID]
	if !silent {
		q.silent = time.Time{}
	} else if q.silent.IsZero() {
		q.silent = d.a.p.s.now()
	}
	return q.silent
}

// standIn gives the terminal that hears of a leg's end: its own, or, if that is
// gone, another of its subscriber and protocol that knows the leg.
func (s *Service) standIn(l *callv1.Leg) *callv1.Terminal {
	t := l.GetTerminal()
	if !t.GetFeatures().GetResumes() || s.nodes.serves(t) && s.terminals.has(t) {
		return t
	}
	if t.GetFeatures().GetShowsCalls() && !t.GetFeatures().GetRemembersCalls() {
		return t // a Pipe: what comes back is another sort of connection
	}
	for _, other := range s.terminals.of(t.GetSubscriber()) {
		if other.GetKind() == t.GetKind() && other.GetFeatures().GetRemembersCalls() &&
			!other.GetAttachedAt().AsTime().Before(l.GetCreatedAt().AsTime()) &&
			s.nodes.serves(other) && step.CameAbout(other, l.GetEndedAt().AsTime()) {
			return other
		}
	}
	return t
}

// noneWillCome reports whether nobody is left to hear of a leg's end.
func (s *Service) noneWillCome(l *callv1.Leg) bool {
	f := l.GetTerminal().GetFeatures()
	return !f.GetResumes() || !f.GetRemembersCalls() || s.now().Sub(l.GetEndedAt().AsTime()) > s.cfg.Grace
}

// legLost has the call give up a leg whose terminal is gone.
func (a *actor) legLost(l *callv1.Leg, detail string) {
	a.own(&callv1.Command{CallId: a.id, LegId: l.GetId(), Body: &callv1.Command_LegFailed{
		LegFailed: &callv1.LegFailed{
			Reason: callv1.Reason_REASON_TERMINAL_LOST, Detail: detail, TerminalId: l.GetTerminal().GetId(),
		},
	}})
}
