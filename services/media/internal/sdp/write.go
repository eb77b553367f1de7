package sdp

import (
	"net/netip"
	"strconv"
	"strings"
)

// Local is our end of a leg's transport, as descriptions tell it.
type Local struct {
	Ufrag, Pwd string
	// Fingerprint is "sha-256 AA:BB:…".
	Fingerprint string
	// Addresses are where the leg is reached, best first: complete at once, so
	// that a terminal that does not trickle never waits.
	Addresses []netip.AddrPort
}

// Write gives the text of our description of a session. It has no a=rtcp
// attribute: known clients trip on one, and with a=rtcp-mux nobody needs it.
func (s *Session) Write(at Local) string {
	var b strings.Builder
	b.Grow(2048)
	line := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
		}
		b.WriteString("\r\n")
	}
	line("v=0")
	line("o=- ", strconv.FormatUint(s.OriginID, 10), " ", strconv.FormatUint(s.OriginVersion, 10), " IN IP4 0.0.0.0")
	line("s=-")
	line("t=0 0")
	if s.Grouped {
		var mids []string
		for i := range s.Lines {
			if !s.Lines[i].Rejected {
				mids = append(mids, s.Lines[i].MID)
			}
		}
		line("a=group:BUNDLE ", strings.Join(mids, " "))
	}
	line("a=msid-semantic: WMS *")
	for i := range s.Lines {
		if s.Lines[i].Rejected {
			s.writeRejected(i, line)
		} else {
			s.writeLine(i, at, line)
		}
	}
	return b.String()
}

func (s *Session) writeRejected(i int, line func(...string)) {
	l := &s.Lines[i]
	formats := strings.Join(l.Formats, " ")
	if formats == "" {
		formats = "0"
	}
	line("m=", l.Kind, " 0 ", l.Proto, " ", formats)
	line("c=IN IP4 0.0.0.0")
	if l.MID != "" {
		line("a=mid:", l.MID)
	}
	line("a=inactive")
}

func (s *Session) writeLine(i int, at Local, line func(...string)) {
	l := &s.Lines[i]
	var formats []string
	for _, c := range l.Codecs {
		formats = append(formats, formatInt(int(c.PayloadType)))
	}
	for _, c := range l.Codecs {
		if c.RTX != 0 {
			formats = append(formats, formatInt(int(c.RTX)))
		}
	}
	port, address := "9", "IP4 0.0.0.0"
	if len(at.Addresses) > 0 {
		port, address = formatInt(int(at.Addresses[0].Port())), connection(at.Addresses[0].Addr())
	}
	line("m=", l.Kind, " ", port, " ", l.Proto, " ", strings.Join(formats, " "))
	line("c=IN ", address)
	if l.MID != "" {
		line("a=mid:", l.MID)
	}
	line("a=", string(l.Direction))
	line("a=rtcp-mux")
	line("a=rtcp-rsize")
	line("a=setup:", s.Setup)
	line("a=fingerprint:", at.Fingerprint)
	line("a=ice-ufrag:", at.Ufrag)
	line("a=ice-pwd:", at.Pwd)
	line("a=ice-options:trickle")
	for n, a := range at.Addresses {
		line("a=candidate:", candidate(n, a))
	}
	line("a=end-of-candidates")
	for _, e := range l.Extensions {
		line("a=extmap:", formatInt(int(e.ID)), " ", e.URI)
	}
	for _, c := range l.Codecs {
		writeCodec(c, line)
	}
	// Also while nothing is sent: Chromium gives a source that went and came back
	// to no track.
	if l.SSRC != 0 {
		s.writeStreams(i, line)
	}
}

func writeCodec(c Codec, line func(...string)) {
	pt := formatInt(int(c.PayloadType))
	channels := ""
	if c.Channels > 1 {
		channels = "/" + formatInt(int(c.Channels))
	}
	clock := strconv.FormatUint(uint64(c.ClockRate), 10)
	line("a=rtpmap:", pt, " ", c.Name, "/", clock, channels)
	if c.Fmtp != "" {
		line("a=fmtp:", pt, " ", c.Fmtp)
	}
	for _, f := range c.Feedback {
		line("a=rtcp-fb:", pt, " ", f)
	}
	if c.RTX != 0 {
		line("a=rtpmap:", formatInt(int(c.RTX)), " rtx/", clock)
		line("a=fmtp:", formatInt(int(c.RTX)), " apt=", pt)
	}
}

func (s *Session) writeStreams(i int, line func(...string)) {
	l := &s.Lines[i]
	msid := s.StreamID(i) + " " + s.TrackID(i)
	line("a=msid:", msid)
	ssrc := strconv.FormatUint(uint64(l.SSRC), 10)
	if l.RTX != 0 {
		rtx := strconv.FormatUint(uint64(l.RTX), 10)
		line("a=ssrc-group:FID ", ssrc, " ", rtx)
		line("a=ssrc:", ssrc, " cname:", s.CNAME())
		line("a=ssrc:", rtx, " cname:", s.CNAME())
		return
	}
	line("a=ssrc:", ssrc, " cname:", s.CNAME())
}

// candidate is one host candidate (RFC 8839 section 5.1), with the priority of
// RFC 8445 section 5.1.2.1.
func candidate(n int, a netip.AddrPort) string {
	priority := uint32(126)<<24 | uint32(65535-n)<<8 | 255 //nolint:gosec // few addresses
	return formatInt(n+1) + " 1 udp " + strconv.FormatUint(uint64(priority), 10) + " " +
		a.Addr().String() + " " + formatInt(int(a.Port())) + " typ host"
}

func connection(a netip.Addr) string {
	if a.Is4() {
		return "IP4 " + a.String()
	}
	return "IP6 " + a.String()
}

func formatInt(n int) string { return strconv.Itoa(n) }

func formatID(n uint64) string { return strconv.FormatUint(n, 16) }
