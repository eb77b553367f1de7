package phone

import (
	"math/rand/v2"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// speak sends the source's packets at the pace at which they are to be heard.
func (p *peer) speak() {
	h := rtp.Header{
		SequenceNumber: uint16(rand.N(1 << 15)), //nolint:gosec // RFC 3550 section 5.1 wants it random, not secret
		Timestamp:      rand.Uint32(),           //nolint:gosec // as above
		Marker:         true,                    // the first packet after silence (RFC 3551 section 4.1)
	}
	due := time.Now()
	pace := time.NewTimer(0)
	defer pace.Stop()
	for {
		select {
		case <-pace.C:
		case <-p.ctx.Done():
			return
		}
		packet, samples, err := p.s.source.next()
		if err != nil {
			p.log.Error("nothing more to send", "error", err)
			return
		}
		if err := p.audio.write(h, packet); err != nil {
			p.log.Debug("not sent", "error", err)
		}
		h.SequenceNumber++
		h.Timestamp += uint32(samples) //nolint:gosec // bounded by 5760
		h.Marker = false
		due = due.Add(time.Duration(samples) * time.Second / opusRate)
		if late := time.Since(due); late > time.Second { // the process slept: do not catch up
			due = time.Now()
		}
		pace.Reset(time.Until(due))
	}
}

// receive takes one stream until the peer ends.
func (p *peer) receive(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
	var back *outTrack
	if p.s.echo {
		back = p.partner(r)
	}
	var newest uint16
	for first := true; ; first = false {
		packet, _, err := t.ReadRTP()
		if err != nil {
			return
		}
		if t.Kind() == webrtc.RTPCodecTypeVideo {
			p.s.video.Add(1)
		} else {
			p.s.count()
			if late := !first && int16(packet.SequenceNumber-newest) <= 0; !late { //nolint:gosec // RFC 1982 comparison
				newest = packet.SequenceNumber
				if isOpus(t.Codec().MimeType) {
					p.s.hear(packet)
				}
			}
		}
		if back != nil && len(packet.Payload) > 0 {
			_ = back.write(packet.Header, packet.Payload) // not negotiated yet, or closed: lost like any packet
		}
	}
}

// partner gives what is sent on the m-line that is received.
func (p *peer) partner(r *webrtc.RTPReceiver) *outTrack {
	for _, t := range p.pc.GetTransceivers() {
		if t.Receiver() == r && t.Sender() != nil {
			track, _ := t.Sender().Track().(*outTrack)
			return track
		}
	}
	return nil
}

// feedback reads a sender's RTCP, which pion's own reports and retransmissions
// need, until the peer ends. An echo that is asked for a key frame asks for it
// in turn.
func (p *peer) feedback(s *webrtc.RTPSender) {
	for {
		packets, _, err := s.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			switch packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				p.askKeyFrame(s)
			}
		}
	}
}

func (p *peer) askKeyFrame(s *webrtc.RTPSender) {
	for _, t := range p.pc.GetTransceivers() {
		if t.Sender() != s || t.Receiver() == nil {
			continue
		}
		for _, from := range t.Receiver().Tracks() {
			_ = p.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(from.SSRC())}}) // repeated if lost
		}
	}
}
