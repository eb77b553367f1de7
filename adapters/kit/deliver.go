package kit

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

const (
	// maxWaiters is how many repeats of an event under way get its ack.
	maxWaiters = 8
	// ownTries is how often an event of the host's own making is tried.
	ownTries = 5
)

// delivery is an event on its way to a terminal.
type delivery struct {
	e       *callv1.Event
	came    time.Time
	waiters []func(*callv1.EventAck)
	tries   int  // of an event of the host's own making
	own     bool // made here: nobody resends it
}

var (
	delivered = &callv1.EventAck{}
	notHere   = refusedWith(callv1.Code_CODE_GONE, "terminal not attached here")
)

func refusedWith(code callv1.Code, message string) *callv1.EventAck {
	return &callv1.EventAck{Error: &callv1.Error{Code: code, Message: message}}
}

// onEvent takes an event from the bus. It does not block: the event is answered
// at once, or queued on its leg.
func (h *host) onEvent(e *callv1.Event, respond func(*callv1.EventAck), lend bus.Lend) {
	if ack, outcome := h.takeEvent(e, respond, lend); ack != nil {
		respond(ack)
		h.rec.Event(eventName(e), outcome, 0)
	}
}

func (h *host) takeEvent(e *callv1.Event, respond func(*callv1.EventAck), lend bus.Lend) (ack *callv1.EventAck, outcome string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.terminals[e.GetTerminalId()]
	here := t != nil && !t.detached && !h.closed &&
		(e.GetSubscriber() == "" || e.GetSubscriber() == t.info.GetSubscriber())
	switch {
	case e.GetProbe() == nil && !schema.IsStatus(e):
	case !here:
		return notHere, "gone"
	case e.GetProbe() != nil:
		h.takeOn(e, t)
		return delivered, "delivered"
	default:
		return h.takeStatus(t, e, respond)
	}
	l := h.legs.live[e.GetLegId()]
	if l == nil {
		tomb, ok := h.legs.tombs.get(e.GetLegId())
		switch {
		case ok && (tomb.over || e.GetNumber() <= tomb.last):
			return delivered, "repeated"
		case !here:
			return notHere, "gone"
		case len(h.legs.live) >= h.limits.MaxLegs:
			h.giveUpUnknown(e)
			return refusedWith(callv1.Code_CODE_OVERLOAD, "too many legs on this node"), "failed"
		}
		l, _ = h.legs.find(e.GetLegId())
		h.rec.Legs(len(h.legs.live))
	}
	if l.over || e.GetNumber() <= l.last {
		return delivered, "repeated"
	}
	if i := slices.IndexFunc(l.queue, func(d *delivery) bool { return d.e.GetNumber() == e.GetNumber() }); i >= 0 {
		if d := l.queue[i]; len(d.waiters) < maxWaiters {
			d.waiters = append(d.waiters, respond)
			return nil, ""
		}
		return refusedWith(callv1.Code_CODE_RETRY, "on its way"), "retry"
	}
	if !here {
		return notHere, "gone"
	}
	if l.failed != nil && e.GetEnded() == nil {
		return &callv1.EventAck{Error: l.failed}, "failed"
	}
	if len(l.queue) >= h.limits.MaxLegEvents {
		return refusedWith(callv1.Code_CODE_RETRY, "too many events of this leg wait"), "retry"
	}
	l.committed = true // or there would be no event
	h.legs.bind(l, e.GetTerminalId())
	l.subscriber, l.call, l.ref = t.info.GetSubscriber(), e.GetCallId(), e.GetRef()
	l.talking = l.talking || e.GetAnswered() != nil || e.GetEstablished() != nil || e.GetReoffer() != nil
	h.learnMedia(l, e.GetMediaNode())
	h.enqueue(l, &delivery{e: e, came: time.Now(), waiters: []func(*callv1.EventAck){respond}}, lend)
	return nil, ""
}

// takeOn makes a leg known here that a terminal of this node has taken up: its
// signals find their way, and it is given up with the terminal. h.mu is held.
func (h *host) takeOn(e *callv1.Event, t *terminal) {
	if l := h.legs.live[e.GetLegId()]; l == nil && len(h.legs.live) >= h.limits.MaxLegs || l != nil && l.over {
		return
	}
	l, _ := h.legs.find(e.GetLegId())
	l.committed = true
	h.legs.bind(l, e.GetTerminalId())
	l.subscriber, l.call, l.ref = t.info.GetSubscriber(), e.GetCallId(), e.GetRef()
	h.learnMedia(l, e.GetMediaNode())
	h.rec.Legs(len(h.legs.live))
}

// enqueue puts a delivery in its place and starts the leg's goroutine, unless the
// sender lends its own. h.mu is held.
func (h *host) enqueue(l *leg, d *delivery, lend bus.Lend) {
	i := len(l.queue)
	for i > 0 && l.queue[i-1] != l.current && l.queue[i-1].e.GetNumber() > d.e.GetNumber() {
		i--
	}
	l.queue = slices.Insert(l.queue, i, d)
	if lend == nil || !h.mayDeliver(l) || h.stopped || !lend(func() { defer h.ran(); h.deliverAll(l) }) {
		h.pump(l)
		return
	}
	l.busy = true
	h.running++
}

// mayDeliver reports whether a leg's events can and need to be delivered. h.mu is
// held.
func (h *host) mayDeliver(l *leg) bool { return !l.busy && l.holds == 0 && len(l.queue) > 0 }

// pump starts the goroutine that delivers a leg's events, unless it runs, is
// not needed, or the leg is held. h.mu is held.
func (h *host) pump(l *leg) {
	if !h.mayDeliver(l) {
		return
	}
	l.busy = h.goLocked(func() { h.deliverAll(l) })
}

// deliverAll delivers a leg's events one by one until none is left or the leg is
// held.
func (h *host) deliverAll(l *leg) {
	for {
		h.mu.Lock()
		if h.closed {
			h.flush(l, notHere)
		}
		if l.holds > 0 || len(l.queue) == 0 {
			l.busy = false
			h.settle(l)
			h.mu.Unlock()
			return
		}
		d := l.queue[0]
		l.current = d
		skip := d.e.GetNumber() <= l.last || l.over || d.e.GetAlerting() != nil && alertedBy(d.e) <= l.alerted
		h.mu.Unlock()

		var err error
		if !skip {
			err = h.callDeliver(d.e)
		}
		h.delivered(l, d, skip, err)
	}
}

// delivered records the outcome of a delivery and answers those who wait for it.
func (h *host) delivered(l *leg, d *delivery, skip bool, err error) {
	code := schema.CodeOf(err)
	if d.own && code == callv1.Code_CODE_RETRY && d.tries < ownTries && pause(h.work, backoff(d.tries)) {
		d.tries++
		return // it is still the first of the queue
	}
	outcome := "delivered"
	h.mu.Lock()
	l.queue, l.current = l.queue[1:], nil
	var rest []*delivery
	var restAck *callv1.EventAck
	ack := delivered
	switch {
	case skip:
		outcome = "repeated"
		l.last = max(l.last, d.e.GetNumber())
	case err == nil:
		l.last = d.e.GetNumber()
		l.alerted = max(l.alerted, alertedBy(d.e))
		if d.e.GetEnded() != nil {
			if d.e.GetEnded().GetRequested() {
				h.pushed(l.terminal, l.call)
			}
			h.legs.bury(l, true)
			rest, restAck, l.queue = l.queue, delivered, nil
		}
	case code == callv1.Code_CODE_RETRY:
		// What follows must not overtake it: it comes again with it.
		outcome, ack = "retry", &callv1.EventAck{Error: schema.ToProto(err)}
		rest, restAck, l.queue = l.queue, ack, nil
	case code == callv1.Code_CODE_GONE:
		outcome, ack = "gone", &callv1.EventAck{Error: schema.ToProto(err)}
		rest, restAck, l.queue = l.queue, ack, nil
		h.legs.bury(l, false)
	default:
		outcome, ack = "failed", &callv1.EventAck{Error: schema.ToProto(err)}
		h.refuse(l, d, ack.GetError())
		rest, restAck = l.queue, ack
		if i := slices.IndexFunc(rest, func(d *delivery) bool { return d.e.GetEnded() != nil }); i >= 0 {
			l.queue, rest = rest[i:i+1:i+1], slices.Delete(rest, i, i+1)
		} else {
			l.queue = nil
		}
	}
	h.rec.Legs(len(h.legs.live))
	h.mu.Unlock()

	d.answer(ack)
	for _, r := range rest {
		r.answer(restAck)
	}
	h.rec.Event(eventName(d.e), outcome, time.Since(d.came))
}

// refuse gives a leg up whose terminal refused an event for good. h.mu is held.
func (h *host) refuse(l *leg, d *delivery, why *callv1.Error) {
	h.log.Warn("event refused by its terminal", "call", l.call, "leg", l.id,
		"event", eventName(d.e), "code", schema.CodeName(why.GetCode()), "error", why.GetMessage())
	if d.e.GetEnded() != nil { // nothing left to give up
		h.legs.bury(l, true)
		return
	}
	l.failed = why
	h.giveUp(l, legFailed(ReasonFor(why.GetCode()), why.GetMessage()))
}

// callDeliver calls the adapter. A panic there is a defect of the adapter and
// ends the leg, not the process.
func (h *host) callDeliver(e *callv1.Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("adapter panicked in Deliver", "call", e.GetCallId(), "leg", e.GetLegId(),
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = schema.Errorf(callv1.Code_CODE_INTERNAL, "adapter panicked: %v", p)
		}
	}()
	ctx, cancel := bus.WithTimeout(h.work, h.limits.DeliverTimeout)
	defer cancel()
	err = h.adapter.Deliver(ctx, e)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return schema.Errorf(callv1.Code_CODE_RETRY, "%w", err)
	}
	return err
}
