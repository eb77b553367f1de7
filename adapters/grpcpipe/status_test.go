package grpcpipe

import (
	"testing"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

const (
	carol = "+12025550103"
	dave  = "+12025550104"
)

// elsewhere makes the id of a call that the subscriber is in at another terminal.
func (h *fakeHost) elsewhere() string { return h.key.NewCallID("somebody", "test") }

// show delivers a status event to a terminal.
func (s *server) show(t *testing.T, p *pipe, e *callv1.Event) {
	t.Helper()
	e.TerminalId, e.Subscriber = p.terminal.GetId(), p.terminal.GetSubscriber()
	if err := s.a.Deliver(t.Context(), e); err != nil {
		t.Fatalf("Deliver: %v", err)
	}
}

// join opens a stream whose subscriber is in calls already, the latest first, and
// gives it with the first thing that a Pipe hears unheard.
func join(t *testing.T, multi bool, calls func(h *fakeHost) []*callv1.Event) (*server, *pipe) {
	t.Helper()
	h := newFakeHost()
	list := calls(h)
	h.calls = func(string) []*callv1.Event { return list }
	s := serve(t, h)
	p := s.open(t, multi, "authorization", "Bearer demo", "wg2-msisdn", alice)
	if multi {
		if _, err := p.stream.Header(); err != nil {
			t.Fatal(err)
		}
	}
	p.terminal = receive(t, h.attached, "the attach")
	return s, p
}

// A Pipe opens with InCall if its subscriber is in a call, the latest of several; a
// MultiPipe opens with nothing. Both hear the end.
func TestOpeningInCall(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		var older, newer string
		s, p := join(t, multi, func(h *fakeHost) []*callv1.Event {
			older, newer = h.elsewhere(), h.elsewhere()
			return []*callv1.Event{inCall(newer, 5, dave), inCall(older, 3, carol)}
		})
		if !multi {
			p.hears("in_call " + dave + " id=" + newer)
		}
		s.show(t, p, inCall(newer, 5, dave)) // known
		s.show(t, p, idle(newer, 6))
		if multi {
			p.hears("idle id=" + newer)
		} else {
			p.hears("in_call " + carol + " id=" + older)
		}
		s.show(t, p, idle(older, 4))
		if multi {
			p.hears("idle id=" + older)
		} else {
			p.hears("idle id=")
		}
		s.ring(t, p) // nothing in between
	})
}

// What call state sends while a stream opens is part of the opening.
func TestStatusWhileOpening(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		h := newFakeHost()
		call := h.elsewhere()
		s := serve(t, h)
		h.calls = func(string) []*callv1.Event {
			terminal := <-h.attached
			h.attached <- terminal
			e := inCall(call, 2, carol)
			e.TerminalId, e.Subscriber = terminal.GetId(), terminal.GetSubscriber()
			if err := s.a.Deliver(t.Context(), e); err != nil {
				t.Errorf("Deliver: %v", err)
			}
			return nil
		}
		p := s.open(t, multi, "authorization", "Bearer demo", "wg2-msisdn", alice)
		if !multi {
			p.hears("in_call " + carol + " id=" + call)
		} else if _, err := p.stream.Header(); err != nil {
			t.Fatal(err)
		}
		p.terminal = receive(t, h.attached, "the attach")
		s.ring(t, p)
	})
}

// Call state may be away when a stream opens: it opens all the same, and is shown
// its calls later.
func TestOpeningBlind(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		h := newFakeHost()
		h.callsErr = schema.Errorf(callv1.Code_CODE_RETRY, "away")
		s := serve(t, h)
		p := s.signIn(t, multi, alice) // a Pipe hears Idle
		call := h.elsewhere()
		s.show(t, p, inCall(call, 2, carol))
		p.hears("in_call " + carol + " id=" + call)
	})
}

// InCall when the subscriber joins a call at another terminal, by the number that
// the other party is shown by; Idle when it is over: of that call on a MultiPipe, of
// all calls on a Pipe.
func TestStatusAtChange(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		first, second, third := s.host.elsewhere(), s.host.elsewhere(), s.host.elsewhere()
		s.show(t, p, inCall(first, 2, carol))
		p.hears("in_call " + carol + " id=" + first)
		s.show(t, p, inCall(first, 3, carol)) // it moved: the same to this terminal
		s.show(t, p, inCall(second, 2, dave))
		p.hears("in_call " + dave + " id=" + second)
		alias := inCall(third, 9, "+12025550188")
		alias.GetInCall().Peer.Addresses = []string{"sip:x@example.com", "tel:+12025550188"}
		s.show(t, p, alias)
		p.hears("in_call +12025550188 id=" + third)

		if multi {
			for _, call := range []string{first, third, second} {
				s.show(t, p, idle(call, 10))
				p.hears("idle id=" + call)
			}
		} else {
			s.show(t, p, idle(first, 10)) // not what is shown
			s.show(t, p, idle(third, 10))
			p.hears("in_call " + dave + " id=" + second)
			s.show(t, p, idle(second, 10))
			p.hears("idle id=")
		}
		s.show(t, p, idle(second, 11))
		s.ring(t, p)
	})
}

// A Pipe hears nothing of other calls while it has one itself, and then what has
// become of them.
func TestStatusWaitsForPipe(t *testing.T) {
	s := serve(t, newFakeHost())
	p := s.signIn(t, false, alice)
	first, second := s.host.elsewhere(), s.host.elsewhere()
	s.show(t, p, inCall(first, 2, carol))
	p.hears("in_call " + carol + " id=" + first)

	leg := s.ring(t, p)
	s.show(t, p, idle(first, 3))
	s.deliver(t, p, leg, 2, endedEvent(callv1.Reason_REASON_CANCELLED))
	p.hears("bye id=" + leg)
	p.hears("idle id=")

	leg = s.ring(t, p)
	s.show(t, p, inCall(second, 2, dave))
	p.send(wireBye(leg))
	s.host.command(t)
	p.hears("in_call " + dave + " id=" + second)

	leg = s.ring(t, p)
	s.show(t, p, idle(second, 3))
	s.show(t, p, inCall(second, 4, dave)) // it came back before anybody was told
	s.deliver(t, p, leg, 2, endedEvent(callv1.Reason_REASON_CANCELLED))
	p.hears("bye id=" + leg)
	s.ring(t, p)
}

// The others' phones stop ringing with Bye, then they are shown the call.
func TestForkIsShown(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := s.ring(t, p)
		call, _, _ := schema.SplitLegID(leg)
		s.deliver(t, p, leg, 2, endedEvent(callv1.Reason_REASON_ANSWERED_ELSEWHERE))
		s.show(t, p, inCall(call, 3, carol))
		p.hears("bye id=" + leg)
		p.hears("in_call " + carol + " id=" + call)
	})
}

// A terminal that answers a call which it was shown (its subscriber pushed it there)
// is shown it no more.
func TestShownCallIsAnswered(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := s.host.incomingLeg()
		call, _, _ := schema.SplitLegID(leg)
		s.show(t, p, inCall(call, 2, carol))
		p.hears("in_call " + carol + " id=" + call)
		s.deliver(t, p, leg, 1, incoming("v=0", carol))
		p.hears("offer v=0 " + carol + " id=" + leg)
		p.send(wireAnswer(leg, "v=0 a"))
		s.host.command(t)
		if multi {
			p.hears("idle id=" + call)
		}
		s.deliver(t, p, leg, 2, endedEvent(callv1.Reason_REASON_NORMAL))
		p.hears("bye id=" + leg)
		s.ring(t, p)
	})
}

// What is shown is bounded: the first go first.
func TestTooManyShown(t *testing.T) {
	var b board
	key := schema.NewIDKey([]byte("test"))
	first := key.NewCallID("somebody", "test")
	b.see(inCall(first, 1, carol))
	for range maxShown {
		b.see(inCall(key.NewCallID("somebody", "test"), 1, carol))
	}
	if len(b.all) != maxShown || b.all[first] != nil {
		t.Errorf("%d are remembered, the first: %v", len(b.all), b.all[first])
	}
}

// A call that is shown is not one that the terminal is in: only an Offer is for it.
func TestShownCallIsNotOurs(t *testing.T) {
	s := serve(t, newFakeHost())
	p := s.signIn(t, true, alice)
	call := s.host.elsewhere()
	s.show(t, p, inCall(call, 2, carol))
	p.hears("in_call " + carol + " id=" + call)
	for _, m := range []*message{wireBye(call), wireAnswer(call, "v=0"), wireRinging(call), toPhone(call)} {
		p.send(m)
		p.hears("error INVALID_CALL_ID id=" + call)
	}
	select {
	case c := <-s.host.commands:
		t.Errorf("a command: %v", c)
	default:
	}
}
