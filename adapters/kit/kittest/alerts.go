package kittest

import (
	"context"
	"sync"

	"github.com/tandem-rtc/tandem/adapters/kit"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Alerts lets a test say when a called terminal alerts, on wires whose clients say
// nothing of it: the adapter says it for them as soon as they were told of the call,
// which is too soon for a test that tells the two apart. So it is kept until the
// test's client rings. It may be used by many goroutines and serve several nodes.
type Alerts struct {
	name   func(legID string) string
	mu     sync.Mutex
	parked map[string]parkedAlert // by name
	change chan struct{}
}

type parkedAlert struct {
	host kit.Host
	c    *callv1.Command
}

// NewAlerts makes one for the nodes whose Spec it wraps. name is what a leg is called
// on the wire.
func NewAlerts(name func(legID string) string) *Alerts {
	return &Alerts{name: name, parked: map[string]parkedAlert{}, change: make(chan struct{})}
}

// Spec makes a kind's adapters wait with alerting until a client rings.
func (r *Alerts) Spec(s kit.Spec) kit.Spec {
	plain := s.New
	s.New = func(c kit.Config, h kit.Host) (kit.Adapter, error) { return plain(c, alertHost{h, r}) }
	return s
}

type alertHost struct {
	kit.Host
	alerts *Alerts
}

// Accept implements kit.Host.
func (h alertHost) Accept(ctx context.Context, c *callv1.Command, ref kit.Ref, done kit.Ack) {
	if c.GetRinging() == nil {
		h.Host.Accept(ctx, c, ref, done)
		return
	}
	r := h.alerts
	r.mu.Lock()
	r.parked[r.name(c.GetLegId())] = parkedAlert{h.Host, c}
	close(r.change)
	r.change = make(chan struct{})
	r.mu.Unlock()
	done(&callv1.Reply{}, nil)
}

// Release lets the Ringing of a call go on its way, once the adapter has said it. done
// is told what became of it.
func (r *Alerts) Release(ctx context.Context, name string, done kit.Ack) error {
	for {
		r.mu.Lock()
		p, there := r.parked[name]
		change := r.change
		delete(r.parked, name)
		r.mu.Unlock()
		if there {
			go p.host.Accept(context.WithoutCancel(ctx), p.c, kit.Ref{}, done)
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
