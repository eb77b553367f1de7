package media

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/bridge"
	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// member is a leg of this node with what the revision rules need.
type member struct {
	id    string
	s     *Service
	facts *facts

	// now is the leg, replaced only when a higher epoch replaces an uncommitted
	// one. Anybody may read it.
	now atomic.Pointer[instance]
	// revision is the last one bound, saying the one that is being carried out, or
	// was; facts carry that.
	revision, saying atomic.Uint32
	// negotiated is the revision of the leg's first complete exchange, 0 before.
	negotiated atomic.Uint32
	// described is when the last description was made or taken, in Unix
	// nanoseconds.
	described atomic.Int64

	// mu serialises the operations of the leg. It is never held while another
	// member's is taken.
	mu    sync.Mutex
	bound map[binding]outcome
	// offer is the text last taken: an answer that was never committed can be made
	// again from it.
	offer string
	// offering is the revision of our offer that is out, 0 if none is.
	offering uint32

	// The rest is guarded by Service.mu.
	call      string
	epoch     uint64
	committed bool
	expiry    *time.Timer
}

// instance is one leg that a member has been, as its Events.
type instance struct {
	m   *member
	leg leg.Leg
	end *bridge.End
	// generation is unique in the node; it tells an offer from its replacement.
	generation atomic.Uint64
	replaced   atomic.Bool
	traffic    traffic
	// audioOnly: the terminal has said that it has no video.
	audioOnly atomic.Bool
}

// sees notes what the terminal can do, as far as it is said.
func (i *instance) sees(f *callv1.Features) { i.audioOnly.Store(f != nil && !f.GetVideo()) }

// bounds is what the terminal can do.
func (i *instance) bounds() sdp.Bounds {
	b := i.leg.Bounds()
	b.Video = !i.audioOnly.Load() || slices.ContainsFunc(b.Lines, func(l sdp.Bound) bool { return l.Slot.Kind == sdp.Video })
	return b
}

// binding is one half of an offer/answer exchange: what a command id is bound to.
type binding struct {
	revision uint32
	step     step
}

// step is the kind of an operation that binds.
type step int

const (
	takeOffer step = iota + 1
	makeOffer
	takeAnswer
	makeAnswer
)

// outcome is a binding's command and what it gave.
type outcome struct {
	command string
	content string
	epoch   uint64
	// kept: the owner committed to it.
	kept   bool
	result *callv1.MediaResult
}

// answer gives a copy: replies are marshalled on other goroutines.
func (o outcome) answer() *callv1.MediaResult { return proto.CloneOf(o.result) }

// Log gives a logger that names the leg, and the call that it was made for.
func (i *instance) Log() *slog.Logger {
	call, _, _ := schema.SplitLegID(i.m.id)
	return i.m.s.log.With("call", call, "leg", i.m.id)
}

// Connected implements leg.Events.
func (i *instance) Connected(transport uint32) {
	if i.replaced.Load() {
		return
	}
	m := i.m
	if at := m.described.Load(); at != 0 {
		m.s.metrics.Observe(MetricConnect, time.Since(time.Unix(0, at)))
	}
	m.s.metrics.Count(MetricConnected, 1)
	m.s.log.Info("leg connected", "call", m.s.callOf(m), "leg", m.id)
	m.facts.tell(i.about(transport, &callv1.Command{Body: &callv1.Command_MediaConnected{
		MediaConnected: &callv1.MediaConnected{Revision: m.saying.Load()},
	}}))
	m.s.refresh(m.id)
}

// Failed implements leg.Events.
func (i *instance) Failed(transport uint32, reason string, left bool) {
	if i.replaced.Load() {
		return
	}
	m := i.m
	if left {
		m.s.metrics.Count(MetricLeft, 1)
	} else {
		m.s.metrics.Count(MetricFailed, 1)
	}
	m.s.log.Info("leg lost its media", "call", m.s.callOf(m), "leg", m.id, "reason", reason)
	lost := i.about(transport, &callv1.Command{Body: &callv1.Command_MediaFailed{
		MediaFailed: &callv1.MediaFailed{Revision: m.saying.Load(), Detail: reason},
	}})
	if left {
		m.facts.tellLater(leaving, lost)
		return
	}
	m.facts.tell(lost)
}

// about makes a fact, which nobody is to hear of once its transport has been
// replaced.
func (i *instance) about(transport uint32, c *callv1.Command) fact {
	return fact{c, func() bool { return !i.replaced.Load() && i.leg.Transport() == transport }}
}

func (s *Service) callOf(m *member) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return m.call
}
