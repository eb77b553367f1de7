package pionleg

import (
	"encoding/binary"
	"errors"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
)

const packetSize = 1600

// track starts reading a stream of the terminal.
func (p *peer) track(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.readers.Go(func() { p.readPackets(t, r) })
	p.readers.Go(func() { p.readReports(t, r) })
}

// lineOf finds the line of a stream: by the transceiver, the terminal's
// declaration, the packet's mid extension or its payload type.
func (p *peer) lineOf(t *webrtc.TrackRemote, r *webrtc.RTPReceiver, h *rtp.Header) *line {
	m := p.media.Load()
	if m == nil {
		return nil
	}
	if tr := r.RTPTransceiver(); tr != nil {
		for _, i := range m.inner {
			if tr.Mid() == innerMID(i) {
				return m.lines[i]
			}
		}
	}
	var found *line
	for _, i := range m.inner {
		if m.lines[i].plan.Load().declares(h.SSRC) {
			return m.lines[i]
		}
	}
	for _, i := range m.inner {
		l := m.lines[i]
		pl := l.plan.Load()
		if l.kind != t.Kind().String() || !pl.known[h.PayloadType&0x7f] && pl.rtxFor[h.PayloadType&0x7f] == 0 {
			continue
		}
		if pl.midID != 0 && string(h.GetExtension(pl.midID)) == pl.mid {
			return l
		}
		if found == nil {
			found = l
		}
	}
	return found
}

// readPackets hands a stream's packets on until the stream ends.
func (p *peer) readPackets(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
	buf := make([]byte, packetSize)
	var l *line
	var parsed rtp.Header
	for {
		n, attributes, err := t.Read(buf)
		if err != nil {
			if errors.Is(err, webrtc.ErrCodecNotFound) || n > 0 {
				continue // a payload type that was not negotiated
			}
			return
		}
		// An interceptor has parsed it, unless it is a retransmission: then it
		// parsed what pion has rewritten since.
		h := &parsed
		if attributes != nil && attributes.Get(webrtc.AttributeRtxSsrc) == nil {
			h, err = attributes.GetRTPHeader(buf[:n])
		} else {
			_, err = h.Unmarshal(buf[:n])
		}
		if err != nil {
			continue
		}
		if l == nil {
			if l = p.lineOf(t, r, h); l == nil {
				continue
			}
		}
		p.receive(l, t, h, buf[:n])
	}
}

// receive hands one packet on.
func (p *peer) receive(l *line, t *webrtc.TrackRemote, h *rtp.Header, packet []byte) {
	p.counts.packetsIn.Add(1)
	p.counts.bytesIn.Add(uint64(len(packet)))
	pl := l.plan.Load()
	payload := payloadOf(h, packet)
	// A declared retransmission stream was undone already; one that was not
	// declared comes as a stream of its own (RFC 4588 section 4).
	if main := pl.rtxFor[h.PayloadType&0x7f]; main != 0 {
		current := l.in.Load()
		if len(payload) < 2 || current == nil || current == t {
			return
		}
		h.PayloadType, h.SequenceNumber = main, binary.BigEndian.Uint16(payload)
		h.SSRC = uint32(current.SSRC())
		payload = payload[2:]
	} else if l.in.Load() != t {
		l.in.Store(t)
		l.inCount.Store(0)
	}
	l.seen(h)
	if pl.direction.Receives() && pl.known[h.PayloadType&0x7f] {
		p.toSink(func(s leg.Sink) { s.Packet(l.index, h, payload) })
	}
}

// seen keeps how far the terminal's stream has come, with its roll-over counter
// as the sender's SRTP has it (RFC 3711 section 3.3.1). Streams of one line are
// read by one goroutine each; a mix of two only blurs an export.
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
	t := l.in.Load()
	if t == nil {
		return nil
	}
	return &leg.StreamState{
		Line: l.index, SSRC: uint32(t.SSRC()), Sequence: l.inSeen.Load(),
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

// readReports hands the terminal's sender reports on; reading also feeds the
// receiver reports that pion makes.
func (p *peer) readReports(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
	buf := make([]byte, packetSize)
	for {
		n, _, err := r.Read(buf)
		if err != nil {
			return
		}
		packets, err := rtcp.Unmarshal(buf[:n])
		if err != nil {
			continue
		}
		for _, packet := range packets {
			sr, ok := packet.(*rtcp.SenderReport)
			if !ok || sr.SSRC != uint32(t.SSRC()) {
				continue
			}
			if m := p.media.Load(); m != nil {
				for _, l := range m.lines {
					if l.in.Load() == t {
						p.toSink(func(s leg.Sink) { s.Report(l.index, sr.NTPTime, sr.RTPTime) })
					}
				}
			}
		}
	}
}

// readFeedback serves what the terminal says about a stream of ours.
func (p *peer) readFeedback(l *line) {
	buf := make([]byte, packetSize)
	for {
		n, _, err := l.sender.Read(buf)
		if err != nil {
			return
		}
		packets, err := rtcp.Unmarshal(buf[:n])
		if err != nil {
			continue
		}
		for _, packet := range packets {
			p.feedback(l, packet)
		}
	}
}

func (p *peer) feedback(l *line, packet rtcp.Packet) {
	ssrc := l.plan.Load().ssrc
	switch f := packet.(type) {
	case *rtcp.PictureLossIndication:
		if f.MediaSSRC == ssrc {
			p.counts.keyFrames.Add(1)
			p.toSink(func(s leg.Sink) { s.KeyFrameWanted(l.index) })
		}
	case *rtcp.FullIntraRequest:
		for _, e := range f.FIR {
			if e.SSRC == ssrc {
				p.counts.keyFrames.Add(1)
				p.toSink(func(s leg.Sink) { s.KeyFrameWanted(l.index) })
			}
		}
	case *rtcp.ReceiverEstimatedMaximumBitrate:
		for _, s := range f.SSRCs {
			if s == ssrc && f.Bitrate > 0 && f.Bitrate < 1e12 {
				p.toSink(func(s leg.Sink) { s.BitrateWanted(l.index, uint64(f.Bitrate)) })
			}
		}
	case *rtcp.TransportLayerNack:
		if f.MediaSSRC != ssrc {
			return
		}
		for _, pair := range f.Nacks {
			for _, sequence := range pair.PacketList() {
				if l.resend(sequence) {
					p.counts.retransmitted.Add(1)
				}
			}
		}
	case *rtcp.ReceiverReport:
		p.heard(l, f.Reports, ssrc)
	case *rtcp.SenderReport:
		p.heard(l, f.Reports, ssrc)
	}
}

// heard notes that the terminal knows our stream, from where on packets need not
// carry the mid.
func (p *peer) heard(l *line, reports []rtcp.ReceptionReport, ssrc uint32) {
	for _, r := range reports {
		if r.SSRC == ssrc {
			l.mu.Lock()
			l.heard = true
			l.mu.Unlock()
		}
	}
}
