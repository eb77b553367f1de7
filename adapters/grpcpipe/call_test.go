package grpcpipe

import (
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// both runs a test on a Pipe and on a MultiPipe.
func both(t *testing.T, f func(t *testing.T, multi bool)) {
	t.Run("Pipe", func(t *testing.T) { f(t, false) })
	t.Run("MultiPipe", func(t *testing.T) { f(t, true) })
}

// place sends an Offer and waits for its command.
func place(t *testing.T, s *server, p *pipe, id string) *callv1.Command {
	t.Helper()
	p.send(wireOffer(id, "v=0", "+12025550102"))
	c := s.host.command(t)
	if s.host.owner == nil { // nothing can hold the Offer up: its outcome is known
		s.host.release(c.GetLegId())
	}
	return c
}

// deliver sends an event and wants it delivered.
func (s *server) deliver(t *testing.T, p *pipe, leg string, number uint64, e *callv1.Event) {
	t.Helper()
	s.host.release(leg)
	if err := s.a.Deliver(t.Context(), event(p.terminal, leg, number, e)); err != nil {
		t.Fatalf("Deliver: %v", err)
	}
}

// ring delivers an incoming call and gives its leg.
func (s *server) ring(t *testing.T, p *pipe) string {
	t.Helper()
	leg := s.host.incomingLeg()
	s.deliver(t, p, leg, 1, incoming("v=0 in", "+12025550102"))
	p.hears("offer v=0 in +12025550102 id=" + leg)
	return leg
}

func TestOutgoingCall(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		c := place(t, s, p, uuid1)
		o := c.GetOffer()
		if c.GetPrincipal() != "s"+alice || o.GetTo() != "tel:+12025550102" || o.GetSdp() != "v=0" ||
			o.GetTerminal().GetId() != p.terminal.GetId() || o.GetCaller().GetAddresses()[0] != "tel:+"+alice {
			t.Fatalf("offer became %v", c)
		}
		if multi != (o.GetRef() == uuid1) {
			t.Errorf("reference %q of an Offer with call_id %q", o.GetRef(), uuid1)
		}
		leg := c.GetLegId()
		s.deliver(t, p, leg, 1, alerting())
		p.hears("ringing id=" + uuid1)
		s.deliver(t, p, leg, 2, answered("v=0 a"))
		p.hears("answer v=0 a id=" + uuid1)
		s.deliver(t, p, leg, 3, established()) // says nothing
		s.deliver(t, p, leg, 4, endedEvent(callv1.Reason_REASON_NORMAL))
		p.hears("bye id=" + uuid1)

		c = place(t, s, p, uuid2) // the Pipe is free again
		p.send(wireBye(uuid2))
		h := s.host.command(t)
		if h.GetHangUp() == nil || h.GetLegId() != c.GetLegId() || h.GetPrincipal() != "s"+alice {
			t.Fatalf("bye became %v", h)
		}
	})
}

func TestIncomingCall(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := s.ring(t, p)
		p.send(wireRinging(leg))
		if c := s.host.command(t); c.GetRinging() == nil || c.GetLegId() != leg || c.GetPrincipal() != "s"+alice {
			t.Fatalf("ringing became %v", c)
		}
		p.send(wireAnswer(leg, "v=0 a"))
		if c := s.host.command(t); c.GetAnswer().GetSdp() != "v=0 a" || c.GetLegId() != leg {
			t.Fatalf("answer became %v", c)
		}
		p.send(wireBye(leg))
		if c := s.host.command(t); c.GetHangUp() == nil || c.GetLegId() != leg ||
			c.GetHangUp().GetReason() != callv1.Reason_REASON_UNSPECIFIED {
			t.Fatalf("bye became %v", c)
		}
	})
}

// A Pipe ignores call_id: a message means the current call whatever it says.
func TestPipeIgnoresCallID(t *testing.T) {
	s := serve(t, newFakeHost())
	p := s.signIn(t, false, alice)
	leg := s.ring(t, p)
	for _, m := range []*message{wireRinging(""), wireAnswer("nonsense", "v=0 a"), wireBye(uuid1)} {
		p.send(m)
		if c := s.host.command(t); c.GetLegId() != leg {
			t.Fatalf("%s became %v", show(m), c)
		}
	}
	c := place(t, s, p, "no uuid") // echoed all the same
	s.deliver(t, p, c.GetLegId(), 1, alerting())
	p.hears("ringing id=no uuid")
}

// MultiPipe: many calls, told apart by call_id, each with its own pace.
func TestManyCalls(t *testing.T) {
	h := newFakeHost()
	slow := make(chan struct{})
	h.owner = func(c *callv1.Command) (*callv1.Reply, error) {
		if c.GetOffer().GetRef() == uuid1 {
			<-slow
		}
		return nil, nil
	}
	s := serve(t, h)
	p := s.signIn(t, true, alice)
	first := place(t, s, p, uuid1)
	second := place(t, s, p, uuid2) // does not wait for the first
	in := s.ring(t, p)
	s.deliver(t, p, second.GetLegId(), 1, alerting())
	p.hears("ringing id=" + uuid2)
	p.send(wireBye(uuid1)) // waits for its Offer
	p.send(wireBye(in))
	if c := h.command(t); c.GetLegId() != in {
		t.Fatalf("first command %v", c)
	}
	close(slow)
	if c := h.command(t); c.GetLegId() != first.GetLegId() || c.GetHangUp() == nil {
		t.Fatalf("second command %v", c)
	}
}

// What WG2 clients print in upper case comes back to them in upper case.
func TestUpperCaseUUID(t *testing.T) {
	s := serve(t, newFakeHost())
	p := s.signIn(t, true, alice)
	id := strings.ToUpper(uuid1)
	c := place(t, s, p, id)
	s.deliver(t, p, c.GetLegId(), 1, alerting())
	p.hears("ringing id=" + id)
	in := s.ring(t, p)
	p.send(wireRinging(strings.ToUpper(in)))
	if c := s.host.command(t); c.GetLegId() != in {
		t.Fatalf("ringing in upper case became %v", c)
	}
}

// An event that comes again is written once; one of a call that the terminal
// has ended is not written at all.
func TestRepeatedAndLateEvents(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := place(t, s, p, uuid1).GetLegId()
		for range 3 {
			s.deliver(t, p, leg, 1, alerting())
		}
		s.deliver(t, p, leg, 2, answered("v=0 a"))
		s.deliver(t, p, leg, 2, answered("v=0 a"))
		p.hears("ringing id=" + uuid1)
		p.hears("answer v=0 a id=" + uuid1)
		p.send(wireBye(uuid1))
		s.host.command(t)
		s.deliver(t, p, leg, 3, endedEvent(callv1.Reason_REASON_NORMAL))
		in := s.ring(t, p) // the next thing heard
		s.deliver(t, p, in, 2, endedEvent(callv1.Reason_REASON_ANSWERED_ELSEWHERE))
		p.hears("bye id=" + in)
		s.deliver(t, p, in, 3, endedEvent(callv1.Reason_REASON_ANSWERED_ELSEWHERE))
		s.ring(t, p)
	})
}

// A refused Offer makes no call, and none of its events is shown.
func TestOfferRefused(t *testing.T) {
	for code := callv1.Code_CODE_UNSUPPORTED; code <= callv1.Code_CODE_INTERNAL; code++ {
		want := "bye"
		switch code {
		case callv1.Code_CODE_RETRY, callv1.Code_CODE_OVERLOAD, callv1.Code_CODE_CONFLICT:
			want = "error TRY_AGAIN"
		case callv1.Code_CODE_RATE_LIMITED:
			want = "error RATE_LIMIT_HIT"
		}
		t.Run(code.String(), func(t *testing.T) {
			both(t, func(t *testing.T, multi bool) {
				h := newFakeHost()
				h.owner = func(c *callv1.Command) (*callv1.Reply, error) {
					if c.GetOffer() != nil || c.GetReoffer() != nil {
						return nil, schema.Errorf(code, "no")
					}
					return nil, nil
				}
				s := serve(t, h)
				p := s.signIn(t, multi, alice)
				leg := place(t, s, p, uuid1).GetLegId()
				p.hears(want + " id=" + uuid1)
				s.deliver(t, p, leg, 1, endedEvent(callv1.Reason_REASON_INTERNAL))
				if multi && code == callv1.Code_CODE_CONFLICT {
					p.hears("bye id=" + uuid1) // it was there
				}
				p.send(wireBye(uuid1))
				if multi {
					p.hears("error INVALID_CALL_ID id=" + uuid1)
				} else {
					p.hears("error NOT_INCALL id=" + uuid1)
				}
			})
		})
	}
}

// A call that the owner made and ended in one go is refused by Bye, once.
func TestOfferEndedAtOnce(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		h := newFakeHost()
		h.owner = func(c *callv1.Command) (*callv1.Reply, error) {
			return &callv1.Reply{LegId: c.GetLegId(), LegState: callv1.LegState_LEG_STATE_ENDED}, nil
		}
		s := serve(t, h)
		p := s.signIn(t, multi, alice)
		leg := place(t, s, p, uuid1).GetLegId()
		p.hears("bye id=" + uuid1)
		s.deliver(t, p, leg, 1, endedEvent(callv1.Reason_REASON_BUSY))
		s.ring(t, p)
	})
}

// The terminal gives up while its Offer is under way, and then the Offer fails
// or succeeds: a call that was made is ended, one that was not is not.
func TestByeOvertakesOffer(t *testing.T) {
	for _, refused := range []bool{true, false} {
		both(t, func(t *testing.T, multi bool) {
			h := newFakeHost()
			goOn := make(chan struct{})
			h.owner = func(c *callv1.Command) (*callv1.Reply, error) {
				if c.GetOffer() == nil {
					return nil, nil
				}
				<-goOn
				if refused {
					return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "nobody")
				}
				return nil, nil
			}
			s := serve(t, h)
			p := s.signIn(t, multi, alice)
			leg := place(t, s, p, uuid1).GetLegId()
			p.send(wireBye(uuid1))
			p.send(toPhone(uuid1)) // known to be read once it is answered
			if multi {
				p.hears("error INVALID_CALL_ID id=" + uuid1)
			} else {
				p.hears("error NOT_INCALL id=" + uuid1)
			}
			close(goOn)
			if !refused {
				if c := h.command(t); c.GetHangUp() == nil || c.GetLegId() != leg {
					t.Fatalf("bye became %v", c)
				}
			}
			s.ring(t, p) // nothing was said in between
			select {
			case c := <-h.commands:
				t.Fatalf("one command too many: %v", c)
			default:
			}
		})
	}
}

// Refusals of an Answer and a Ringing; see the table in refusal.go.
func TestAnswerAndRingingRefused(t *testing.T) {
	rows := map[callv1.Code]struct{ answer, ringing string }{
		callv1.Code_CODE_RETRY:          {"bye", "bye"},
		callv1.Code_CODE_OVERLOAD:       {"bye", "bye"},
		callv1.Code_CODE_CONFLICT:       {"error UNKNOWN", "error UNKNOWN"},
		callv1.Code_CODE_RATE_LIMITED:   {"error RATE_LIMIT_HIT", "error RATE_LIMIT_HIT"},
		callv1.Code_CODE_NOT_FOUND:      {"none", "none"},
		callv1.Code_CODE_ENDED:          {"bye", "bye"},
		callv1.Code_CODE_FORBIDDEN:      {"none", "none"},
		callv1.Code_CODE_REJECTED:       {"error UNKNOWN", "error UNKNOWN"},
		callv1.Code_CODE_NOT_ACCEPTABLE: {"bye", "error UNKNOWN"},
		callv1.Code_CODE_INTERNAL:       {"bye", "error UNKNOWN"},
	}
	for code, row := range rows {
		t.Run(code.String(), func(t *testing.T) {
			both(t, func(t *testing.T, multi bool) {
				h := newFakeHost()
				h.owner = func(*callv1.Command) (*callv1.Reply, error) { return nil, schema.Errorf(code, "no") }
				s := serve(t, h)
				p := s.signIn(t, multi, alice)
				for _, m := range []struct {
					m    func(leg string) *message
					want string
				}{
					{wireRinging, row.ringing},
					{func(leg string) *message { return wireAnswer(leg, "v=0 a") }, row.answer},
				} {
					leg := s.ring(t, p)
					p.send(m.m(leg))
					switch {
					case m.want != "none":
						p.hears(m.want + " id=" + leg)
					case multi:
						p.hears("error INVALID_CALL_ID id=" + leg)
					default:
						p.hears("error NOT_INCALL id=" + leg)
					}
					if strings.HasPrefix(m.want, "error") { // the call goes on
						s.deliver(t, p, leg, 2, endedEvent(callv1.Reason_REASON_NORMAL))
						p.hears("bye id=" + leg)
					}
				}
			})
		})
	}
}
