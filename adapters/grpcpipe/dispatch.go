package grpcpipe

import (
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// dispatch carries out a message and gives what to answer at once; nil if
// nothing, or later.
func (s *session) dispatch(m *message) *message {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := m.GetCallId()
	switch body := m.GetMessage().(type) {
	case *wgtwo.WebTerminalMessage_Offer:
		return s.offer(id, body.Offer)
	case *wgtwo.WebTerminalMessage_Answer:
		return s.answer(id, body.Answer.GetSdp())
	case *wgtwo.WebTerminalMessage_Ringing:
		return s.inCall(id, ringingCommand, refuseRinging)
	case *wgtwo.WebTerminalMessage_Bye:
		return s.bye(id)
	case *wgtwo.WebTerminalMessage_Action:
		return s.action(id, body.Action)
	case *wgtwo.WebTerminalMessage_Error:
		// An error is never answered by another. It follows something we said;
		// the terminal says Bye if it cannot go on.
		s.log.Debug("the terminal reports an error", "call", id, "code", body.Error.GetErr().String())
		return nil
	}
	// Idle and InCall are the core's to say; no message at all, or one that this
	// version does not know, cannot be served.
	s.a.host.Metrics().Count("bad_messages", 1)
	return wireError(id, errUnknown)
}

// offer places a call. Within one it would renegotiate or pull it: neither is
// possible, and the call goes on as it is. It is called with mu held.
func (s *session) offer(id string, o *wgtwo.Offer) *message {
	ref := kit.Ref{Scope: scope}
	c := &call{id: id, placed: true}
	if s.multi {
		if _, ok := schema.CanonicalUUID(id); !ok {
			return wireError(id, errInvalidID)
		}
		if s.calls[id] != nil {
			return wireError(id, errTryAgain)
		}
		leg, ours := s.resolve(id)
		switch {
		case ours && s.legs[leg] != nil:
			return wireError(id, errTryAgain)
		case ours:
			// An id that this exchange made never makes a new call, be it another
			// account's or that of a call long over.
			return wireError(id, errInvalidID)
		case s.a.elsewhere(leg, s):
			return wireError(id, errInvalidID) // the call of another terminal of this subscriber
		}
		ref.ID, c.leg = id, leg
	}
	to, valid := dialled(o)
	switch {
	case s.closed, s.full():
		return wireError(id, errTryAgain)
	case o.GetMsisdn().GetE164() == "":
		// An Offer without a number speaks of a call that is there.
		return wireError(id, s.noCall())
	case !valid, o.GetSdp() == "", len(o.GetSdp()) > s.a.cfg.MaxSDP:
		return wireBye(id)
	}
	s.add(c)
	s.push(c, func() {
		cmd := offerCommand(s.principal, s.terminal, to, o.GetSdp())
		s.accept(c, cmd, ref, func(r *callv1.Reply, err error) *message { return s.offered(c, r, err) })
	})
	return nil
}

// offered says how an Offer went. It is called with mu held.
func (s *session) offered(c *call, r *callv1.Reply, err error) *message {
	gaveUp := c.over // the terminal's Bye is the next job
	if err == nil && !ended(r) {
		c.known = true
		if gaveUp {
			c.leg = r.GetLegId()
			s.forget(c)
			return nil
		}
		s.bind(c, r.GetLegId())
		return nil
	}
	if s.multi && schema.CodeOf(err) == callv1.Code_CODE_CONFLICT {
		// The call is there: the terminal came back and repeats its Offer. The
		// call goes on.
		if c.known = true; gaveUp {
			return nil
		}
		s.bind(c, c.leg)
		return wireError(c.id, errTryAgain)
	}
	s.finish(c)
	if gaveUp {
		c.leg = "" // there is nothing to hang up
		return nil
	}
	if err == nil {
		return wireBye(c.id)
	}
	return s.refused(c.id, refuseOffer(schema.CodeOf(err)))
}

// answer takes a call. It is called with mu held.
func (s *session) answer(id, sdp string) *message {
	if sdp == "" || len(sdp) > s.a.cfg.MaxSDP {
		if c, refusal := s.find(id); c == nil {
			return refusal
		}
		return wireError(id, errUnknown)
	}
	return s.inCall(id, func() *callv1.Command { return answerCommand(sdp) }, refuseAnswer)
}

// inCall carries out a Ringing or an Answer. It is called with mu held.
func (s *session) inCall(id string, cmd func() *callv1.Command, refuse func(callv1.Code) refusal) *message {
	c, refusal := s.find(id)
	if c == nil {
		return refusal
	}
	ok := s.enqueue(c, func() {
		leg := s.legOf(c)
		if leg == "" {
			return // the Offer was refused
		}
		s.accept(c, legCommand(s.principal, leg, cmd()), kit.Ref{}, func(r *callv1.Reply, err error) *message {
			if err == nil && ended(r) {
				err = schema.Errorf(callv1.Code_CODE_ENDED, "the leg has ended")
			}
			switch {
			case c.over && c.sure():
				return nil // the terminal has hung up, or was told that it ended
			case err == nil:
				c.known = true
				if !c.over {
					s.bind(c, c.leg)
				}
				return nil // what comes next is the protocol's own message
			}
			what := refuse(schema.CodeOf(err))
			if what == sayBye && !c.sure() {
				what = sayNoCall
			}
			if what == sayNoCall || what == sayBye || !c.sure() {
				s.finish(c)
			}
			return s.refused(id, what)
		})
	})
	if !ok {
		return wireError(id, errRateLimit)
	}
	return nil
}

// bye ends a call. For the terminal it is over at once; the host sees to it
// that it is. It is called with mu held.
func (s *session) bye(id string) *message {
	c, refusal := s.find(id)
	switch {
	case c == nil:
		return refusal
	case s.closed:
		return nil // the host gives the stream's legs up
	}
	s.finish(c)
	s.push(c, func() {
		leg := s.legOf(c)
		if leg == "" {
			return // the Offer was refused
		}
		cmd := legCommand(s.principal, leg, hangUpCommand(callv1.Reason_REASON_UNSPECIFIED))
		s.accept(c, cmd, kit.Ref{}, func(_ *callv1.Reply, err error) *message {
			if err == nil || c.sure() {
				return nil
			}
			return wireError(id, errInvalidID)
		})
	})
	return nil
}

// action moves a call to the subscriber's phone, which this exchange cannot do
// yet: the call is kept, as the protocol has it for a move that failed. It is
// called with mu held.
func (s *session) action(id string, a *wgtwo.Action) *message {
	c := s.current
	if s.multi {
		if c = s.calls[id]; c == nil {
			leg, _ := s.resolve(id)
			c = s.legs[leg]
		}
	}
	switch {
	case c == nil || !c.sure():
		return wireError(id, s.noCall())
	case a.GetToPhone() == nil:
		return wireError(id, errUnknown)
	}
	return wireError(id, errTryAgain)
}
