package bridge

import (
	"sync"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
)

// End is one leg as bridges see it. What a leg is sent belongs to its end and not
// to a bridge: it goes on as the same streams, whatever leg it comes from.
type End struct {
	leg leg.Leg

	mu      sync.Mutex
	streams map[streamKey]*stream
	closed  bool
}

// streamKey is a stream of ours: a line that begins anew has another source.
type streamKey struct {
	line int
	ssrc uint32
}

// NewEnd makes the end of a leg. Close it before the leg.
func NewEnd(l leg.Leg) *End { return &End{leg: l, streams: map[streamKey]*stream{}} }

// Leg is the leg.
func (e *End) Leg() leg.Leg { return e.leg }

// stream gives the stream of a line, nil when the end is closed.
func (e *End) stream(line int, ssrc uint32) *stream {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	key := streamKey{line, ssrc}
	s := e.streams[key]
	if s == nil {
		for old, o := range e.streams {
			if old.line == line {
				o.quit()
				delete(e.streams, old)
			}
		}
		s = &stream{}
		e.streams[key] = s
	}
	return s
}

// Close drops the digits that are still to be sent.
func (e *End) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for _, s := range e.streams {
		s.quit()
	}
}
