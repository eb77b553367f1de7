package grpcpipe

import (
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// The core offers anew in an answered call, with the far party's number, and the
// terminal answers.
func TestCoreOffersAnew(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := s.talk(t, p)
		for n := range uint64(2) {
			s.deliver(t, p, leg, 3+n, reofferEvent("v=0 core\r\na=rtcp:9\r\n"))
			p.hears("offer v=0 core\r\n +12025550102 id=" + leg)
			p.send(wireAnswer(leg, "v=0 re"))
			if c := s.host.command(t); c.GetAnswer().GetSdp() != "v=0 re" || c.GetLegId() != leg {
				t.Fatalf("the Answer became %v", c)
			}
		}
	})
	both(t, func(t *testing.T, multi bool) { // to who called, with the number called
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := place(t, s, p, uuid1).GetLegId()
		s.deliver(t, p, leg, 1, answered("v=0 a"))
		p.hears("answer v=0 a id=" + uuid1)
		s.deliver(t, p, leg, 2, reofferEvent("v=0 core"))
		p.hears("offer v=0 core +12025550102 id=" + uuid1)
	})
}

// An Error of the terminal's refuses what it was offered anew; without that it is
// nothing. It is never answered.
func TestTerminalRefusesOffer(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := s.talk(t, p)
		p.send(wireError(leg, errUnknown))
		s.deliver(t, p, leg, 3, reofferEvent("v=0 core"))
		p.hears("offer v=0 core +12025550102 id=" + leg)
		p.send(wireError(leg, errTryAgain))
		if c := s.host.command(t); c.GetRefuseReoffer() == nil || c.GetLegId() != leg {
			t.Fatalf("the Error became %v", c)
		}
		p.send(wireError(leg, errTryAgain)) // it was refused already
		p.send(wireBye(leg))
		if c := s.host.command(t); c.GetHangUp() == nil {
			t.Fatalf("bye became %v", c)
		}
	})
}

// An Offer in a call of the terminal's own renegotiates it, on a Pipe without a
// number or with any of the far party's, whatever the call_id.
func TestTerminalOffersAnew(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		h := newFakeHost()
		goOn := make(chan struct{}, 1)
		h.owner = func(c *callv1.Command) (*callv1.Reply, error) {
			if c.GetReoffer() != nil {
				<-goOn
			}
			return nil, nil
		}
		s := serve(t, h)
		p := s.signIn(t, multi, alice)
		leg := place(t, s, p, uuid1).GetLegId()
		e := answered("v=0 a")
		e.GetAnswered().Callee = &callv1.Party{Addresses: []string{"sip:bob@example.com", "tel:+" + bob, "tel:+12025550199"}}
		s.deliver(t, p, leg, 1, e)
		p.hears("answer v=0 a id=" + uuid1)
		for _, number := range []string{"", "+" + bob, "+12025550199"} {
			p.send(wireOffer(uuid1, "v=0 r", number))
			if c := s.host.command(t); c.GetReoffer().GetSdp() != "v=0 r" || c.GetLegId() != leg {
				t.Fatalf("the Offer became %v", c)
			}
			p.send(wireOffer(uuid1, "v=0 r", number)) // before the answer
			p.hears("error TRY_AGAIN id=" + uuid1)
			goOn <- struct{}{}
			p.hears("answer v=0 to v=0 r id=" + uuid1)
		}
		if !multi {
			p.send(wireOffer(uuid2, "v=0 r", carol)) // somebody else: one call at a time
			p.hears("error TRY_AGAIN id=" + uuid2)
			p.send(wireOffer(uuid1, "v=0 r", "bob"))
			p.hears("error TRY_AGAIN id=" + uuid1)
			goOn <- struct{}{}
			p.send(wireOffer("", "v=0 r", ""))
			p.hears("answer v=0 to v=0 r id=" + uuid1)
			s.host.command(t)
		}
		for _, sdp := range []string{"", strings.Repeat("x", 65<<10)} {
			p.send(wireOffer(uuid1, sdp, ""))
			p.hears("error UNKNOWN id=" + uuid1)
		}
		s.deliver(t, p, leg, 2, endedEvent(callv1.Reason_REASON_NORMAL))
		p.hears("bye id=" + uuid1)
	})
}

// A terminal that has answered may offer at once.
func TestOfferBehindAnswer(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := s.ring(t, p)
		p.send(wireAnswer(leg, "v=0 a"))
		p.send(wireOffer(leg, "v=0 r", ""))
		p.hears("answer v=0 to v=0 r id=" + leg)
	})
}

// Two offers cross: the terminal's is served, ours is off the table.
func TestOffersCross(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := s.talk(t, p)
		s.deliver(t, p, leg, 3, reofferEvent("v=0 core"))
		p.send(wireOffer(leg, "v=0 r", ""))
		p.hears("offer v=0 core +12025550102 id=" + leg)
		p.hears("answer v=0 to v=0 r id=" + leg)
		if c := s.host.command(t); c.GetReoffer() == nil {
			t.Fatalf("the Offer became %v", c)
		}
		p.send(wireError(leg, errUnknown)) // about an offer that is withdrawn
		p.send(&message{CallId: uuid1})    // known to be read once it is answered
		p.hears("error UNKNOWN id=" + uuid1)
		s.deliver(t, p, leg, 4, reofferEvent("v=0 core again"))
		p.hears("offer v=0 core again +12025550102 id=" + leg)
		p.send(wireAnswer(leg, "v=0 re"))
		if c := s.host.command(t); c.GetAnswer() == nil {
			t.Fatalf("the Answer became %v", c)
		}
	})
}

// Refusals within an answered call leave it as it is, unless there is none; see the
// table in refusal.go.
func TestRefusedWithinCall(t *testing.T) {
	for code := callv1.Code_CODE_UNSUPPORTED; code <= callv1.Code_CODE_INTERNAL; code++ {
		offer, answer := "error UNKNOWN", "error UNKNOWN"
		switch code {
		case callv1.Code_CODE_RETRY, callv1.Code_CODE_OVERLOAD:
			offer, answer = "error TRY_AGAIN", "error TRY_AGAIN"
		case callv1.Code_CODE_CONFLICT:
			offer = "error TRY_AGAIN"
		case callv1.Code_CODE_RATE_LIMITED:
			offer, answer = "error RATE_LIMIT_HIT", "error RATE_LIMIT_HIT"
		case callv1.Code_CODE_ENDED:
			offer, answer = "bye", "bye"
		case callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_FORBIDDEN:
			offer, answer = "none", "none"
		}
		t.Run(code.String(), func(t *testing.T) {
			both(t, func(t *testing.T, multi bool) {
				h := newFakeHost()
				h.owner = func(c *callv1.Command) (*callv1.Reply, error) {
					if c.GetReoffer() != nil || c.GetAnswer().GetSdp() == "v=0 re" {
						return nil, schema.Errorf(code, "no")
					}
					return nil, nil
				}
				s := serve(t, h)
				p := s.signIn(t, multi, alice)
				for want, m := range map[string]func(leg string) *message{
					"offer " + offer:   func(leg string) *message { return wireOffer(leg, "v=0 r", "") },
					"answer " + answer: func(leg string) *message { return wireAnswer(leg, "v=0 re") },
				} {
					_, want, _ = strings.Cut(want, " ")
					leg := s.talk(t, p)
					s.deliver(t, p, leg, 3, reofferEvent("v=0 core"))
					p.hears("offer v=0 core +12025550102 id=" + leg)
					p.send(m(leg))
					h.command(t)
					switch {
					case want != "none":
						p.hears(want + " id=" + leg)
					case multi:
						p.hears("error INVALID_CALL_ID id=" + leg)
					default:
						p.hears("error NOT_INCALL id=" + leg)
					}
					if strings.HasPrefix(want, "error") { // the call goes on
						s.deliver(t, p, leg, 4, endedEvent(callv1.Reason_REASON_NORMAL))
						p.hears("bye id=" + leg)
					}
				}
			})
		})
	}
}

// A re-offer and an answer to one, of a call of a former stream, find their leg.
func TestReofferAfterLoss(t *testing.T) {
	s := serve(t, newFakeHost())
	p := s.signIn(t, true, alice)
	leg := s.talk(t, p)
	p.cancel()
	receive(t, s.host.detached, "the detach")
	p = s.signIn(t, true, alice)
	s.deliver(t, p, leg, 7, reofferEvent("v=0 core"))
	p.hears("offer v=0 core  id=" + leg) // whom with, the new stream does not know
	p.send(wireAnswer(leg, "v=0 re"))
	if c := s.host.command(t); c.GetAnswer() == nil || c.GetLegId() != leg {
		t.Fatalf("the Answer became %v", c)
	}
}
