package bridge

import (
	"sync"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// Bridge joins two legs.
type Bridge struct {
	a, b   *End
	ab, ba *way

	mu    sync.Mutex
	ended bool
}

// Join forwards between a and b from now on, for what both have negotiated.
// Call Refresh after an exchange of either. What joined one of them before must
// have been closed.
func Join(a, b *End) *Bridge {
	j := &Bridge{a: a, b: b, ab: newWay(a, b), ba: newWay(b, a)}
	j.ab.back, j.ba.back = j.ba, j.ab
	j.Refresh()
	a.leg.SetSink(j.ab)
	b.leg.SetSink(j.ba)
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
func (j *Bridge) Has(a, b *End) bool { return j.a == a && j.b == b || j.a == b && j.b == a }

// Dtmf sends a digit to the peer of a leg as RFC 4733 events, for milliseconds.
// It reports false if the peer has not negotiated them. A digit that was taken is
// sent to its end, also when the bridge is closed before.
func (j *Bridge) Dtmf(from *End, digit byte, milliseconds uint32) bool {
	j.mu.Lock()
	ended := j.ended
	j.mu.Unlock()
	if ended {
		return false
	}
	if from == j.a {
		return j.b.dtmf(digit, milliseconds)
	}
	return j.a.dtmf(digit, milliseconds)
}

// Close ends forwarding.
func (j *Bridge) Close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return
	}
	j.ended = true
	j.a.leg.SetSink(nil)
	j.b.leg.SetSink(nil)
	j.ab.stop()
	j.ba.stop()
}

// Fits reports whether two sessions have a line whose packets could be forwarded,
// at least once it is not on hold.
func Fits(a, b *sdp.Session) bool {
	for i := range a.Lines {
		for j := range b.Lines {
			f, o := &a.Lines[i], &b.Lines[j]
			if f.Rejected || o.Rejected || f.Slot != o.Slot {
				continue
			}
			for _, c := range f.Codecs {
				for _, d := range o.Codecs {
					if c.Key == d.Key && c.Name != sdp.TelephoneEvent {
						return true
					}
				}
			}
		}
	}
	return false
}

var _ leg.Sink = (*way)(nil)
