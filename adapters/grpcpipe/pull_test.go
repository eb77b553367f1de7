package grpcpipe

import (
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// pulled waits for the command that pulls a call and checks it.
func pulled(t *testing.T, s *server, p *pipe, call, sdp string) *callv1.Command {
	t.Helper()
	c := s.host.command(t)
	if of, n, _ := schema.SplitLegID(c.GetLegId()); c.GetPull().GetSdp() != sdp || of != call || n < schema.FirstPulled ||
		c.GetPrincipal() != p.terminal.GetSubscriber() || c.GetPull().GetTerminal().GetId() != p.terminal.GetId() {
		t.Fatalf("the Offer became %v", c)
	}
	return c
}

// An Offer with the id of an InCall moves the call here; from then on that is the
// call's name. On a Pipe it is an Offer without a number, or with the InCall's,
// whatever its call_id.
func TestPull(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		for _, number := range []string{"", carol} {
			s := serve(t, newFakeHost())
			p := s.signIn(t, multi, alice)
			call := s.host.elsewhere()
			s.show(t, p, inCall(call, 2, carol))
			p.hears("in_call " + carol + " id=" + call)
			id := call
			if !multi {
				id = uuid1
			}
			p.send(wireOffer(id, "v=0 p", number))
			leg := pulled(t, s, p, call, "v=0 p").GetLegId()
			p.hears("answer v=0 to v=0 p id=" + id)

			s.deliver(t, p, leg, 1, established())
			p.send(wireOffer(id, "v=0 again", "")) // now a call of its own
			if c := s.host.command(t); c.GetReoffer() == nil || c.GetLegId() != leg {
				t.Fatalf("the Offer became %v", c)
			}
			p.hears("answer v=0 to v=0 again id=" + id)
			s.deliver(t, p, leg, 2, reofferEvent("v=0 core"))
			p.hears("offer v=0 core " + carol + " id=" + id)

			// It is pulled away again.
			s.deliver(t, p, leg, 3, endedEvent(callv1.Reason_REASON_TRANSFERRED))
			p.hears("bye id=" + id)
			s.show(t, p, inCall(call, 7, carol))
			p.hears("in_call " + carol + " id=" + call)
			p.send(wireOffer(call, "v=0 p2", ""))
			leg = pulled(t, s, p, call, "v=0 p2").GetLegId()
			p.hears("answer v=0 to v=0 p2 id=" + call)
			p.send(wireBye(call))
			if c := s.host.command(t); c.GetHangUp() == nil || c.GetLegId() != leg {
				t.Fatalf("bye became %v", c)
			}
			s.ring(t, p) // in it to its end: no Idle
		}
	})
}

// A Pipe's Offer to another number is a new call, also while it is shown one; a
// second number of the same party is not another.
func TestPipeChoosesByNumber(t *testing.T) {
	s := serve(t, newFakeHost())
	p := s.signIn(t, false, alice)
	first, second := s.host.elsewhere(), s.host.elsewhere()
	s.show(t, p, inCall(first, 2, carol))
	p.hears("in_call " + carol + " id=" + first)
	s.show(t, p, inCall(second, 3, dave))
	p.hears("in_call " + dave + " id=" + second)

	if c := place(t, s, p, uuid1); c.GetOffer().GetTo() != "tel:+12025550102" {
		t.Fatalf("the Offer became %v", c)
	}
	p.send(wireBye(""))
	s.host.command(t)
	p.send(wireOffer(first, "v=0", "bob")) // no number at all
	p.hears("bye id=" + first)

	p.send(wireOffer("", "v=0", carol)) // the one that was shown before
	pulled(t, s, p, first, "v=0")
	p.hears("answer v=0 to v=0 id=")
	p.send(wireBye(""))
	s.host.command(t)

	p.send(wireOffer("", "v=0", "+12025550199")) // what both are known by as well
	pulled(t, s, p, second, "v=0")
	p.hears("answer v=0 to v=0 id=")
}

// A MultiPipe pulls any call that it knows an id of: the call's own, a leg's, in any
// spelling; the answer bears what the terminal wrote.
func TestPullByAnyID(t *testing.T) {
	s := serve(t, newFakeHost())
	p := s.signIn(t, true, alice)
	call := s.host.elsewhere()
	for _, id := range []string{
		call, schema.LegID(call, 1), schema.LegID(call, 2), strings.ToUpper(schema.LegID(call, 3)),
		schema.CompactUUID(schema.LegID(call, 4)),
	} {
		p.send(wireOffer(id, "v=0", "+"+bob)) // the number does not matter
		pulled(t, s, p, call, "v=0")
		p.hears("answer v=0 to v=0 id=" + id)
		p.send(wireBye(id))
		if c := s.host.command(t); c.GetHangUp() == nil {
			t.Fatalf("bye became %v", c)
		}
	}
}

// The id of an InCall, and the name of a call that was pushed, are known in any
// spelling.
func TestPullInAnySpelling(t *testing.T) {
	s := serve(t, newFakeHost())
	p := s.signIn(t, true, alice)
	call := s.host.elsewhere()
	s.show(t, p, inCall(call, 2, carol))
	p.hears("in_call " + carol + " id=" + call)
	upper := strings.ToUpper(call)
	p.send(wireOffer(upper, "v=0", ""))
	leg := pulled(t, s, p, call, "v=0").GetLegId()
	p.hears("answer v=0 to v=0 id=" + upper)
	p.send(toPhone(upper))
	s.host.command(t)
	s.deliver(t, p, leg, 1, pushed(carol))
	p.hears("in_call " + carol + " id=" + upper)
	p.send(wireOffer(schema.CompactUUID(call), "v=0", ""))
	pulled(t, s, p, call, "v=0")
	p.hears("answer v=0 to v=0 id=" + schema.CompactUUID(call))
}

// Refused pulls leave the call where it is; see the table in refusal.go.
func TestPullRefused(t *testing.T) {
	for code := callv1.Code_CODE_UNSUPPORTED; code <= callv1.Code_CODE_INTERNAL; code++ {
		want := "bye"
		switch code {
		case callv1.Code_CODE_RETRY, callv1.Code_CODE_OVERLOAD, callv1.Code_CODE_CONFLICT:
			want = "error TRY_AGAIN"
		case callv1.Code_CODE_RATE_LIMITED:
			want = "error RATE_LIMIT_HIT"
		case callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_FORBIDDEN:
			want = "none"
		}
		t.Run(code.String(), func(t *testing.T) {
			both(t, func(t *testing.T, multi bool) {
				h := newFakeHost()
				h.owner = func(*callv1.Command) (*callv1.Reply, error) { return nil, schema.Errorf(code, "no") }
				s := serve(t, h)
				p := s.signIn(t, multi, alice)
				call := h.elsewhere()
				s.show(t, p, inCall(call, 2, carol))
				p.hears("in_call " + carol + " id=" + call)
				p.send(wireOffer(call, "v=0 p", ""))
				pulled(t, s, p, call, "v=0 p")
				switch {
				case want != "none":
					p.hears(want + " id=" + call)
				case multi:
					p.hears("error INVALID_CALL_ID id=" + call)
				default:
					p.hears("error NOT_INCALL id=" + call)
				}
				if !nothing(code) { // it is still shown
					s.show(t, p, idle(call, 3))
				}
				switch {
				case multi && !nothing(code):
					p.hears("idle id=" + call)
				case !multi:
					p.hears("idle id=")
				}
				s.ring(t, p)
			})
		})
	}
}

// A pull that was given up before it was answered is hung up, or never was.
func TestByeOvertakesPull(t *testing.T) {
	for _, refused := range []bool{true, false} {
		both(t, func(t *testing.T, multi bool) {
			h := newFakeHost()
			goOn := make(chan struct{})
			h.owner = func(c *callv1.Command) (*callv1.Reply, error) {
				if c.GetPull() == nil {
					return nil, nil
				}
				<-goOn
				if refused {
					return nil, schema.Errorf(callv1.Code_CODE_NOT_ACCEPTABLE, "no codec")
				}
				return nil, nil
			}
			s := serve(t, h)
			p := s.signIn(t, multi, alice)
			call := h.elsewhere()
			s.show(t, p, inCall(call, 2, carol))
			p.hears("in_call " + carol + " id=" + call)
			p.send(wireOffer(call, "v=0 p", ""))
			leg := pulled(t, s, p, call, "v=0 p").GetLegId()
			p.send(wireOffer(call, "v=0 p", "")) // while it is under way
			p.hears("error TRY_AGAIN id=" + call)
			p.send(wireBye(call))
			p.send(&message{CallId: uuid1}) // known to be read once it is answered
			p.hears("error UNKNOWN id=" + uuid1)
			close(goOn)
			if !refused {
				if c := h.command(t); c.GetHangUp() == nil || c.GetLegId() != leg {
					t.Fatalf("bye became %v", c)
				}
			}
			s.ring(t, p)
			select {
			case c := <-h.commands:
				t.Fatalf("one command too many: %v", c)
			default:
			}
		})
	}
}

// Descriptions that can be none are refused before anybody is asked.
func TestImpossiblePull(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost(), func(c *Config) { c.MaxSDP = 100 })
		p := s.signIn(t, multi, alice)
		call := s.host.elsewhere()
		s.show(t, p, inCall(call, 2, carol))
		p.hears("in_call " + carol + " id=" + call)
		for _, sdp := range []string{"", strings.Repeat("x", 101)} {
			p.send(wireOffer(call, sdp, ""))
			p.hears("bye id=" + call)
			if multi {
				leg := s.host.incomingLeg()
				p.send(wireOffer(leg, sdp, ""))
				p.hears("bye id=" + leg)
			}
		}
		p.send(wireOffer(call, "v=0", ""))
		pulled(t, s, p, call, "v=0")
	})
}

// A MultiPipe that comes back offers anew in a call of its former stream, by any name
// that it had; if the call has gone to another terminal meanwhile, it is pulled.
func TestOfferWithinFormerCall(t *testing.T) {
	key := newFakeHost().key
	placed := schema.LegID(key.CallID("s"+alice, scope, uuid1), 1)
	called := schema.LegID(key.NewCallID("somebody", "test"), 2)
	const offer, reoffer, pull = "offer", "re-offer", "pull"
	for name, row := range map[string]struct {
		id, number string
		refuse     map[string]callv1.Code
		asked      []string
		want       string
	}{
		"placed": {uuid1, carol, map[string]callv1.Code{offer: callv1.Code_CODE_CONFLICT},
			[]string{offer, reoffer}, "answer v=0 to v=0 id=" + uuid1},
		"placed, no number": {uuid1, "", nil, []string{reoffer}, "answer v=0 to v=0 id=" + uuid1},
		"placed, not answered yet": {uuid1, carol, map[string]callv1.Code{offer: callv1.Code_CODE_CONFLICT, reoffer: callv1.Code_CODE_CONFLICT},
			[]string{offer, reoffer}, "error TRY_AGAIN id=" + uuid1},
		"placed, no usable media": {uuid1, carol, map[string]callv1.Code{offer: callv1.Code_CODE_CONFLICT, reoffer: callv1.Code_CODE_NOT_ACCEPTABLE},
			[]string{offer, reoffer}, "error UNKNOWN id=" + uuid1},
		"placed, elsewhere now": {uuid1, carol, map[string]callv1.Code{offer: callv1.Code_CODE_CONFLICT, reoffer: callv1.Code_CODE_ENDED},
			[]string{offer, reoffer, pull}, "answer v=0 to v=0 id=" + uuid1},
		"placed, gone": {uuid1, carol, map[string]callv1.Code{offer: callv1.Code_CODE_CONFLICT, reoffer: callv1.Code_CODE_ENDED, pull: callv1.Code_CODE_NOT_FOUND},
			[]string{offer, reoffer, pull}, "bye id=" + uuid1},
		"placed, over": {uuid1, carol, map[string]callv1.Code{offer: callv1.Code_CODE_ENDED}, []string{offer}, "bye id=" + uuid1},
		"never there": {uuid1, "", map[string]callv1.Code{reoffer: callv1.Code_CODE_NOT_FOUND, pull: callv1.Code_CODE_NOT_FOUND},
			[]string{reoffer, pull}, "error INVALID_CALL_ID id=" + uuid1},
		"unknown now": {uuid1, "", map[string]callv1.Code{reoffer: callv1.Code_CODE_RETRY}, []string{reoffer}, "error TRY_AGAIN id=" + uuid1},
		"called":      {called, "", map[string]callv1.Code{pull: callv1.Code_CODE_CONFLICT}, []string{pull, reoffer}, "answer v=0 to v=0 id=" + called},
		"called, rings elsewhere": {called, "", map[string]callv1.Code{pull: callv1.Code_CODE_CONFLICT, reoffer: callv1.Code_CODE_NOT_FOUND},
			[]string{pull, reoffer}, "error TRY_AGAIN id=" + called},
		"called, elsewhere now": {called, "", nil, []string{pull}, "answer v=0 to v=0 id=" + called},
		"called, ended":         {called, "", map[string]callv1.Code{pull: callv1.Code_CODE_ENDED}, []string{pull}, "bye id=" + called},
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHost()
			is := func(c *callv1.Command) string {
				switch {
				case c.GetOffer() != nil:
					return offer
				case c.GetReoffer() != nil:
					return reoffer
				case c.GetPull() != nil:
					return pull
				}
				return c.String()
			}
			h.owner = func(c *callv1.Command) (*callv1.Reply, error) {
				if code := row.refuse[is(c)]; code != 0 {
					return nil, schema.Errorf(code, "no")
				}
				return nil, nil
			}
			s := serve(t, h)
			p := s.signIn(t, true, alice)
			p.send(wireOffer(row.id, "v=0", row.number))
			leg := ""
			for _, want := range row.asked {
				c := h.command(t)
				if is(c) != want {
					t.Fatalf("asked %s, want %s", c, want)
				}
				if of := map[string]string{uuid1: placed, called: called}[row.id]; want == reoffer && c.GetLegId() != of {
					t.Errorf("leg %s, want %s", c.GetLegId(), of)
				}
				leg = c.GetLegId()
			}
			p.hears(row.want)
			if !strings.HasPrefix(row.want, "answer") {
				s.ring(t, p)
				return
			}
			p.send(wireBye(row.id))
			if c := h.command(t); c.GetHangUp() == nil || c.GetLegId() != leg {
				t.Errorf("bye became %v", c)
			}
		})
	}
}
