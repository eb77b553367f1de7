package grpcpipe

import (
	"testing"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// cross has a Pipe call Bob, whose call to the Pipe arrives while that is under way,
// before the Offer or behind it; then the Offer has an outcome. It gives the legs of
// the two calls.
func cross(t *testing.T, behind bool, outcome error) (s *server, p *pipe, own, in string, goOn chan struct{}) {
	t.Helper()
	h := newFakeHost()
	goOn = make(chan struct{})
	h.owner = func(c *callv1.Command) (*callv1.Reply, error) {
		if c.GetOffer() != nil {
			<-goOn
			return nil, outcome
		}
		return nil, nil
	}
	s = serve(t, h)
	p = s.signIn(t, false, alice)
	if !behind {
		in = s.ring(t, p)
	}
	own = place(t, s, p, uuid1).GetLegId()
	if behind {
		in = h.incomingLeg()
		s.deliver(t, p, in, 1, incoming("v=0 in", "+"+bob))
		s.deliver(t, p, in, 1, incoming("v=0 in", "+"+bob))
		err := s.a.Deliver(t.Context(), event(p.terminal, h.incomingLeg(), 1, incoming("v=0", carol)))
		if schema.CodeOf(err) != callv1.Code_CODE_BUSY {
			t.Errorf("a call of somebody else: %v", err)
		}
	}
	return s, p, own, in, goOn
}

// Call state makes one call of two that cross: the terminal's Offer is answered, and
// the call that came ends if the terminal was told of it.
func TestGlareOnPipe(t *testing.T) {
	for _, behind := range []bool{false, true} {
		s, p, own, in, goOn := cross(t, behind, nil)
		close(goOn)
		s.deliver(t, p, in, 2, endedEvent(callv1.Reason_REASON_ANSWERED_ELSEWHERE))
		if !behind {
			p.hears("bye id=" + in)
		}
		s.deliver(t, p, own, 1, answered("v=0 a"))
		p.hears("answer v=0 a id=" + uuid1)
		p.send(wireOffer("", "v=0 r", "+"+bob))
		p.hears("answer v=0 to v=0 r id=" + uuid1)
		p.send(wireBye(""))
		s.host.command(t)
		if c := s.host.command(t); c.GetHangUp() == nil || c.GetLegId() != own {
			t.Errorf("bye became %v", c)
		}
		s.ring(t, p)
	}
}

// If the Offer fails, the call that came is the Pipe's.
func TestGlareOnPipeFails(t *testing.T) {
	for _, behind := range []bool{false, true} {
		s, p, _, in, goOn := cross(t, behind, schema.Errorf(callv1.Code_CODE_RETRY, "no"))
		close(goOn)
		p.hears("error TRY_AGAIN id=" + uuid1)
		if behind {
			p.hears("offer v=0 in +" + bob + " id=" + in)
		}
		p.send(wireAnswer(in, "v=0 a"))
		if c := s.host.command(t); c.GetAnswer() == nil || c.GetLegId() != in {
			t.Errorf("the Answer became %v", c)
		}
		s.deliver(t, p, in, 2, endedEvent(callv1.Reason_REASON_NORMAL))
		p.hears("bye id=" + in)

		// Nothing is left if it was over before.
		s, p, _, in, goOn = cross(t, behind, schema.Errorf(callv1.Code_CODE_RETRY, "no"))
		s.deliver(t, p, in, 2, endedEvent(callv1.Reason_REASON_CANCELLED))
		if !behind {
			p.hears("bye id=" + in)
		}
		close(goOn)
		p.hears("error TRY_AGAIN id=" + uuid1)
		s.ring(t, p)
	}
}

// Who gives up wants neither call.
func TestByeInGlareOnPipe(t *testing.T) {
	for _, behind := range []bool{false, true} {
		s, p, own, in, goOn := cross(t, behind, nil)
		p.send(wireBye(""))
		if !behind {
			p.hears("bye id=" + in)
		}
		if c := s.host.command(t); c.GetHangUp() == nil || c.GetLegId() != in {
			t.Errorf("first %v", c)
		}
		close(goOn)
		if c := s.host.command(t); c.GetHangUp() == nil || c.GetLegId() != own {
			t.Errorf("then %v", c)
		}
		s.ring(t, p)
	}
}

// On a MultiPipe the calls that cross are two.
func TestGlareOnMultiPipe(t *testing.T) {
	s := serve(t, newFakeHost())
	p := s.signIn(t, true, alice)
	in := s.ring(t, p)
	own := place(t, s, p, uuid1).GetLegId()
	s.deliver(t, p, own, 1, answered("v=0 a"))
	p.hears("answer v=0 a id=" + uuid1)
	s.deliver(t, p, in, 2, endedEvent(callv1.Reason_REASON_ANSWERED_ELSEWHERE))
	p.hears("bye id=" + in)
}
