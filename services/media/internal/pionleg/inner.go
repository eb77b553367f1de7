package pionleg

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// The private dialect between us and the PeerConnection. A codec is its payload
// type and clock rate, named by its number, so that what is registered and
// what the remote "says" always match exactly. Retransmission formats are codecs
// like others; they are undone and made in this package.

// innerLines are the session lines that the PeerConnection knows, in order: those
// that carry media, or the first one that is not refused, since a transport
// needs a line.
func innerLines(s *sdp.Session) []int {
	var list []int
	for i := range s.Lines {
		if l := &s.Lines[i]; !l.Rejected && l.Direction != sdp.Inactive {
			list = append(list, i)
		}
	}
	if len(list) > 0 {
		return list
	}
	for i := range s.Lines {
		if !s.Lines[i].Rejected {
			return []int{i}
		}
	}
	return nil
}

func innerMID(line int) string { return strconv.Itoa(line) }

// innerDirection is a line's direction for the PeerConnection, which has no
// inactive transceivers to begin with.
func innerDirection(l *sdp.SessionLine) sdp.Direction {
	if l.Direction == sdp.Inactive {
		return sdp.RecvOnly
	}
	return l.Direction
}

// registerCodecs fills a media engine with the session's formats.
func registerCodecs(m *webrtc.MediaEngine, s *sdp.Session, lines []int) error {
	for _, i := range lines {
		l := &s.Lines[i]
		kind := webrtc.NewRTPCodecType(l.Kind)
		for _, c := range l.Codecs {
			var feedback []webrtc.RTCPFeedback
			if c.Has(sdp.FeedbackNack) {
				feedback = append(feedback, webrtc.RTCPFeedback{Type: "nack"})
			}
			if c.Has(sdp.FeedbackTransportCC) {
				feedback = append(feedback, webrtc.RTCPFeedback{Type: "transport-cc"})
			}
			if err := registerCodec(m, kind, l.Kind, c.PayloadType, c.ClockRate, feedback); err != nil {
				return err
			}
			if c.RTX != 0 {
				if err := registerCodec(m, kind, l.Kind, c.RTX, c.ClockRate, nil); err != nil {
					return err
				}
			}
		}
		if l.ExtensionID(sdp.ExtensionTransportCC) != 0 {
			if err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: sdp.ExtensionTransportCC}, kind,
				webrtc.RTPTransceiverDirectionRecvonly); err != nil {
				return fmt.Errorf("pionleg: %w", err)
			}
		}
	}
	return nil
}

func registerCodec(m *webrtc.MediaEngine, kind webrtc.RTPCodecType, name string, pt uint8, clock uint32, fb []webrtc.RTCPFeedback) error {
	format, clock := innerFormat(pt, clock)
	err := m.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: name + "/" + format, ClockRate: clock, RTCPFeedback: fb,
		},
		PayloadType: webrtc.PayloadType(pt),
	}, kind)
	if err != nil {
		return fmt.Errorf("pionleg: payload type %d: %w", pt, err)
	}
	return nil
}

// innerFormat names a payload type. pion takes RFC 3551's static types for what
// they are there, whatever the description says.
func innerFormat(pt uint8, clock uint32) (string, uint32) {
	switch pt {
	case 0:
		return "PCMU", 8000
	case 8:
		return "PCMA", 8000
	case 9:
		return "G722", 8000
	default:
		return "x" + strconv.Itoa(int(pt)), clock
	}
}

// remoteDescription is the terminal as the PeerConnection gets to know it.
func remoteDescription(s *sdp.Session, lines []int) string {
	var b strings.Builder
	b.Grow(1024)
	b.WriteString("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE")
	for _, i := range lines {
		b.WriteString(" " + innerMID(i))
	}
	b.WriteString("\r\n")
	if s.Remote.ICELite {
		b.WriteString("a=ice-lite\r\n")
	}
	setup := sdp.Passive
	if s.Setup == sdp.Passive {
		setup = sdp.Active
	}
	for _, i := range lines {
		l := &s.Lines[i]
		fmt.Fprintf(&b, "m=%s 9 UDP/TLS/RTP/SAVPF", l.Kind)
		for _, c := range l.Codecs {
			fmt.Fprintf(&b, " %d", c.PayloadType)
			if c.RTX != 0 {
				fmt.Fprintf(&b, " %d", c.RTX)
			}
		}
		fmt.Fprintf(&b, "\r\nc=IN IP4 0.0.0.0\r\na=mid:%s\r\na=%s\r\na=rtcp-mux\r\na=setup:%s\r\na=fingerprint:%s %s\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n",
			innerMID(i), innerDirection(l).Reverse(), setup, s.Remote.FingerprintHash, s.Remote.Fingerprint, s.Remote.Ufrag, s.Remote.Pwd)
		writeInnerCodecs(&b, l)
		// A line with a declared source is closed to any other, and terminals do
		// change theirs, so it is declared only where it ties a retransmission
		// stream to its own. Package bridge takes a changed source in its stride.
		for _, st := range l.Streams {
			if st.RTX != 0 {
				fmt.Fprintf(&b, "a=ssrc-group:FID %d %d\r\na=ssrc:%d cname:t\r\na=ssrc:%d cname:t\r\n", st.SSRC, st.RTX, st.RTX, st.SSRC)
			}
		}
	}
	return b.String()
}

func writeInnerCodecs(b *strings.Builder, l *sdp.SessionLine) {
	if id := l.ExtensionID(sdp.ExtensionTransportCC); id != 0 {
		fmt.Fprintf(b, "a=extmap:%d %s\r\n", id, sdp.ExtensionTransportCC)
	}
	for _, c := range l.Codecs {
		format, clock := innerFormat(c.PayloadType, c.ClockRate)
		fmt.Fprintf(b, "a=rtpmap:%d %s/%d\r\n", c.PayloadType, format, clock)
		if c.Has(sdp.FeedbackNack) {
			fmt.Fprintf(b, "a=rtcp-fb:%d nack\r\n", c.PayloadType)
		}
		if c.Has(sdp.FeedbackTransportCC) {
			fmt.Fprintf(b, "a=rtcp-fb:%d transport-cc\r\n", c.PayloadType)
		}
		if c.RTX != 0 {
			format, clock = innerFormat(c.RTX, c.ClockRate)
			fmt.Fprintf(b, "a=rtpmap:%d %s/%d\r\n", c.RTX, format, clock)
		}
	}
}
