package pionleg

import (
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
)

// counters are a leg's statistics.
type counters struct {
	packetsIn, bytesIn, packetsOut, bytesOut, lostIn, lostOut, retransmitted, keyFrames atomic.Uint64
}

// line gives a line that packets can flow on, and its transport: the newest that
// is up.
func (p *peer) line(i int) (*transport, *line) {
	t := p.now.Load()
	if t == nil || !t.ready() {
		if t = p.old.Load(); t == nil || !t.ready() {
			return nil, nil
		}
	}
	m := t.media.Load()
	if i < 0 || i >= len(m.lines) {
		return nil, nil
	}
	return t, m.lines[i]
}

// Send implements leg.Leg.
func (p *peer) Send(i int, h *rtp.Header, payload []byte) {
	_, l := p.line(i)
	if l == nil {
		return
	}
	pl := l.plan.Load()
	if !pl.direction.Sends() || pl.ssrc == 0 || !pl.known[h.PayloadType&0x7f] {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	h.Version, h.SSRC, h.CSRC, h.Padding, h.PaddingSize = 2, pl.ssrc, nil, false, 0
	if pl.midID != 0 && !l.heard { // RFC 8843 section 15: until the terminal knows the stream
		_ = h.SetExtension(pl.midID, []byte(pl.mid))
	}
	now := time.Now()
	if pl.absID != 0 {
		l.absTime = absSendTime(now)
		_ = h.SetExtension(pl.absID, l.absTime[:])
	}
	if !l.send(h, payload) {
		return
	}
	l.note(h, len(payload))
	if l.history != nil && len(payload) > 0 {
		l.history.add(h, payload, now)
	}
	p.counts.packetsOut.Add(1)
	p.counts.bytesOut.Add(uint64(len(payload)))
}

// send sends one packet; the caller holds mu.
func (l *line) send(h *rtp.Header, payload []byte) bool {
	if l.buf == nil {
		l.buf = make([]byte, lineBuffer)
	}
	return l.t.sendRTP(l.buf, h, payload)
}

// lineBuffer holds a packet of the usual greatest size.
const lineBuffer = 1500 + tagRoom

// sendRTP implements sealer.
func (t *transport) sendRTP(buf []byte, h *rtp.Header, payload []byte) bool {
	k := t.keys.Load()
	if k == nil {
		return false
	}
	packet, err := k.sealRTP(buf, h, payload)
	if err != nil {
		return false
	}
	_, err = t.conn.Write(packet)
	return err == nil
}

// note keeps what reports and an export tell.
func (l *line) note(h *rtp.Header, size int) {
	if l.packets > 0 && h.SequenceNumber < l.last.SequenceNumber && l.last.SequenceNumber-h.SequenceNumber > 1<<15 {
		l.roll++
	}
	if l.packets == 0 {
		l.first = h.SequenceNumber
	}
	if l.packets == 0 || h.SequenceNumber-l.last.SequenceNumber < 1<<15 {
		l.last.SequenceNumber, l.last.Timestamp = h.SequenceNumber, h.Timestamp
	}
	l.packets++
	l.octets += uint32(size) //nolint:gosec // a packet's size
}

// notSent is how many packets are missing among those that were sent: they were lost
// on the way here, and keep their numbers. The caller holds mu.
func (l *line) notSent() uint32 {
	if l.packets == 0 {
		return 0
	}
	spanned := l.roll<<16 + uint32(l.last.SequenceNumber) - uint32(l.first) + 1
	return max(spanned, l.packets) - l.packets
}

// absSendTime is the time of sending as 6.18 fixed-point seconds (the
// abs-send-time extension), from which a receiver estimates bandwidth.
func absSendTime(t time.Time) [3]byte {
	ns := uint64(t.UnixNano()) //nolint:gosec // after 1970
	v := (ns / 1e9 << 18) | (ns % 1e9 << 18 / 1e9)
	return [3]byte{byte(v >> 16), byte(v >> 8), byte(v)}
}

// SendReport implements leg.Leg.
func (p *peer) SendReport(i int, ntp uint64, timestamp uint32) {
	t, l := p.line(i)
	if l == nil {
		return
	}
	pl := l.plan.Load()
	l.mu.Lock()
	packets, octets := l.packets, l.octets
	l.mu.Unlock()
	if packets == 0 || pl.ssrc == 0 {
		return
	}
	t.sendRTCP(
		&rtcp.SenderReport{SSRC: pl.ssrc, NTPTime: ntp, RTPTime: timestamp, PacketCount: packets, OctetCount: octets},
		&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
			Source: pl.ssrc, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: pl.cname}},
		}}},
	)
}

// RequestKeyFrame implements leg.Leg: by PLI (RFC 4585 section 6.3.1), or FIR
// (RFC 5104 section 4.3.1) for a terminal that has only that.
func (p *peer) RequestKeyFrame(i int) {
	t, l := p.line(i)
	if l == nil {
		return
	}
	s := l.in.Load()
	pl := l.plan.Load()
	switch {
	case s == nil:
	case pl.pli:
		t.sendRTCP(&rtcp.PictureLossIndication{SenderSSRC: pl.ssrc, MediaSSRC: s.ssrc})
	case pl.fir:
		l.mu.Lock()
		l.fir++
		n := l.fir
		l.mu.Unlock()
		t.sendRTCP(&rtcp.FullIntraRequest{
			SenderSSRC: pl.ssrc, MediaSSRC: s.ssrc,
			FIR: []rtcp.FIREntry{{SSRC: s.ssrc, SequenceNumber: n}},
		})
	}
}

// LimitBitrate implements leg.Leg, by REMB.
func (p *peer) LimitBitrate(i int, bps uint64) {
	t, l := p.line(i)
	if l == nil {
		return
	}
	if s := l.in.Load(); s != nil {
		t.sendRTCP(&rtcp.ReceiverEstimatedMaximumBitrate{
			SenderSSRC: l.plan.Load().ssrc, Bitrate: float32(bps), SSRCs: []uint32{s.ssrc},
		})
	}
}

// Stats implements leg.Leg.
func (p *peer) Stats() leg.Stats {
	return leg.Stats{
		PacketsIn: p.counts.packetsIn.Load(), BytesIn: p.counts.bytesIn.Load(),
		PacketsOut: p.counts.packetsOut.Load(), BytesOut: p.counts.bytesOut.Load(),
		LostIn: p.counts.lostIn.Load(), LostOut: p.counts.lostOut.Load(),
		Retransmitted: p.counts.retransmitted.Load(), KeyFrameRequests: p.counts.keyFrames.Load(),
	}
}
