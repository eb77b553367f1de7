package pionleg

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pion/rtp"

	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// media is the packet side of a session. It is replaced, never changed; lines that
// go on stay.
type media struct{ lines []*line }

// line is one session line's packets on one transport.
type line struct {
	index int
	kind  string
	mid   string
	t     sealer
	// in is the terminal's stream that is being read.
	in atomic.Pointer[source]
	// plan is what was negotiated; replaced as a whole.
	plan atomic.Pointer[plan]
	// inSeen is its last roll-over counter and sequence number, inTime its last
	// timestamp, inCount its packets; written by the reader.
	inSeen, inTime, inCount atomic.Uint64

	// The rest belongs to sending, guarded by mu.
	mu      sync.Mutex
	heard   bool // the terminal has reported on the stream: it knows its mid
	absTime [3]byte
	history *history
	last    rtp.Header
	first   uint16
	roll    uint32
	packets uint32
	octets  uint32
	fir     uint8
	buf     []byte
}

// sealer sends a packet to the terminal; a transport is one. The buffer may be
// used for it.
type sealer interface {
	sendRTP(buf []byte, h *rtp.Header, payload []byte) bool
}

// plan is what sending and receiving on a line need of the session.
type plan struct {
	direction     sdp.Direction
	ssrc, rtxSSRC uint32
	mid           string
	midID, absID  uint8
	twccID        uint8
	rtxOf         [128]uint8 // payload type → its retransmission format
	rtxFor        [128]uint8 // retransmission format → payload type
	known         [128]bool
	clock         [128]uint32
	pli, fir      bool
	streams       []sdp.Stream // that the terminal declares
	nack          bool
	cname         string
}

// apply takes over what a session says.
func (t *transport) apply(s *sdp.Session) {
	var old []*line
	if m := t.media.Load(); m != nil {
		old = m.lines
	}
	m := &media{lines: make([]*line, 0, len(s.Lines))}
	for i := range s.Lines {
		l := &s.Lines[i]
		var next *line
		if i < len(old) && old[i].mid == l.MID && old[i].kind == l.Kind {
			next = old[i]
		} else {
			next = &line{index: i, kind: l.Kind, mid: l.MID, t: t}
		}
		p := planOf(s, i)
		next.mu.Lock()
		if before := next.plan.Load(); before != nil && before.ssrc != p.ssrc {
			next.history, next.heard, next.packets, next.octets, next.roll = nil, false, 0, 0, 0
		}
		if p.nack && p.direction.Sends() && next.history == nil {
			next.history = &history{}
		}
		next.plan.Store(p)
		next.mu.Unlock()
		m.lines = append(m.lines, next)
	}
	t.media.Store(m)
}

func planOf(s *sdp.Session, i int) *plan {
	l := &s.Lines[i]
	p := &plan{
		direction: l.Direction, ssrc: l.SSRC, rtxSSRC: l.RTX, mid: l.MID, cname: s.CNAME(), streams: l.Streams,
		midID: l.ExtensionID(sdp.ExtensionMID), absID: l.ExtensionID(sdp.ExtensionAbsSendTime),
	}
	if l.Rejected {
		p.direction = sdp.Inactive
	}
	if l.MID == "" || len(l.MID) > 16 { // does not fit a one-byte header extension
		p.midID = 0
	}
	for _, c := range l.Codecs {
		p.known[c.PayloadType], p.clock[c.PayloadType] = true, c.ClockRate
		if c.RTX != 0 {
			p.rtxOf[c.PayloadType], p.rtxFor[c.RTX] = c.RTX, c.PayloadType
		}
		p.pli = p.pli || c.Has(sdp.FeedbackPLI)
		p.fir = p.fir || c.Has(sdp.FeedbackFIR)
		p.nack = p.nack || c.Has(sdp.FeedbackNack)
		if c.Has(sdp.FeedbackTransportCC) {
			p.twccID = l.ExtensionID(sdp.ExtensionTransportCC)
		}
	}
	return p
}

// declares reports whether the terminal has named a source of the line.
func (p *plan) declares(ssrc uint32) bool {
	return slices.ContainsFunc(p.streams, func(s sdp.Stream) bool { return s.SSRC == ssrc || s.RTX == ssrc })
}

// owner finds the line of a packet: by the terminal's declaration, the mid
// extension or the payload type (RFC 8843 section 9.2).
func (m *media) owner(h *rtp.Header) *line {
	for _, l := range m.lines {
		if l.plan.Load().declares(h.SSRC) {
			return l
		}
	}
	var found *line
	for _, l := range m.lines {
		p := l.plan.Load()
		if !p.known[h.PayloadType&0x7f] && p.rtxFor[h.PayloadType&0x7f] == 0 {
			continue
		}
		if p.midID != 0 && string(h.GetExtension(p.midID)) == p.mid {
			return l
		}
		if found == nil {
			found = l
		}
	}
	return found
}

// sends gives the line that we send a source on.
func (m *media) sends(ssrc uint32) *line {
	for _, l := range m.lines {
		if p := l.plan.Load(); p.ssrc == ssrc && ssrc != 0 {
			return l
		}
	}
	return nil
}
