package pionleg

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
)

const packetSize = 2048

// inbound is what comes from a terminal on one transport. It is used by the
// goroutine that reads, and by nobody else until that has ended.
type inbound struct {
	t       *transport
	sources map[uint32]*source
	// room is for sources that come: each costs memory that SRTP keeps.
	room bucket
	// packet is the one that is worked on, header its own, which attributes hold
	// for the readers of feedback.
	packet     []byte
	header     *rtp.Header
	attributes interceptor.Attributes
	feedback   feedback
	// missed is what the terminal says that it has missed of ours.
	missed loss
}

func newInbound(t *transport) *inbound {
	in := &inbound{t: t, sources: map[uint32]*source{}, attributes: interceptor.Attributes{}}
	// The attributes keep this header; every packet is parsed into it.
	in.header, _ = in.attributes.GetRTPHeader([]byte{0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	in.feedback.t = t
	return in
}

func (in *inbound) close() { in.feedback.close() }

// read sorts the packets of a transport until its end (RFC 7983, RFC 5761).
func (t *transport) read() {
	buf := make([]byte, packetSize)
	for {
		n, err := t.conn.Read(buf)
		switch {
		case errors.Is(err, io.ErrShortBuffer):
			continue
		case err != nil:
			return
		case n < 2:
		case buf[0] >= 20 && buf[0] <= 63:
			if t.keys.Load() == nil || !forged(buf[:n]) {
				t.dtls.take(buf[:n])
			}
		case buf[0] < 128 || buf[0] > 191:
		case buf[1] >= 192 && buf[1] <= 223:
			t.in.rtcp(buf, n)
		default:
			t.in.rtp(buf, n)
		}
	}
}

// rtp takes one packet, which is decrypted in place.
func (in *inbound) rtp(buf []byte, n int) {
	k := in.t.keys.Load()
	if k == nil || n < 12 {
		return
	}
	now := time.Now()
	ssrc := binary.BigEndian.Uint32(buf[8:])
	s := in.sources[ssrc]
	room := in.room
	if s == nil && !(in.spare(now) && room.take(now, in.t.e.cfg.Streams, sourceEvery)) {
		return
	}
	packet, err := k.in.DecryptRTP(buf, buf[:n], in.header)
	if err != nil {
		return
	}
	if s == nil {
		in.room = room
		s = &source{ssrc: ssrc}
		in.sources[ssrc] = s
	}
	s.at = now
	p := in.t.p
	p.counts.packetsIn.Add(1)
	p.counts.bytesIn.Add(uint64(len(packet)))
	if m := in.t.media.Load(); s.media != m {
		in.place(s, m)
	}
	if s.line == nil {
		return
	}
	in.packet = packet
	in.forward(s, s.line.plan.Load())
}

// spare makes sure that there is room for one more source, if need be in place of
// those that have been silent.
func (in *inbound) spare(now time.Time) bool {
	if len(in.sources) < in.t.e.cfg.Streams {
		return true
	}
	for ssrc, s := range in.sources {
		if now.Sub(s.at) >= sourceEvery {
			in.feedback.forget(s)
			delete(in.sources, ssrc)
		}
	}
	return len(in.sources) < in.t.e.cfg.Streams
}

// forward hands the present packet on.
func (in *inbound) forward(s *source, pl *plan) {
	h, l := in.header, s.line
	if pl.twccID != 0 {
		in.feedback.arrived(s.ssrc, h.GetExtension(pl.twccID))
	}
	payload := payloadOf(h, in.packet)
	// A retransmission stream is undone (RFC 4588 section 4).
	if main := pl.rtxFor[h.PayloadType&0x7f]; main != 0 {
		if s = l.in.Load(); s == nil || len(payload) < 2 {
			return
		}
		h.PayloadType, h.SequenceNumber, h.SSRC = main, binary.BigEndian.Uint16(payload), s.ssrc
		payload = payload[2:]
	} else {
		if l.in.Load() != s {
			l.in.Store(s)
			l.inCount.Store(0)
		}
		in.feedback.received(s, pl)
	}
	in.feedback.repaired(s, pl)
	l.seen(h)
	if pl.direction.Receives() && pl.known[h.PayloadType&0x7f] {
		in.t.p.toSink(in.t, func(k leg.Sink) { k.Packet(l.index, h, payload) })
	}
}

// seen keeps how far the terminal's stream has come, with its roll-over counter
// as the sender's SRTP has it (RFC 3711 section 3.3.1).
func (l *line) seen(h *rtp.Header) {
	old := l.inSeen.Load()
	n := uint64(h.SequenceNumber)
	if l.inCount.Add(1) > 1 {
		n |= old &^ 0xffff
		if d := uint16(n) - uint16(old); d < 1<<15 && uint16(n) < uint16(old) { //nolint:gosec // sequence arithmetic
			n += 1 << 16
		} else if d >= 1<<15 {
			return // late
		}
	}
	l.inSeen.Store(n)
	l.inTime.Store(uint64(h.Timestamp))
}

// received is the terminal's stream on the line, nil if there was none.
func (l *line) received() *leg.StreamState {
	s := l.in.Load()
	if s == nil {
		return nil
	}
	return &leg.StreamState{
		Line: l.index, SSRC: s.ssrc, Sequence: l.inSeen.Load(),
		Timestamp: uint32(l.inTime.Load()), Packets: l.inCount.Load(), //nolint:gosec // stored from 32 bits
	}
}

// payloadOf gives a packet's payload without padding (RFC 3550 section 5.1).
func payloadOf(h *rtp.Header, packet []byte) []byte {
	start := 12 + 4*len(h.CSRC)
	if h.Extension && len(packet) >= start+4 { // RFC 3550 section 5.3.1
		start += 4 + 4*int(binary.BigEndian.Uint16(packet[start+2:]))
	}
	if start > len(packet) {
		return nil
	}
	end := len(packet)
	if h.Padding && end > start {
		end -= int(packet[end-1])
		h.Padding, h.PaddingSize = false, 0
	}
	if end < start {
		end = start
	}
	return packet[start:end]
}
