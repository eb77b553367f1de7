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
		return s.ring(id)
	case *wgtwo.WebTerminalMessage_Bye:
		return s.bye(id)
	case *wgtwo.WebTerminalMessage_Action:
		return s.action(id, body.Action)
	case *wgtwo.WebTerminalMessage_Error:
		// An error is never answered by another. It follows something we said;
		// the terminal says Bye if it cannot go on.
		s.log.Debug("the terminal reports an error", "call", id, "code", body.Error.GetErr().String())
		s.refuseReoffer(id)
		return nil
	}
	// Idle and InCall are the core's to say; no message at all, or one that this
	// version does not know, cannot be served.
	s.a.host.Metrics().Count("bad_messages", 1)
	return wireError(id, errUnknown)
}

// ring says that the terminal alerts its user. It is called with mu held.
func (s *session) ring(id string) *message {
	c, refusal := s.find(id)
	if c == nil {
		return refusal
	}
	return s.speak(c, id, ringingCommand(), refuseRinging, func(*callv1.Reply, error) *message { return nil })
}

// answer takes a call, or a new offer within one. It is called with mu held.
func (s *session) answer(id, sdp string) *message {
	c, refusal := s.find(id)
	switch {
	case c == nil:
		return refusal
	case !s.usable(sdp):
		return wireError(id, errUnknown)
	}
	refuse := refuseAnswer
	if c.sure() && !c.ringing {
		refuse = refuseReanswer
	}
	rang, offered := c.ringing, c.offered
	c.ringing, c.offered = false, 0 // an Offer that follows is one within the call
	return s.speak(c, id, answerCommand(sdp), refuse, func(r *callv1.Reply, err error) *message {
		switch {
		case err == nil:
			s.joined(r.GetCallId(), c.id)
		case c.offered == 0:
			c.ringing, c.offered = rang, offered
		}
		return nil // what comes next is the protocol's own message
	})
}

// speak carries out what a terminal says for a call that goes on. Unless the call is
// over by then, then hears how that went and may give what to say to a success. It is
// called with mu held.
func (s *session) speak(
	c *call, id string, cmd *callv1.Command, refuse func(callv1.Code) refusal, then func(*callv1.Reply, error) *message,
) *message {
	ok := s.enqueue(c, func() {
		leg := s.legOf(c)
		if leg == "" {
			return // the Offer was refused
		}
		s.accept(c, legCommand(s.principal, leg, cmd), kit.Ref{}, func(r *callv1.Reply, err error) *message {
			if err == nil && ended(r) {
				err = schema.Errorf(callv1.Code_CODE_ENDED, "the leg has ended")
			}
			if c.over && c.sure() {
				return nil // the terminal has hung up, or was told that it ended
			}
			if err == nil {
				c.known = true
				if !c.over {
					s.bind(c, c.leg)
				}
			}
			m := then(r, err)
			if err != nil {
				m = s.refusedIn(c, id, refuse(schema.CodeOf(err)))
			}
			return m
		})
	})
	if !ok {
		return wireError(id, errRateLimit)
	}
	return nil
}

// refusedIn puts a refusal within a call in the protocol's words, and forgets a
// call that is over or was none. It is called with mu held.
func (s *session) refusedIn(c *call, id string, what refusal) *message {
	if what == sayBye && !c.sure() {
		what = sayNoCall
	}
	if what == sayNoCall || what == sayBye || !c.sure() {
		s.finish(c)
	}
	return s.refused(id, what)
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
	rival := s.declineRival(c)
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
	return rival
}

// action moves a call to the subscriber's phone: call state has it ring and says
// later how that went, by an event. It is called with mu held.
func (s *session) action(id string, a *wgtwo.Action) *message {
	if a.GetToPhone() == nil { // an action of a version to come
		if s.live(id) == nil {
			return wireError(id, s.noCall())
		}
		return wireError(id, errUnknown)
	}
	c, no := s.find(id)
	switch {
	case c == nil:
		return no
	case c.ringing, c.pushing:
		return wireError(id, errTryAgain)
	}
	c.pushing, c.pushName = true, id
	refuse := refusePush
	if !c.sure() {
		refuse = func(code callv1.Code) refusal {
			if code == callv1.Code_CODE_NOT_FOUND {
				return sayNoCall
			}
			return refusePush(code)
		}
	}
	no = s.speak(c, id, pushCommand(), refuse, func(_ *callv1.Reply, err error) *message {
		c.pushing = err == nil
		return nil
	})
	if no != nil {
		c.pushing = false
	}
	return no
}

// usable reports whether a description may be one.
func (s *session) usable(sdp string) bool { return sdp != "" && len(sdp) <= s.a.cfg.MaxSDP }
