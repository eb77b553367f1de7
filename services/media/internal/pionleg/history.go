package pionleg

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtp"
)

// history keeps the last packets of a stream, so that a terminal's NACKs are
// answered on its leg (RFC 4585 section 6.2.1).
type history struct {
	ring [256]sent
	// sequence of the retransmission stream, which is its own (RFC 4588 section 4).
	sequence uint16
	// Bytes sent in the second that began at begun, in the one before, and sent
	// again in this one.
	begun                    time.Time
	current, before, repeats int
}

type sent struct {
	header  rtp.Header
	payload []byte
	resent  time.Time
	used    bool
}

// againAfter keeps repeated NACKs for one packet from multiplying it.
const againAfter = 50 * time.Millisecond

// repeatsLeast bytes may be sent again in any second, however little was sent in
// it; above that no more than was sent. A terminal that asks for everything again
// and again gets its stream twice, not hundreds of times.
const repeatsLeast = 16 << 10

func (r *history) add(h *rtp.Header, payload []byte, now time.Time) {
	r.turn(now)
	r.current += len(payload)
	s := &r.ring[h.SequenceNumber%uint16(len(r.ring))]
	s.header = h.Clone()
	s.payload = append(s.payload[:0], payload...)
	s.resent, s.used = time.Time{}, true
}

// find gives a packet that may be sent again now.
func (r *history) find(sequence uint16, now time.Time) *sent {
	s := &r.ring[sequence%uint16(len(r.ring))]
	if !s.used || s.header.SequenceNumber != sequence || now.Sub(s.resent) < againAfter {
		return nil
	}
	r.turn(now)
	if r.repeats+len(s.payload) > max(r.current, r.before, repeatsLeast) {
		return nil
	}
	r.repeats += len(s.payload)
	s.resent = now
	return s
}

// turn begins a new second when one is over.
func (r *history) turn(now time.Time) {
	since := now.Sub(r.begun)
	if since < time.Second {
		return
	}
	if since >= 2*time.Second {
		r.current = 0
	}
	r.begun, r.before, r.current, r.repeats = now, r.current, 0, 0
}

// resend answers a NACK for one packet: in the retransmission stream if there is
// one, else unchanged in its own.
func (l *line) resend(sequence uint16) bool {
	pl := l.plan.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.history == nil {
		return false
	}
	s := l.history.find(sequence, time.Now())
	if s == nil {
		return false
	}
	rtx := pl.rtxOf[s.header.PayloadType&0x7f]
	if rtx == 0 || pl.rtxSSRC == 0 {
		return l.send(&s.header, s.payload)
	}
	h := s.header.Clone()
	h.PayloadType, h.SSRC, h.SequenceNumber = rtx, pl.rtxSSRC, l.history.sequence
	l.history.sequence++
	if pl.absID != 0 {
		at := absSendTime(time.Now())
		_ = h.SetExtension(pl.absID, at[:])
	}
	payload := make([]byte, 2+len(s.payload))
	binary.BigEndian.PutUint16(payload, sequence)
	copy(payload[2:], s.payload)
	return l.send(&h, payload)
}
