package bridge

import (
	"sync"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
)

// Bridge joins two legs.
type Bridge struct {
	a, b   leg.Leg
	ab, ba *way

	mu    sync.Mutex
	ended bool
}

// Join forwards between a and b from now on, for what both have negotiated.
// Call Refresh after an exchange of either.
func Join(a, b leg.Leg) *Bridge {
	j := &Bridge{a: a, b: b, ab: newWay(a, b), ba: newWay(b, a)}
	j.ab.back, j.ba.back = j.ba, j.ab
	j.Refresh()
	a.SetSink(j.ab)
	b.SetSink(j.ba)
	return j
}

// Refresh takes over what the legs have negotiated since, and asks the senders
// for key frames: whoever joins late has none to start from.
func (j *Bridge) Refresh() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return
	}
	j.ab.route()
	j.ba.route()
	j.ab.askAll()
	j.ba.askAll()
}

// Has reports whether it joins these two, in either order.
func (j *Bridge) Has(a, b leg.Leg) bool { return j.a == a && j.b == b || j.a == b && j.b == a }

// Dtmf sends a digit to the peer of a leg as RFC 4733 events, for milliseconds.
// It reports false if the peer has not negotiated them.
func (j *Bridge) Dtmf(from leg.Leg, digit byte, milliseconds uint32) bool {
	if from == j.a {
		return j.ab.dtmf(digit, milliseconds)
	}
	return j.ba.dtmf(digit, milliseconds)
}

// Close ends forwarding.
func (j *Bridge) Close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return
	}
	j.ended = true
	j.a.SetSink(nil)
	j.b.SetSink(nil)
	j.ab.stop()
	j.ba.stop()
}
