package sylkrtctest

import (
	"context"
	"sync"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Rings lets a test say when a called terminal alerts. sylkRTC clients say nothing of
// it: the adapter says it for them as soon as they were told of the call, which is too
// soon for a test that tells the two apart. So it is kept until the test's client
// rings. It may be used by many goroutines and serve several nodes.
type Rings struct {
	mu     sync.Mutex
	parked map[string]parkedRing // by session
	change chan struct{}
}

type parkedRing struct {
	host kit.Host
	c    *callv1.Command
}

// NewRings makes one for the nodes whose Spec it wraps.
func NewRings() *Rings {
	return &Rings{parked: map[string]parkedRing{}, change: make(chan struct{})}
}

// Spec makes a kind's adapters wait with alerting until a client rings.
func (r *Rings) Spec(s kit.Spec) kit.Spec {
	plain := s.New
	s.New = func(c kit.Config, h kit.Host) (kit.Adapter, error) { return plain(c, ringHost{h, r}) }
	return s
}

type ringHost struct {
	kit.Host
	rings *Rings
}

// Accept implements kit.Host.
func (h ringHost) Accept(ctx context.Context, c *callv1.Command, ref kit.Ref, done kit.Ack) {
	if c.GetRinging() == nil {
		h.Host.Accept(ctx, c, ref, done)
		return
	}
	r := h.rings
	r.mu.Lock()
	r.parked[schema.CompactUUID(c.GetLegId())] = parkedRing{h.Host, c}
	close(r.change)
	r.change = make(chan struct{})
	r.mu.Unlock()
	done(&callv1.Reply{}, nil)
}

// release lets the Ringing of a session go on its way, once the adapter has said it.
func (r *Rings) release(ctx context.Context, session string, done kit.Ack) error {
	for {
		r.mu.Lock()
		p, there := r.parked[session]
		change := r.change
		delete(r.parked, session)
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
