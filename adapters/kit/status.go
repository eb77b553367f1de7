package kit

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// maxMarks is how many calls a terminal's marks are kept of. The one that was not
// heard of for longest is forgotten first.
const maxMarks = 64

// mark is what a terminal was told of a call that it is not in.
type mark struct {
	call    string
	last    uint64         // the version that was told last, or needed no telling
	shown   *callv1.InCall // what the terminal shows; nil for nothing
	telling *delivery      // the adapter has it
	stale   bool           // the terminal has entered the call since it has
	next    *delivery      // the newest that waits
}

// marks are a terminal's. Guarded by host.mu.
type marks struct {
	all   []*mark // the one heard of last at the end
	queue []*mark // with a next, in the order in which these came
	busy  bool    // a goroutine tells them
}

// of gives the mark of a call, made if there is none; nil if there is no room.
func (s *marks) of(call string) *mark {
	m := &mark{call: call}
	if i := slices.IndexFunc(s.all, func(m *mark) bool { return m.call == call }); i >= 0 {
		m = s.all[i]
		s.all = slices.Delete(s.all, i, i+1)
	} else if len(s.all) >= maxMarks {
		i := slices.IndexFunc(s.all, func(m *mark) bool { return m.next == nil && m.telling == nil })
		if i < 0 {
			return nil
		}
		s.all = slices.Delete(s.all, i, i+1)
	}
	s.all = append(s.all, m)
	return m
}

// newest is the version that a mark knows of or that is on its way.
func (m *mark) newest() uint64 {
	n := m.last
	for _, d := range []*delivery{m.telling, m.next} {
		if d != nil {
			n = max(n, d.e.GetNumber())
		}
	}
	return n
}

var inThatCall = refusedWith(callv1.Code_CODE_RETRY, "the terminal has a leg in that call")

// takeStatus takes an InCall or Idle for a terminal that is here. What is not
// newer than what is known is dropped; what is newer replaces what still waits.
// h.mu is held.
func (h *host) takeStatus(t *terminal, e *callv1.Event, respond func(*callv1.EventAck)) (ack *callv1.EventAck, outcome string) {
	if h.inCall(t, e.GetCallId()) {
		// The end of its leg is still to be told, or this is outdated: its owner knows.
		return inThatCall, "retry"
	}
	m := t.marks.of(e.GetCallId())
	if m == nil {
		return refusedWith(callv1.Code_CODE_RETRY, "too many calls to tell of"), "retry"
	}
	for _, d := range []*delivery{m.telling, m.next} {
		if d != nil && d.e.GetNumber() == e.GetNumber() {
			if len(d.waiters) >= maxWaiters {
				return refusedWith(callv1.Code_CODE_RETRY, "on its way"), "retry"
			}
			d.waiters = append(d.waiters, respond)
			return nil, ""
		}
	}
	if e.GetNumber() <= m.newest() {
		return delivered, "repeated"
	}
	if m.next == nil {
		t.marks.queue = append(t.marks.queue, m)
	} else { // it needs no telling any more
		m.next.answer(delivered)
	}
	m.next = &delivery{e: e, came: time.Now(), waiters: []func(*callv1.EventAck){respond}}
	if !t.marks.busy {
		t.marks.busy = h.goLocked(func() { h.tellAll(t) })
	}
	return nil, ""
}

// answer answers those who wait for a delivery.
func (d *delivery) answer(ack *callv1.EventAck) {
	for _, respond := range d.waiters {
		respond(ack)
	}
	d.waiters = nil
}

// inCall reports whether a terminal has a leg in a call, which it has until the
// leg's end is delivered. h.mu is held.
func (h *host) inCall(t *terminal, call string) bool {
	for l := range h.legs.byTerminal[t.info.GetId()] {
		if l.call == call && !l.over {
			return true
		}
	}
	return false
}

// tellAll tells a terminal what waits, one after the other, until nothing does.
func (h *host) tellAll(t *terminal) {
	for {
		h.mu.Lock()
		if h.closed || t.detached {
			h.flushStatuses(t)
		}
		if len(t.marks.queue) == 0 {
			t.marks.busy = false
			h.mu.Unlock()
			return
		}
		m := t.marks.queue[0]
		t.marks.queue = t.marks.queue[1:]
		d := m.next
		m.telling, m.next, m.stale = d, nil, false
		outcome, ack, skip := "repeated", delivered, true
		switch {
		case h.inCall(t, m.call): // since it came
			outcome, ack = "retry", inThatCall
		case d.e.GetNumber() <= m.last: // by Calls
		case d.e.GetIdle() != nil && m.shown == nil, d.e.GetInCall() != nil && proto.Equal(m.shown, d.e.GetInCall()):
			m.last = d.e.GetNumber()
		default:
			outcome, skip = "delivered", false
		}
		h.mu.Unlock()

		if !skip {
			if err := h.callDeliver(d.e); err != nil {
				ack, outcome = &callv1.EventAck{Error: schema.ToProto(err)}, failedAs(err)
			}
		}
		h.mu.Lock()
		m.telling = nil
		if outcome == "delivered" || outcome == "failed" {
			m.last, m.shown = d.e.GetNumber(), nil
		}
		if outcome == "delivered" && !m.stale {
			m.shown = d.e.GetInCall()
		}
		h.mu.Unlock()
		d.answer(ack)
		h.rec.Event(eventName(d.e), outcome, time.Since(d.came))
	}
}

// failedAs is the outcome of a delivery that failed.
func failedAs(err error) string {
	switch schema.CodeOf(err) {
	case callv1.Code_CODE_RETRY:
		return "retry"
	case callv1.Code_CODE_GONE:
		return "gone"
	}
	return "failed"
}

// flushStatuses answers what waits for a terminal that is not here any more. h.mu
// is held; respond does not block.
func (h *host) flushStatuses(t *terminal) {
	for _, m := range t.marks.queue {
		m.next.answer(notHere)
		m.next = nil
	}
	t.marks.queue = nil
}

// joined notes that a terminal is in a call: it shows no InCall of it any more.
// h.mu is held.
func (h *host) joined(terminalID, call string) {
	t := h.terminals[terminalID]
	if t == nil {
		return
	}
	for _, m := range t.marks.all {
		if m.call == call {
			m.shown, m.stale = nil, true
		}
	}
}

// pushed notes that a terminal has given its call away: what it was told of that
// is to be taken back with the call's end. h.mu is held.
func (h *host) pushed(terminalID, call string) {
	t := h.terminals[terminalID]
	if t == nil {
		return
	}
	if m := t.marks.of(call); m != nil && m.shown == nil {
		m.shown = &callv1.InCall{}
	}
}

// showing takes what Calls is about to tell a terminal: what it was told already,
// or what has changed since, is left out.
func (h *host) showing(terminalID string, calls []*callv1.Event) ([]*callv1.Event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.terminals[terminalID]
	if t == nil || t.detached {
		return nil, errNotAttached
	}
	return slices.DeleteFunc(calls, func(e *callv1.Event) bool {
		if e.GetInCall() == nil || h.inCall(t, e.GetCallId()) {
			return true
		}
		m := t.marks.of(e.GetCallId())
		if m == nil {
			return false
		}
		known := m.last // what only waits does not count: the terminal opens with this
		if m.telling != nil {
			known = max(known, m.telling.e.GetNumber())
		}
		if e.GetNumber() <= known {
			return true
		}
		m.last, m.shown = e.GetNumber(), e.GetInCall()
		return false
	}), nil
}

var errNotAttached = schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such terminal here")
