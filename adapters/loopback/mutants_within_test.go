package loopback_test

import (
	"context"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// withinMutants are broken in what comes after the answer.
var withinMutants = []mutant{
	// Calls at other terminals.
	{"drops statuses", "a terminal is shown its subscriber's calls once, and only forward", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if schema.IsStatus(e) {
			return nil
		}
		return a.Deliver(ctx, e)
	})},
	{"repeats statuses", "a terminal is shown its subscriber's calls once, and only forward", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if err := a.Deliver(ctx, e); err != nil || !schema.IsStatus(e) {
			return err
		}
		return a.Deliver(ctx, e)
	})},
	{"never takes a status back", "a terminal is shown its subscriber's calls once, and only forward", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if e.GetIdle() != nil {
			return nil
		}
		return a.Deliver(ctx, e)
	})},
	{"shows a call without its party", "a terminal is shown its subscriber's calls once, and only forward", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if e.GetInCall() != nil {
			e.GetInCall().Peer = nil
		}
		return a.Deliver(ctx, e)
	})},
	{"shows a call to all terminals", "a status is for its terminal alone", statusesToAll},
	{"delivers a status before the end", "a terminal hears the end of its own part before it is shown the call", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if e.GetEnded() != nil {
			time.AfterFunc(100*time.Millisecond, func() { _ = a.Deliver(context.WithoutCancel(ctx), e) })
			return nil
		}
		return a.Deliver(ctx, e)
	})},
	{"does not say that it shows calls", "what the protocol lacks is said, with the reason", featuring(func(f *callv1.Features) { f.ShowsCalls = false })},
	{"does not say that it takes re-offers", "what the protocol lacks is said, with the reason", featuring(func(f *callv1.Features) { f.Renegotiates = false })},
	{"has terminals that cannot say what the wire can", "what the protocol lacks is said, with the reason", func(m *mutation) {
		m.client = func(c kittest.Client) kittest.Client { return struct{ kittest.Client }{c} }
	}},

	// Taking a call over.
	{"acks a pull early", "a terminal takes over a call that it is shown", accepting(func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
		if c.GetPull() != nil {
			ack(&callv1.Reply{Sdp: c.GetPull().GetSdp()}, nil)
			ack = nil
		}
		h.Accept(ctx, c, ref, ack)
	})},
	{"pulls another call", "a terminal takes over a call that it is shown", accepting(func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
		if c.GetPull() != nil {
			ref.ID, _ = h.Resolve(c.GetPrincipal(), kit.Ref{ID: "another"})
		}
		h.Accept(ctx, c, ref, ack)
	})},
	{"keeps the answer to a pull", "a terminal takes over a call that it is shown", answering((*callv1.Command).GetPull)},
	{"forgets which leg it pulled", "a pulled call is the terminal's like any other", accepting(func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
		if call, n, ok := schema.SplitLegID(ref.ID); ok && n == 0 && c.GetPull() == nil {
			c.LegId = schema.LegID(call, 1)
		}
		h.Accept(ctx, c, ref, ack)
	})},
	{"has one word for all refusals of a pull", "a pull that is refused is told in the protocol's terms", refusing((*callv1.Command).GetPull)},
	{"does not detach a terminal that pulled", "a connection that breaks gives a pulled leg up", func(m *mutation) {
		m.attach = func(h kit.Host, ctx context.Context, t *callv1.Terminal) (*callv1.Terminal, func(kit.DetachReason), error) {
			t, _, err := h.Attach(ctx, t)
			return t, func(kit.DetachReason) {}, err
		}
	}},

	// Giving it away.
	{"takes a push for a hang-up", "a terminal gives its call to its subscriber's phone", accepting(func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
		if c.GetPush() != nil {
			c.Body = &callv1.Command_HangUp{HangUp: &callv1.HangUp{}}
		}
		h.Accept(ctx, c, ref, ack)
	})},
	{"ends a call whose push failed", "a push that fails leaves the call as it is", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if f := e.GetPushFailed(); f != nil {
			e.Body = &callv1.Event_Ended{Ended: &callv1.Ended{Reason: f.GetReason()}}
		}
		return a.Deliver(ctx, e)
	})},
	{"has one word for all refusals of a push", "a push that is refused leaves the call as it is", refusing((*callv1.Command).GetPush)},

	// Offering anew.
	{"keeps the answer to a re-offer", "a terminal offers anew and is answered", answering((*callv1.Command).GetReoffer)},
	{"hangs up after a re-offer that was refused", "a re-offer that is refused leaves the call as it is", accepting(func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
		h.Accept(ctx, c, ref, func(r *callv1.Reply, err error) {
			ack(r, err)
			if c.GetReoffer() != nil && err != nil {
				go h.Accept(context.WithoutCancel(ctx), hangUp(c.GetPrincipal()), ref, nil)
			}
		})
	})},
	{"hangs up after a re-offer of unknown outcome", "a re-offer whose outcome is unknown leaves the call as it is", accepting(func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
		h.Accept(ctx, c, ref, ack)
		if c.GetReoffer() != nil {
			h.Accept(ctx, hangUp(c.GetPrincipal()), ref, nil)
		}
	})},
	{"drops re-offers", "a terminal is offered anew and answers", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if e.GetReoffer() != nil {
			return nil
		}
		return a.Deliver(ctx, e)
	})},
	{"answers a re-offer for another's leg", "a terminal is offered anew and answers", answersOthersOffers},
	{"repeats re-offers", "an offer in a call is shown once", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if err := a.Deliver(ctx, e); err != nil || e.GetReoffer() == nil {
			return err
		}
		return a.Deliver(ctx, e)
	})},
	{"takes a refusal of an offer for a hang-up", "a terminal refuses to be offered anew and keeps its call", accepting(func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
		if c.GetRefuseReoffer() != nil {
			c.Body = &callv1.Command_HangUp{HangUp: &callv1.HangUp{}}
		}
		h.Accept(ctx, c, ref, ack)
	})},

	// Before the answer.
	{"drops early media", "a caller hears media before the answer", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if e.GetAlerting() != nil {
			e.GetAlerting().Sdp = ""
		}
		return a.Deliver(ctx, e)
	})},
	{"keeps early media to itself", "a called terminal sends media before it answers", accepting(func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
		if c.GetRinging() != nil {
			c.GetRinging().Sdp = ""
		}
		h.Accept(ctx, c, ref, ack)
	})},
	{"drops headers", "headers travel both ways", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if e.GetIncoming() != nil {
			e.GetIncoming().Headers = nil
		}
		return a.Deliver(ctx, e)
	})},
	{"keeps headers to itself", "headers travel both ways", accepting(func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
		if c.GetAnswer() != nil {
			c.GetAnswer().Headers = nil
		}
		h.Accept(ctx, c, ref, ack)
	})},

	// Whole calls find it too.
	{"drops transfers", "the called side's terminals take the call over from each other", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if e.GetEnded().GetReason() == callv1.Reason_REASON_TRANSFERRED {
			return nil
		}
		return a.Deliver(ctx, e)
	})},
	{"drops the other side's holds", "a terminal refuses to be offered anew and the call stays", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if e.GetReoffer() != nil {
			return nil
		}
		return a.Deliver(ctx, e)
	})},
	{"takes a loss for good", "a call survives the loss of a connection", detaching(kit.SignedOut)},
}

func accepting(f func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack)) func(*mutation) {
	return func(m *mutation) { m.accept = f }
}

// featuring changes what terminals say of themselves.
func featuring(f func(*callv1.Features)) func(*mutation) {
	return func(m *mutation) {
		m.attach = func(h kit.Host, ctx context.Context, t *callv1.Terminal) (*callv1.Terminal, func(kit.DetachReason), error) {
			t.Features = &callv1.Features{Resumes: true, Renegotiates: true, ShowsCalls: true}
			f(t.Features)
			return h.Attach(ctx, t)
		}
	}
}

// answering takes the description out of the reply to a kind of command.
func answering[B comparable](of func(*callv1.Command) B) func(*mutation) {
	return accepting(func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
		var none B
		h.Accept(ctx, c, ref, func(r *callv1.Reply, err error) {
			if of(c) != none && err == nil {
				r = &callv1.Reply{LegId: r.GetLegId()}
			}
			ack(r, err)
		})
	})
}

// refusing has one word for all refusals of a kind of command.
func refusing[B comparable](of func(*callv1.Command) B) func(*mutation) {
	return accepting(func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
		var none B
		h.Accept(ctx, c, ref, func(r *callv1.Reply, err error) {
			if of(c) != none && err != nil {
				err = schema.Errorf(callv1.Code_CODE_INTERNAL, "no")
			}
			ack(r, err)
		})
	})
}

func hangUp(principal string) *callv1.Command {
	return &callv1.Command{Principal: principal, Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{}}}
}

// statusesToAll delivers what is shown to one terminal to all.
func statusesToAll(m *mutation) {
	wrongTerminal(true)(m)
	toAll := m.deliver
	m.deliver = func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if schema.IsStatus(e) {
			return toAll(a, ctx, e)
		}
		return a.Deliver(ctx, e)
	}
}

// answersOthersOffers answers an offer for whoever had an event last that was for
// another leg.
func answersOthersOffers(m *mutation) {
	var mu sync.Mutex
	var last *callv1.Event
	m.deliver = func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		mu.Lock()
		if e.GetReoffer() == nil {
			last = e
		}
		mu.Unlock()
		return a.Deliver(ctx, e)
	}
	m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
		mu.Lock()
		if leg, _ := h.Resolve(c.GetPrincipal(), ref); c.GetAnswer() != nil && last != nil && last.GetLegId() != leg {
			c.LegId, c.Principal = last.GetLegId(), last.GetSubscriber()
		}
		mu.Unlock()
		h.Accept(ctx, c, ref, ack)
	}
}
