package bridge

import (
	"sync"
	"time"

	"github.com/pion/rtp"
)

// stream is one outgoing stream. Its sequence numbers and timestamps run on when
// the source changes, as a receiver's jitter buffer wants.
type stream struct {
	mu sync.Mutex
	// feeder is the way whose packets it carries.
	feeder  *way
	started bool
	source  uint32 // SSRC that the offsets are for
	// sequence and offset are added to the source's numbers.
	sequence uint16
	offset   uint32

	lastSequence  uint16
	lastTimestamp uint32
	lastAt        time.Time
	lastPayload   uint8
	used          window

	// header is reused for every packet.
	header rtp.Header

	tone *tone
}

// feed makes the stream carry a way's packets. Those of another's that are still
// under way are dropped, and what comes next follows what was sent last.
func (s *stream) feed(w *way) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feeder != w {
		s.feeder, s.started = w, false
	}
}

// place makes sure that the offsets fit the packet's source, and reports whether it
// is a new one.
func (s *stream) place(h *rtp.Header, clock uint32, now time.Time) bool {
	if s.started && s.source == h.SSRC {
		return false
	}
	if !s.lastAt.IsZero() {
		elapsed := uint64(now.Sub(s.lastAt)) * uint64(clock) / uint64(time.Second)
		s.sequence = s.lastSequence + 1 - h.SequenceNumber
		s.offset = s.lastTimestamp + max(uint32(elapsed), 1) - h.Timestamp //nolint:gosec // timestamps wrap
		s.used.seal()
	}
	s.started, s.source = true, h.SSRC
	return true
}

// sent notes the newest packet.
func (s *stream) sent(h *rtp.Header, now time.Time) {
	if !s.lastAt.IsZero() && h.SequenceNumber-s.lastSequence >= 1<<15 {
		return // late
	}
	s.lastSequence, s.lastTimestamp, s.lastAt, s.lastPayload = h.SequenceNumber, h.Timestamp, now, h.PayloadType
}
