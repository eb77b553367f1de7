package grpcpipe

import (
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// An Offer places a call, pulls one from another terminal, or renegotiates one that
// the terminal is in. On a Pipe that follows from what the terminal was shown and
// from the number in the Offer, on a MultiPipe from the call_id alone.

// offer is called with mu held.
func (s *session) offer(id string, o *wgtwo.Offer) *message {
	if s.multi {
		return s.offerNamed(id, o)
	}
	named := o.GetMsisdn().GetE164() != ""
	to, valid := dialled(o)
	if c := s.current; c != nil {
		switch with := named && valid && c.isWith(to.E164()); {
		case named && !with:
			return wireError(id, errTryAgain) // one call at a time
		case with && c.ringing && !c.placed && s.usable(o.GetSdp()):
			own := &call{id: id}
			s.crosses(c, own)
			s.current = nil
			return s.place(own, o, kit.Ref{Scope: scope})
		}
		return s.reoffer(c, id, o.GetSdp())
	}
	if x := s.board.choose(named, to.E164()); x != nil {
		return s.pull(id, o.GetSdp(), x)
	}
	if !named {
		return wireError(id, errNotInCall) // it speaks of a call that is there
	}
	return s.place(&call{id: id}, o, kit.Ref{Scope: scope})
}

// offerNamed is offer on a MultiPipe. It is called with mu held.
func (s *session) offerNamed(id string, o *wgtwo.Offer) *message {
	canonical, ok := schema.CanonicalUUID(id)
	if !ok {
		return wireError(id, errInvalidID)
	}
	if c := s.live(id); c != nil {
		return s.reoffer(c, id, o.GetSdp())
	}
	if x := s.board.named(id); x != nil {
		return s.pull(id, o.GetSdp(), x)
	}
	leg, ours := s.resolve(id)
	elsewhere := s.a.elsewhere(leg, s)
	switch {
	case !ours && elsewhere:
		return wireError(id, errInvalidID) // a name that another terminal of this subscriber gave its call
	case !ours && o.GetMsisdn().GetE164() != "":
		return s.place(&call{id: id, leg: leg}, o, kit.Ref{Scope: scope, ID: id})
	case s.closed, s.full():
		return wireError(id, errTryAgain)
	case !s.usable(o.GetSdp()):
		return wireBye(id)
	}
	// A call that this stream has not met: one of an earlier stream, which may have
	// gone to another terminal since, or another terminal's.
	c := &call{id: id, placed: true}
	if !ours {
		c.leg = leg
		return s.enter(c, id, s.rejoining(leg, o), s.pulling(leg, id, o))
	}
	steps := []step{s.pulling(canonical, id, o)}
	if _, n, _ := schema.SplitLegID(canonical); n > 0 && !elsewhere {
		steps = append(steps, s.rejoining(leg, o))
	}
	return s.enter(c, id, steps...)
}

// place makes a call. A MultiPipe that has come back may repeat the Offer of a call
// that is there: then it is an Offer within that. It is called with mu held.
func (s *session) place(c *call, o *wgtwo.Offer, ref kit.Ref) *message {
	to, valid := dialled(o)
	switch {
	case s.closed, s.full():
		return wireError(c.id, errTryAgain)
	case !valid, !s.usable(o.GetSdp()):
		return wireBye(c.id)
	}
	c.placed, c.ringing, c.number = true, true, to.E164()
	steps := []step{{
		what: placing, refuse: refuseOffer, ref: ref,
		cmd: offerCommand(s.principal, s.terminal, to, o.GetSdp()),
	}}
	if s.multi {
		steps = append(steps, s.rejoining(c.leg, o), s.pulling(c.leg, c.id, o))
	}
	return s.enter(c, c.id, steps...)
}

// pull moves a call here that the terminal was shown. It is called with mu held.
func (s *session) pull(id, sdp string, x *shown) *message {
	switch {
	case s.closed, s.full():
		return wireError(id, errTryAgain)
	case !s.usable(sdp):
		return wireBye(id)
	}
	pull := s.pulling(x.call, id, &wgtwo.Offer{Sdp: sdp})
	pull.shown = x
	return s.enter(&call{id: id, placed: true, peer: x.peer, number: msisdn(x.peer)}, id, pull)
}

// reoffer renegotiates a call of this stream. It is called with mu held.
func (s *session) reoffer(c *call, id, sdp string) *message {
	switch {
	case c.ringing, c.offering:
		return wireError(id, errTryAgain)
	case !s.usable(sdp):
		return wireError(id, errUnknown)
	}
	c.offering = true
	no := s.speak(c, id, reofferCommand(sdp), refuseReoffer, func(r *callv1.Reply, err error) *message {
		c.offering = false
		if err != nil {
			return nil
		}
		// What we had offered is withdrawn, and comes again if it is still needed.
		c.offered = 0
		return wireAnswer(s.nameIn(c, id), withoutRTCP(r.GetSdp()))
	})
	if no != nil {
		c.offering = false
	}
	return no
}

// refuseReoffer takes a terminal's Error for its refusal of the offer that it was
// sent in an answered call; the call goes on as it was. It is called with mu held.
func (s *session) refuseReoffer(id string) {
	c := s.live(id)
	if c == nil || c.offered == 0 {
		return
	}
	c.offered = 0
	s.enqueue(c, func() {
		leg := s.legOf(c)
		s.accept(c, legCommand(s.principal, leg, refuseReofferCommand()), kit.Ref{},
			func(*callv1.Reply, error) *message { return nil }) // an error is never answered by another
	})
}

// choose gives the call that an Offer on a free Pipe pulls: without a number the one
// that the terminal was shown last, else one with that party.
func (s *board) choose(named bool, number string) *shown {
	x := s.all[s.want]
	if !named || x == nil || knownBy(x.peer, number) {
		return x
	}
	for _, x := range s.all {
		if knownBy(x.peer, number) {
			return x
		}
	}
	return nil
}
