package grpcpipe

import (
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// way is how an Offer may bring a stream into a call.
type way int

const (
	placing   way = iota // it makes the call
	rejoining            // it is one within a call of an earlier stream
	pulling              // it takes an answered call from another terminal
)

// step is one try to carry out an Offer. Which of its meanings a call_id has that
// this stream has not met, only call state knows.
type step struct {
	what   way
	cmd    *callv1.Command
	ref    kit.Ref
	refuse func(callv1.Code) refusal
	shown  *shown // the InCall that is pulled, if there was one
}

func (s *session) rejoining(leg string, o *wgtwo.Offer) step {
	return step{
		what: rejoining, refuse: refuseReoffer,
		cmd: legCommand(s.principal, leg, reofferCommand(o.GetSdp())),
	}
}

// pulling takes the call of an id of ours, which the terminal calls name.
func (s *session) pulling(id, name string, o *wgtwo.Offer) step {
	return step{
		what: pulling, refuse: refusePull, ref: s.ref(id),
		cmd: pullCommand(s.principal, s.terminal, o.GetSdp(), name),
	}
}

// nothing reports whether a code says that there is no such call, or not any more.
func nothing(code callv1.Code) bool {
	switch code {
	case callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_FORBIDDEN, callv1.Code_CODE_ENDED:
		return true
	}
	return false
}

// instead reports whether a step that was refused leaves room for the next: a call
// that is there already is not made, and not pulled by who is in it; one that is not
// the terminal's any more can be pulled.
func (st step) instead(code callv1.Code) bool {
	if st.what == rejoining {
		return nothing(code)
	}
	return code == callv1.Code_CODE_CONFLICT
}

// enter makes a call of this stream and carries out its Offer, one step after the
// other until one is not refused in favour of the next. It is called with mu held.
func (s *session) enter(c *call, id string, steps ...step) *message {
	c.offering = true
	s.add(c)
	s.push(c, func() {
		there := false // by an earlier step's refusal
		for i, st := range steps {
			next := false
			s.accept(c, st.cmd, st.ref, func(r *callv1.Reply, err error) *message {
				code := schema.CodeOf(err)
				switch {
				case err == nil && !ended(r):
					return s.entered(c, id, st, r)
				case err == nil:
					return s.notEntered(c, id, st, callv1.Code_CODE_ENDED, there)
				case i+1 < len(steps) && st.instead(code) && !c.over && !s.a.elsewhere(c.leg, s):
					there, next = there || code == callv1.Code_CODE_CONFLICT, true
					return nil
				}
				return s.notEntered(c, id, st, code, there)
			})
			if !next {
				return
			}
		}
	})
	return nil
}

// entered is called with mu held.
func (s *session) entered(c *call, id string, st step, r *callv1.Reply) *message {
	c.known, c.offering, c.ringing = true, false, st.what == placing
	leg := r.GetLegId()
	if leg == "" {
		leg = st.cmd.GetLegId()
	}
	if c.over { // the terminal's Bye is the next job
		c.leg = leg
		s.forget(c)
		return nil
	}
	s.bind(c, leg)
	if st.what == placing {
		return nil
	}
	s.joined(r.GetCallId(), c.id)
	return wireAnswer(s.nameIn(c, id), withoutRTCP(r.GetSdp()))
}

// notEntered draws the consequences of the last step's refusal. there: an earlier
// step found that the call exists. It is called with mu held.
func (s *session) notEntered(c *call, id string, st step, code callv1.Code, there bool) *message {
	c.offering = false
	say := st.refuse(code)
	switch {
	case st.what == rejoining && !nothing(code) && (there || say == sayUnknown || code == callv1.Code_CODE_CONFLICT):
		// The call is there and goes on.
		c.known, c.ringing = true, false
		if c.over {
			return nil
		}
		s.bind(c, st.cmd.GetLegId())
		return s.refused(id, say)
	case st.what == rejoining && there:
		say = sayTryAgain // somebody else's, and not to be had now
	case st.what == pulling && say == sayNoCall && there:
		say = sayBye // it has ended
	}
	gaveUp := c.over
	s.finish(c)
	s.waiting = c.rival
	if st.shown != nil && nothing(code) && s.board.all[st.shown.call] == st.shown {
		s.board.drop(st.shown.call)
	}
	if gaveUp {
		c.leg = "" // there is nothing to hang up
		return nil
	}
	return s.refused(id, say)
}

// nameIn is how a call is named in what follows a message that named it id. A Pipe
// that gave no name hears the one that the call has.
func (s *session) nameIn(c *call, id string) string {
	if id == "" {
		return c.id
	}
	return id
}
