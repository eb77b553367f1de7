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
	packetsIn, bytesIn, packetsOut, bytesOut, retransmitted, keyFrames atomic.Uint64
}

// line gives a line that packets can flow on.
func (p *peer) line(i int) *line {
	m := p.media.Load()
	if m == nil || i < 0 || i >= len(m.lines) || !p.connected.Load() {
		return nil
	}
	return m.lines[i]
}

// Send implements leg.Leg.
func (p *peer) Send(i int, h *rtp.Header, payload []byte) {
	l := p.line(i)
	if l == nil || l.out == nil {
		return
	}
	pl := l.plan.Load()
	if !pl.direction.Sends() || !pl.known[h.PayloadType&0x7f] {
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
	if !l.out.write(h, payload) {
		return
	}
	l.note(h, len(payload))
	if l.history != nil && len(payload) > 0 {
		l.history.add(h, payload, now)
	}
	p.counts.packetsOut.Add(1)
	p.counts.bytesOut.Add(uint64(len(payload)))
}

// note keeps what reports and an export tell.
func (l *line) note(h *rtp.Header, size int) {
	if l.packets > 0 && h.SequenceNumber < l.last.SequenceNumber && l.last.SequenceNumber-h.SequenceNumber > 1<<15 {
		l.roll++
	}
	if l.packets == 0 || h.SequenceNumber-l.last.SequenceNumber < 1<<15 {
		l.last.SequenceNumber, l.last.Timestamp = h.SequenceNumber, h.Timestamp
	}
	l.packets++
	l.octets += uint32(size) //nolint:gosec // a packet's size
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
	l := p.line(i)
	if l == nil || l.out == nil {
		return
	}
	pl := l.plan.Load()
	l.mu.Lock()
	packets, octets := l.packets, l.octets
	l.mu.Unlock()
	if packets == 0 {
		return
	}
	p.writeRTCP(
		&rtcp.SenderReport{SSRC: pl.ssrc, NTPTime: ntp, RTPTime: timestamp, PacketCount: packets, OctetCount: octets},
		&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
			Source: pl.ssrc, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: pl.cname}},
		}}},
	)
}

// RequestKeyFrame implements leg.Leg: by PLI (RFC 4585 section 6.3.1), or FIR
// (RFC 5104 section 4.3.1) for a terminal that has only that.
func (p *peer) RequestKeyFrame(i int) {
	l := p.line(i)
	if l == nil {
		return
	}
	t := l.in.Load()
	pl := l.plan.Load()
	switch {
	case t == nil:
	case pl.pli:
		p.writeRTCP(&rtcp.PictureLossIndication{SenderSSRC: pl.ssrc, MediaSSRC: uint32(t.SSRC())})
	case pl.fir:
		l.mu.Lock()
		l.fir++
		n := l.fir
		l.mu.Unlock()
		p.writeRTCP(&rtcp.FullIntraRequest{
			SenderSSRC: pl.ssrc, MediaSSRC: uint32(t.SSRC()),
			FIR: []rtcp.FIREntry{{SSRC: uint32(t.SSRC()), SequenceNumber: n}},
		})
	}
}

// LimitBitrate implements leg.Leg, by REMB.
func (p *peer) LimitBitrate(i int, bps uint64) {
	l := p.line(i)
	if l == nil {
		return
	}
	if t := l.in.Load(); t != nil {
		p.writeRTCP(&rtcp.ReceiverEstimatedMaximumBitrate{
			SenderSSRC: l.plan.Load().ssrc, Bitrate: float32(bps), SSRCs: []uint32{uint32(t.SSRC())},
		})
	}
}

func (p *peer) writeRTCP(packets ...rtcp.Packet) {
	pc := p.connection()
	if pc == nil {
		return
	}
	if err := pc.WriteRTCP(packets); err != nil {
		p.log.Debug("RTCP not sent", "error", err)
	}
}

// Stats implements leg.Leg.
func (p *peer) Stats() leg.Stats {
	return leg.Stats{
		PacketsIn: p.counts.packetsIn.Load(), BytesIn: p.counts.bytesIn.Load(),
		PacketsOut: p.counts.packetsOut.Load(), BytesOut: p.counts.bytesOut.Load(),
		Retransmitted: p.counts.retransmitted.Load(), KeyFrameRequests: p.counts.keyFrames.Load(),
	}
}
