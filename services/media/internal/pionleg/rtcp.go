package pionleg

import (
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
)

// rtcp takes one compound packet, which is decrypted in place.
func (in *inbound) rtcp(buf []byte, n int) {
	k := in.t.keys.Load()
	if k == nil {
		return
	}
	raw, err := k.in.DecryptRTCP(buf, buf[:n], nil)
	if err != nil {
		return
	}
	parsed := interceptor.Attributes{}
	packets, err := parsed.GetRTCPPackets(raw)
	if err != nil {
		return
	}
	in.feedback.reported(raw, parsed)
	m := in.t.media.Load()
	for _, p := range packets {
		in.hear(m, p)
	}
}

// hear serves what a terminal says about its streams and ours.
func (in *inbound) hear(m *media, packet rtcp.Packet) {
	t := in.t
	switch f := packet.(type) {
	case *rtcp.SenderReport:
		for _, l := range m.lines {
			if s := l.in.Load(); s != nil && s.ssrc == f.SSRC {
				t.p.toSink(t, func(k leg.Sink) { k.Report(l.index, f.NTPTime, f.RTPTime) })
			}
		}
		in.heard(m, f.Reports)
	case *rtcp.ReceiverReport:
		in.heard(m, f.Reports)
	case *rtcp.PictureLossIndication:
		t.wanted(m.sends(f.MediaSSRC))
	case *rtcp.FullIntraRequest:
		for _, e := range f.FIR {
			t.wanted(m.sends(e.SSRC))
		}
	case *rtcp.ReceiverEstimatedMaximumBitrate:
		for _, ssrc := range f.SSRCs {
			if l := m.sends(ssrc); l != nil && f.Bitrate > 0 && f.Bitrate < 1e12 {
				t.p.toSink(t, func(k leg.Sink) { k.BitrateWanted(l.index, uint64(f.Bitrate)) })
			}
		}
	case *rtcp.TransportLayerNack:
		l := m.sends(f.MediaSSRC)
		if l == nil {
			return
		}
		for _, pair := range f.Nacks {
			for _, sequence := range pair.PacketList() {
				if l.resend(sequence) {
					t.p.counts.retransmitted.Add(1)
				}
			}
		}
	}
}

// wanted asks for a key frame of what goes to a line.
func (t *transport) wanted(l *line) {
	if l == nil {
		return
	}
	t.p.counts.keyFrames.Add(1)
	t.p.toSink(t, func(k leg.Sink) { k.KeyFrameWanted(l.index) })
}

// heard notes that the terminal knows our streams, from where on packets need not
// carry the mid, and what it has missed of them.
func (in *inbound) heard(m *media, reports []rtcp.ReceptionReport) {
	for i, r := range reports {
		if l := m.sends(r.SSRC); l != nil {
			l.mu.Lock()
			l.heard = true
			lost := l.notSent()
			l.mu.Unlock()
			in.missed.add(reports[i:i+1], lost, &in.t.p.counts.lostOut)
		}
	}
}

// sendRTCP sends a compound packet; it fails silently before the transport is up.
func (t *transport) sendRTCP(packets ...rtcp.Packet) {
	k := t.keys.Load()
	if k == nil || !t.ready() {
		return
	}
	raw, err := k.sealRTCP(packets)
	if err == nil {
		_, err = t.conn.Write(raw)
	}
	if err != nil {
		t.p.log.Debug("RTCP not sent", "error", err)
	}
}
