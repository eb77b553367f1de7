package loopback_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// mutant is the loopback adapter, broken in one way, and the rule of the kit
// that finds it out.
type mutant struct {
	name   string
	rule   string
	mutate func(*mutation)
}

// mutation is what a mutant does otherwise; nil is what the adapter does.
type mutation struct {
	accept       func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack)
	attach       func(h kit.Host, ctx context.Context, t *callv1.Terminal) (*callv1.Terminal, func(kit.DetachReason), error)
	authenticate func(h kit.Host, ctx context.Context, c *callv1.Credentials) (*callv1.Principal, error)
	signal       func(h kit.Host, ctx context.Context, s *callv1.Signal) error
	deliver      func(a kit.Adapter, ctx context.Context, e *callv1.Event) error
	run          func(a kit.Adapter, ctx context.Context, ready func()) error
	client       func(c kittest.Client) kittest.Client
	end          chan struct{} // closed when the test is over
}

var mutants = []mutant{
	// What it tells its peer.
	{"acks early", "a request is acknowledged only after the commit", func(m *mutation) {
		m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
			ack(&callv1.Reply{}, nil)
			h.Accept(ctx, c, ref, nil)
		}
	}},
	{"acks late", "no event comes before the acknowledgement", func(m *mutation) {
		m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
			var r *callv1.Reply
			var err error
			h.Accept(ctx, c, ref, func(reply *callv1.Reply, e error) { r, err = reply, e })
			time.AfterFunc(20*time.Millisecond, func() { ack(r, err) })
		}
	}},
	{"never acks", "a request is acknowledged only after the commit", func(m *mutation) {
		m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, _ kit.Ack) {
			h.Accept(ctx, c, ref, nil)
		}
	}},
	{"acks twice", "a reply that was lost does not make two calls", func(m *mutation) {
		m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
			h.Accept(ctx, c, ref, func(r *callv1.Reply, err error) { ack(r, err); ack(r, err) })
		}
	}},
	{"swallows refusals", "a refused call is told in the protocol's terms, and the terminal goes on", func(m *mutation) {
		m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
			h.Accept(ctx, c, ref, func(*callv1.Reply, error) { ack(&callv1.Reply{}, nil) })
		}
	}},
	{"has one word for all refusals", "a refused answer is told in the protocol's terms", func(m *mutation) {
		m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
			h.Accept(ctx, c, ref, func(r *callv1.Reply, err error) {
				if err != nil {
					err = schema.Errorf(callv1.Code_CODE_INTERNAL, "no")
				}
				ack(r, err)
			})
		}
	}},
	{"panics in acks", "a refused call is told in the protocol's terms, and the terminal goes on", func(m *mutation) {
		m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, _ kit.Ack) {
			h.Accept(ctx, c, ref, func(*callv1.Reply, error) { panic("a mutant") })
		}
	}},

	// What it asks for.
	{"forgets the ref", "a repeated wire message is one command", func(m *mutation) {
		m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
			if c.GetOffer() != nil {
				ref = kit.Ref{}
			}
			h.Accept(ctx, c, ref, ack)
		}
	}},
	{"sends commands twice", "a command says who speaks, and what it was given", func(m *mutation) {
		m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
			twin := &callv1.Command{Principal: c.GetPrincipal(), Body: c.GetBody()}
			h.Accept(ctx, c, ref, ack)
			h.Accept(ctx, twin, ref, nil)
		}
	}},
	{"keeps hang-ups to itself", "a caller hangs up", func(m *mutation) {
		m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
			if c.GetHangUp() == nil {
				h.Accept(ctx, c, ref, ack)
				return
			}
			ack(&callv1.Reply{}, nil)
		}
	}},
	{"does not say that it rings", "a called terminal says that it alerts", func(m *mutation) {
		m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
			if c.GetRinging() == nil {
				h.Accept(ctx, c, ref, ack)
				return
			}
			ack(&callv1.Reply{}, nil)
		}
	}},
	{"does not tell busy from declined", "a called terminal is busy", func(m *mutation) {
		m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
			if c.GetHangUp() != nil {
				c.GetHangUp().Reason = callv1.Reason_REASON_DECLINED
			}
			h.Accept(ctx, c, ref, ack)
		}
	}},
	{"mangles descriptions", "a command says who speaks, and what it was given", func(m *mutation) {
		m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
			if o := c.GetOffer(); o != nil {
				o.Sdp = strings.ToUpper(o.GetSdp())
			}
			h.Accept(ctx, c, ref, ack)
		}
	}},
	{"answers for another's leg", "a peer that names another's call is told there is no such call", answersForOthers},
	{"sends signals to the wrong leg", "candidates and digits go to the leg's media node", func(m *mutation) {
		m.signal = func(kit.Host, context.Context, *callv1.Signal) error { return nil }
	}},
	{"believes everybody", "wrong credentials are refused, and right ones serve", func(m *mutation) {
		m.authenticate = func(h kit.Host, ctx context.Context, c *callv1.Credentials) (*callv1.Principal, error) {
			name, _, _ := strings.Cut(c.GetHa1().GetAccount(), "@")
			return &callv1.Principal{Subscriber: name, Party: &callv1.Party{
				Subscriber: name, Addresses: []string{"sip:" + c.GetHa1().GetAccount()},
			}}, nil
		}
	}},
	{"logs secrets", "secrets are not logged", func(m *mutation) {
		m.authenticate = func(h kit.Host, ctx context.Context, c *callv1.Credentials) (*callv1.Principal, error) {
			h.Log().Info("sign in", "credentials", c.String())
			return h.Authenticate(ctx, c)
		}
	}},

	// What it delivers.
	{"drops events", "events come in order and exactly once", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if e.GetAnswered() != nil {
			return nil
		}
		return a.Deliver(ctx, e)
	})},
	{"drops the end", "every reason for an end is told", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if e.GetEnded() != nil {
			return nil
		}
		return a.Deliver(ctx, e)
	})},
	{"repeats events", "events come in order and exactly once", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if err := a.Deliver(ctx, e); err != nil {
			return err
		}
		return a.Deliver(ctx, e)
	})},
	{"reorders events", "no event comes before the acknowledgement", reorders},
	{"has one reason for all ends", "every reason for an end is told", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if e.GetEnded() != nil {
			e.GetEnded().Reason = callv1.Reason_REASON_NORMAL
		}
		return a.Deliver(ctx, e)
	})},
	{"refuses events", "events come in order and exactly once", delivering(func(kit.Adapter, context.Context, *callv1.Event) error {
		return schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "no")
	})},
	{"panics in Deliver", "events come in order and exactly once", delivering(func(kit.Adapter, context.Context, *callv1.Event) error {
		panic("a mutant")
	})},
	{"delivers to the wrong terminal", "a call rings at its terminal alone", wrongTerminal(false)},
	{"delivers to all terminals", "a call rings at its terminal alone", wrongTerminal(true)},
	{"blocks all on a slow peer", "a slow peer delays nobody else", func(m *mutation) {
		var one sync.Mutex
		m.deliver = func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
			one.Lock()
			defer one.Unlock()
			return a.Deliver(ctx, e)
		}
	}},
	{"waits for a slow peer for good", "a slow peer delays nobody else", func(m *mutation) {
		m.deliver = func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
			for {
				err := a.Deliver(context.WithoutCancel(ctx), e)
				if err == nil || schema.CodeOf(err) == callv1.Code_CODE_GONE {
					return err
				}
			}
		}
	}},
	{"swallows without bound", "a slow peer delays nobody else", func(m *mutation) {
		var sending sync.WaitGroup
		m.deliver = func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
			sending.Go(func() { _ = a.Deliver(context.WithoutCancel(ctx), e) })
			return nil
		}
	}},

	// How it lives.
	{"does not ring", "a request is acknowledged only after the commit", func(m *mutation) {
		m.attach = func(h kit.Host, ctx context.Context, t *callv1.Terminal) (*callv1.Terminal, func(kit.DetachReason), error) {
			t.Rings = false
			return h.Attach(ctx, t)
		}
	}},
	{"does not detach", "a connection that breaks gives its legs up", func(m *mutation) {
		m.attach = func(h kit.Host, ctx context.Context, t *callv1.Terminal) (*callv1.Terminal, func(kit.DetachReason), error) {
			t, _, err := h.Attach(ctx, t)
			return t, func(kit.DetachReason) {}, err
		}
	}},
	{"takes a loss for a sign-out", "a connection that breaks gives its legs up", detaching(kit.SignedOut)},
	{"takes a sign-out for a loss", "a terminal that signs out hangs up", detaching(kit.Lost)},
	{"leaks a goroutine", "a node that drains ends in time, tells its peers and leaves nothing behind", func(m *mutation) {
		m.run = func(a kit.Adapter, ctx context.Context, ready func()) error {
			go func() { <-m.end }()
			return a.Run(ctx, ready)
		}
	}},
	{"leaks a goroutine a connection", "wrong credentials are refused, and right ones serve", func(m *mutation) {
		m.authenticate = func(h kit.Host, ctx context.Context, c *callv1.Credentials) (*callv1.Principal, error) {
			go func() { <-m.end }()
			return h.Authenticate(ctx, c)
		}
	}},
	{"ignores drain", "a node that drains ends in time, tells its peers and leaves nothing behind", func(m *mutation) {
		m.run = func(a kit.Adapter, ctx context.Context, ready func()) error {
			still, stop := context.WithCancel(context.WithoutCancel(ctx))
			defer stop()
			go func() {
				<-m.end
				stop()
			}()
			return a.Run(still, ready)
		}
	}},
	{"drains with an error", "a node that drains ends in time, tells its peers and leaves nothing behind", func(m *mutation) {
		m.run = func(a kit.Adapter, ctx context.Context, ready func()) error {
			_ = a.Run(ctx, ready)
			return ctx.Err()
		}
	}},
	{"ends on bad input", "bad input disturbs nobody", func(m *mutation) {
		bad := make(chan struct{}, 64)
		m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
			h.Accept(ctx, c, ref, func(r *callv1.Reply, err error) {
				if schema.CodeOf(err) == callv1.Code_CODE_INVALID {
					bad <- struct{}{}
				}
				ack(r, err)
			})
		}
		m.run = func(a kit.Adapter, ctx context.Context, ready func()) error {
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			go func() {
				select {
				case <-bad:
					stop()
				case <-ctx.Done():
				}
			}()
			return a.Run(ctx, ready)
		}
	}},
	{"is never ready", "a caller hangs up", func(m *mutation) {
		m.run = func(a kit.Adapter, ctx context.Context, _ func()) error { return a.Run(ctx, func() {}) }
	}},

	// Whole calls find it too.
	{"drops answers", "a call is answered, has media and is hung up by the caller", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if e.GetAnswered() != nil {
			return nil
		}
		return a.Deliver(ctx, e)
	})},
	{"keeps an ended call", "a caller cancels and the called stops ringing", delivering(func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		if e.GetEnded() != nil {
			return nil
		}
		return a.Deliver(ctx, e)
	})},
}

func delivering(f func(a kit.Adapter, ctx context.Context, e *callv1.Event) error) func(*mutation) {
	return func(m *mutation) { m.deliver = f }
}

func detaching(why kit.DetachReason) func(*mutation) {
	return func(m *mutation) {
		m.attach = func(h kit.Host, ctx context.Context, t *callv1.Terminal) (*callv1.Terminal, func(kit.DetachReason), error) {
			t, detach, err := h.Attach(ctx, t)
			return t, func(kit.DetachReason) { detach(why) }, err
		}
	}
}

// answersForOthers speaks for whoever a leg is of, instead of for its peer.
func answersForOthers(m *mutation) {
	var owners sync.Map // leg id to subscriber
	m.deliver = func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		owners.Store(e.GetLegId(), e.GetSubscriber())
		return a.Deliver(ctx, e)
	}
	m.accept = func(h kit.Host, ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
		if leg, _ := h.Resolve(c.GetPrincipal(), ref); c.GetOffer() == nil {
			if owner, ok := owners.Load(leg); ok {
				c.Principal = owner.(string)
			}
		}
		h.Accept(ctx, c, ref, ack)
	}
}

// reorders holds the first event of a leg back until the second came.
func reorders(m *mutation) {
	var mu sync.Mutex
	held := map[string]*callv1.Event{}
	m.deliver = func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
		mu.Lock()
		first := held[e.GetLegId()]
		if e.GetAlerting() != nil {
			held[e.GetLegId()] = e
			mu.Unlock()
			return nil
		}
		delete(held, e.GetLegId())
		mu.Unlock()
		err := a.Deliver(ctx, e)
		if err == nil && first != nil {
			err = a.Deliver(ctx, first)
		}
		return err
	}
}

// wrongTerminal delivers what is for one terminal to another, or to it as well.
func wrongTerminal(both bool) func(*mutation) {
	return func(m *mutation) {
		var mu sync.Mutex
		var all []string
		m.attach = func(h kit.Host, ctx context.Context, t *callv1.Terminal) (*callv1.Terminal, func(kit.DetachReason), error) {
			mu.Lock()
			all = append(all, t.GetId())
			mu.Unlock()
			return h.Attach(ctx, t)
		}
		m.deliver = func(a kit.Adapter, ctx context.Context, e *callv1.Event) error {
			mu.Lock()
			ids := append([]string(nil), all...)
			mu.Unlock()
			var err error
			if both {
				err = a.Deliver(ctx, e)
			}
			for _, id := range ids {
				if id != e.GetTerminalId() {
					e.TerminalId = id
					err = a.Deliver(ctx, e)
				}
			}
			return err
		}
	}
}

// TestKitFailsMutants shows that the kit finds each of them out.
func TestKitFailsMutants(t *testing.T) {
	for _, mu := range slices.Concat(mutants, withinMutants) {
		t.Run(mu.name, func(t *testing.T) {
			m := &mutation{end: make(chan struct{})}
			mu.mutate(m)
			h := harness(m)
			h.Patience = 250 * time.Millisecond
			if strings.Contains(mu.rule, "outcome is unknown") { // what is waited for takes longer
				h.Patience = 2 * time.Second
			}
			r := newRecorder(t.Context(), "kit", mu.rule)
			r.run(func(r kittest.T) { kittest.RunT(r, h) })
			close(m.end)
			if !r.Failed() {
				t.Errorf("%q did not fail", mu.rule)
			}
			for _, f := range r.failures {
				t.Log(f)
			}
		})
	}
}

// mutate puts a mutation between the adapter and the kit.
func mutate(spec kit.Spec, m *mutation) kit.Spec {
	inner := spec.New
	spec.New = func(c kit.Config, h kit.Host) (kit.Adapter, error) {
		a, err := inner(c, mutantHost{h, m})
		return mutantAdapter{a, m}, err
	}
	return spec
}

type mutantHost struct {
	kit.Host
	m *mutation
}

func (h mutantHost) Accept(ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
	if h.m.accept != nil {
		h.m.accept(h.Host, ctx, c, ref, ack)
		return
	}
	h.Host.Accept(ctx, c, ref, ack)
}

func (h mutantHost) Attach(ctx context.Context, t *callv1.Terminal) (*callv1.Terminal, func(kit.DetachReason), error) {
	if h.m.attach != nil {
		return h.m.attach(h.Host, ctx, t)
	}
	return h.Host.Attach(ctx, t)
}

func (h mutantHost) Authenticate(ctx context.Context, c *callv1.Credentials) (*callv1.Principal, error) {
	if h.m.authenticate != nil {
		return h.m.authenticate(h.Host, ctx, c)
	}
	return h.Host.Authenticate(ctx, c)
}

func (h mutantHost) Signal(ctx context.Context, s *callv1.Signal) error {
	if h.m.signal != nil {
		return h.m.signal(h.Host, ctx, s)
	}
	return h.Host.Signal(ctx, s)
}

type mutantAdapter struct {
	kit.Adapter
	m *mutation
}

func (a mutantAdapter) Deliver(ctx context.Context, e *callv1.Event) error {
	if a.m.deliver != nil {
		return a.m.deliver(a.Adapter, ctx, e)
	}
	return a.Adapter.Deliver(ctx, e)
}

func (a mutantAdapter) Run(ctx context.Context, ready func()) error {
	if a.m.run != nil {
		return a.m.run(a.Adapter, ctx, ready)
	}
	return a.Adapter.Run(ctx, ready)
}
