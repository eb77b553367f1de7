package grpcpipe

import (
	"github.com/tandem-rtc/tandem/adapters/kit"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Glare on a Pipe. Two people call each other at the same time; call state makes one
// call of that, which answers the terminal's Offer and takes back the one that it
// was sent. On a MultiPipe these are two calls to the terminal. A Pipe has one: the
// call that came is hidden behind the terminal's own as long as that is under way.
// If that fails, the other is the Pipe's call after all.

// hide takes a call that comes from whom the terminal is just calling; false if there
// is no such glare. What it would have said is kept. It is called with mu held.
func (s *session) hide(leg string, in *callv1.Incoming, number uint64) bool {
	own := s.current
	if s.multi || own == nil || !own.ringing || !own.offering || own.rival != nil || !knownBy(in.GetCaller(), own.number) {
		return false
	}
	c := &call{
		id: leg, known: true, ringing: true, hidden: true, last: number,
		offer: wireOffer(leg, withoutRTCP(in.GetSdp()), msisdn(in.GetCaller())),
	}
	c.meets(in.GetCaller())
	own.rival = c
	s.bind(c, leg) // the Pipe's own call made the maps
	return true
}

// hearHidden takes what an event says of a hidden call; the terminal is told the end
// of one that it knows. It is called with mu held.
func (s *session) hearHidden(c *call, e *callv1.Event) *message {
	if e.GetEnded() == nil {
		return nil
	}
	s.finish(c)
	if c.offer != nil {
		return nil
	}
	return wireBye(c.id)
}

// crosses hides a call that rings behind one that the terminal places to who calls.
// It is called with mu held.
func (s *session) crosses(ringing, own *call) {
	ringing.hidden = true
	own.rival = ringing
}

// unhide makes a hidden call the Pipe's, once the terminal's own has failed, and
// tells the terminal of it if it does not know. It is called with mu held.
func (s *session) unhide() {
	c := s.waiting
	if s.waiting = nil; c == nil || c.over || s.current != nil {
		return
	}
	c.hidden = false
	s.current = c
	if c.offer != nil {
		c.writing = s.push1(c.offer)
		c.offer = nil
	}
}

// declineRival ends a hidden call with the terminal's own; a terminal that knows it is
// told. It is called with mu held.
func (s *session) declineRival(own *call) *message {
	c := own.rival
	if c == nil || c.over {
		return nil
	}
	leg := c.leg
	s.finish(c)
	s.push(c, func() {
		cmd := legCommand(s.principal, leg, hangUpCommand(callv1.Reason_REASON_UNSPECIFIED))
		s.accept(c, cmd, kit.Ref{}, func(*callv1.Reply, error) *message { return nil })
	})
	if c.offer != nil {
		return nil
	}
	return wireBye(c.id)
}
