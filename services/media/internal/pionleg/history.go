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
}

type sent struct {
	header  rtp.Header
	payload []byte
	resent  time.Time
	used    bool
}

// againAfter keeps repeated NACKs for one packet from multiplying it.
const againAfter = 10 * time.Millisecond

func (r *history) add(h *rtp.Header, payload []byte) {
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
	s.resent = now
	return s
}

// resend answers a NACK for one packet: in the retransmission stream if there is
// one, else unchanged in its own.
func (l *line) resend(sequence uint16) bool {
	pl := l.plan.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.history == nil || l.out == nil {
		return false
	}
	s := l.history.find(sequence, time.Now())
	if s == nil {
		return false
	}
	rtx := pl.rtxOf[s.header.PayloadType&0x7f]
	if rtx == 0 || pl.rtxSSRC == 0 {
		return l.out.write(&s.header, s.payload)
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
	return l.out.write(&h, payload)
}
