package grpcpipe

import (
	"testing"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// talk has a terminal answer a call and gives its leg.
func (s *server) talk(t *testing.T, p *pipe) string {
	t.Helper()
	leg := s.ring(t, p)
	p.send(wireAnswer(leg, "v=0 a"))
	s.host.command(t)
	s.deliver(t, p, leg, 2, established())
	return leg
}

// ToPhone has the phone ring, and says nothing until it is known how that went.
// Success is an InCall by the same call_id and no Bye, later Idle: by that id on a
// MultiPipe.
func TestPush(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := s.talk(t, p)
		call, _, _ := schema.SplitLegID(leg)
		id := leg
		if !multi {
			id = uuid1 // echoed
		}
		p.send(toPhone(id))
		if c := s.host.command(t); c.GetPush() == nil || c.GetLegId() != leg || c.GetPrincipal() != "s"+alice {
			t.Fatalf("ToPhone became %v", c)
		}
		p.send(toPhone(id)) // while the phone rings
		p.hears("error TRY_AGAIN id=" + id)
		s.deliver(t, p, leg, 3, pushed(carol))
		p.hears("in_call " + carol + " id=" + id)
		s.show(t, p, inCall(call, 7, carol)) // what everybody is shown: known
		p.send(wireBye(id))                  // it is no call of this terminal's any more
		if multi {
			p.hears("error INVALID_CALL_ID id=" + id)
		} else {
			p.hears("error NOT_INCALL id=" + id)
		}
		s.show(t, p, idle(call, 8))
		if multi {
			p.hears("idle id=" + id)
		} else {
			p.hears("idle id=")
		}
		s.ring(t, p)
	})
}

// A call that was pushed is pulled back by the name that it has.
func TestPushAndPullBack(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := place(t, s, p, uuid1).GetLegId()
		call, _, _ := schema.SplitLegID(leg)
		s.deliver(t, p, leg, 1, answered("v=0 a"))
		p.hears("answer v=0 a id=" + uuid1)
		p.send(toPhone(uuid1))
		s.host.command(t)
		s.deliver(t, p, leg, 2, pushed(carol))
		p.hears("in_call " + carol + " id=" + uuid1)
		p.send(wireOffer(uuid1, "v=0 back", ""))
		back := pulled(t, s, p, call, "v=0 back").GetLegId()
		p.hears("answer v=0 to v=0 back id=" + uuid1)
		s.deliver(t, p, back, 1, endedEvent(callv1.Reason_REASON_NORMAL))
		p.hears("bye id=" + uuid1)
		s.ring(t, p)
	})
}

// A push that did not come about gets TRY_AGAIN and leaves the call as it is; then it
// can be tried again. The far party's hang-up and the terminal's own end the call.
func TestPushFails(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := s.talk(t, p)
		for n := range uint64(2) {
			p.send(toPhone(leg))
			if c := s.host.command(t); c.GetPush() == nil {
				t.Fatalf("ToPhone became %v", c)
			}
			s.deliver(t, p, leg, 3+n, pushFailed())
			p.hears("error TRY_AGAIN id=" + leg)
		}
		p.send(toPhone(leg))
		s.host.command(t)
		s.deliver(t, p, leg, 5, endedEvent(callv1.Reason_REASON_NORMAL))
		p.hears("bye id=" + leg)

		leg = s.talk(t, p)
		p.send(toPhone(leg))
		s.host.command(t)
		p.send(wireBye(leg))
		if c := s.host.command(t); c.GetHangUp() == nil || c.GetLegId() != leg {
			t.Fatalf("bye became %v", c)
		}
		s.deliver(t, p, leg, 3, pushFailed()) // nothing is told any more
		s.ring(t, p)
	})
}

// A call that goes on elsewhere without this terminal's asking has ended for it.
func TestTransferredUnasked(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := s.talk(t, p)
		call, _, _ := schema.SplitLegID(leg)
		s.deliver(t, p, leg, 3, endedEvent(callv1.Reason_REASON_TRANSFERRED))
		p.hears("bye id=" + leg)
		s.show(t, p, inCall(call, 7, carol))
		p.hears("in_call " + carol + " id=" + call)
	})
}

// Refused pushes; see the table in refusal.go.
func TestPushRefused(t *testing.T) {
	for code := callv1.Code_CODE_UNSUPPORTED; code <= callv1.Code_CODE_INTERNAL; code++ {
		t.Run(code.String(), func(t *testing.T) {
			both(t, func(t *testing.T, multi bool) {
				h := newFakeHost()
				h.owner = func(c *callv1.Command) (*callv1.Reply, error) {
					if c.GetPush() != nil {
						return nil, schema.Errorf(code, "no")
					}
					return nil, nil
				}
				s := serve(t, h)
				p := s.signIn(t, multi, alice)
				leg := s.talk(t, p)
				p.send(toPhone(leg))
				s.host.command(t)
				switch code {
				case callv1.Code_CODE_ENDED:
					p.hears("bye id=" + leg)
					return
				case callv1.Code_CODE_RATE_LIMITED:
					p.hears("error RATE_LIMIT_HIT id=" + leg)
				default:
					p.hears("error TRY_AGAIN id=" + leg)
				}
				s.deliver(t, p, leg, 3, endedEvent(callv1.Reason_REASON_NORMAL))
				p.hears("bye id=" + leg)
			})
		})
	}
}

// A MultiPipe that comes back pushes a call of its former stream, and hears how that
// went.
func TestPushFormerCall(t *testing.T) {
	s := serve(t, newFakeHost())
	p := s.signIn(t, true, alice)
	leg := place(t, s, p, uuid1).GetLegId()
	p.cancel()
	receive(t, s.host.detached, "the detach")
	p = s.signIn(t, true, alice)
	p.send(toPhone(uuid1))
	if c := s.host.command(t); c.GetPush() == nil || c.GetLegId() != leg {
		t.Fatalf("ToPhone became %v", c)
	}
	e := pushed(carol)
	e.Ref = uuid1
	s.deliver(t, p, leg, 7, e)
	p.hears("in_call " + carol + " id=" + uuid1)
}
