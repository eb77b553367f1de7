package grpcpipe

import (
	"context"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// deliver puts an event on the wire and waits until it is written.
func (s *session) deliver(ctx context.Context, e *callv1.Event) error {
	w, err := s.put(e)
	if err != nil || w == nil {
		return err
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		return retry("the client reads too slowly")
	}
	if w.err != nil {
		return gone()
	}
	return nil
}

// put queues what an event says, if it says anything.
func (s *session) put(e *callv1.Event) (*written, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, gone()
	}
	if schema.IsStatus(e) {
		return s.putStatus(e), nil
	}
	c := s.legs[e.GetLegId()]
	switch {
	case c != nil && e.GetNumber() <= c.last:
		return c.writing, nil // it came again
	case c != nil:
	case s.wasHere(e.GetLegId()):
		return nil, nil // over for the terminal: nothing to tell
	case e.GetIncoming() != nil:
		switch {
		case !s.full():
		case s.hide(e.GetLegId(), e.GetIncoming(), e.GetNumber()):
			return nil, nil
		default:
			return nil, busy()
		}
		c = &call{id: e.GetLegId(), leg: e.GetLegId(), known: true}
		s.add(c)
	case !s.multi:
		return nil, nil // a Pipe has the calls it knows, and no others
	default: // a call that began on an earlier stream of this subscriber
		c = &call{id: e.GetRef(), leg: e.GetLegId(), known: true}
		if c.id == "" {
			c.id = c.leg
		}
		s.add(c)
	}
	if !c.known {
		c.known = true
		s.a.claim(c.leg, s)
	}
	c.last = e.GetNumber()
	var m *message
	if c.hidden {
		m = s.hearHidden(c, e)
	} else {
		m = s.hear(c, e)
	}
	if m == nil {
		return nil, nil
	}
	w, err := s.out.push(m)
	if err != nil {
		return nil, gone()
	}
	c.writing = w
	s.settle()
	s.leaveIfAged()
	return w, nil
}

// hear takes what an event says of a call and puts it in the protocol's words; nil
// if there is nothing to tell. It is called with mu held.
func (s *session) hear(c *call, e *callv1.Event) *message {
	name := c.id
	switch body := e.GetBody().(type) {
	case *callv1.Event_Incoming:
		c.ringing = true
		c.meets(body.Incoming.GetCaller())
	case *callv1.Event_Alerting:
		if c.alerted {
			return nil // once more for early media, which Ringing has no room for
		}
		c.alerted = true
	case *callv1.Event_Answered:
		c.ringing = false
		c.meets(body.Answered.GetCallee())
	case *callv1.Event_Reoffer:
		c.ringing, c.offered = false, e.GetNumber()
	case *callv1.Event_PushFailed:
		name = s.nameIn(c, c.pushName)
		c.pushing = false
	case *callv1.Event_Ended:
		if handedOver(body.Ended) {
			name = s.nameIn(c, c.pushName)
			s.handedOver(e.GetCallId(), name, body.Ended.GetPeer(), e.GetAt().AsTime())
		}
		s.finish(c)
	}
	return fromEvent(name, c.number, e)
}
