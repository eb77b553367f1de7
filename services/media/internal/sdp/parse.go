package sdp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// Limits bound what a terminal may say.
type Limits struct {
	// Bytes of the whole text.
	Bytes int
	// Lines is the number of m-lines.
	Lines int
	// PerKind is how many audio and how many video lines are used; further ones
	// are refused and keep their slot.
	PerKind int
	// Codecs considered on one line, Candidates kept, Streams on one line.
	Codecs, Candidates, Streams int
	// Names are the codec names that are forwarded, lower case.
	Names []string
}

// DefaultLimits are what the service uses unless configured otherwise.
func DefaultLimits() Limits {
	return Limits{Bytes: 64 << 10, Lines: 16, PerKind: 2, Codecs: 48, Candidates: 64, Streams: 8, Names: DefaultCodecs()}
}

// ParseOffer reads a terminal's offer. Errors: ErrTooLarge, ErrMalformed. A
// description without usable media is no error here.
func ParseOffer(text string, limits Limits) (*Description, error) {
	return parse(text, limits, false)
}

// ParseAnswer reads a terminal's answer to an offer of ours. It is as ParseOffer
// is, and takes multiplexing of RTCP, which we always offer, for granted.
func ParseAnswer(text string, limits Limits) (*Description, error) {
	return parse(text, limits, true)
}

func parse(text string, limits Limits, answer bool) (*Description, error) {
	if len(text) > limits.Bytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(text))
	}
	text, names, err := normal(text)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(text, "v=") {
		return nil, fmt.Errorf("%w: no version", ErrMalformed)
	}
	if len(names) > limits.Lines {
		return nil, fmt.Errorf("%w: %d media lines", ErrTooLarge, len(names))
	}
	raw := &sdp.SessionDescription{}
	if err := raw.UnmarshalString(text); err != nil {
		return nil, ErrMalformed // the parser's own words quote the description
	}
	if len(raw.MediaDescriptions) != len(names) {
		return nil, ErrMalformed
	}
	session := readTransport(raw.Attributes, Transport{Origin: raw.Origin.SessionID}, limits)
	if _, ok := raw.Attribute("ice-lite"); ok {
		session.ICELite = true
	}
	bundles := bundlesOf(raw)
	d := &Description{Grouped: len(bundles) > 0, perKind: limits.PerKind}
	mids := map[string]bool{}
	for i, m := range raw.MediaDescriptions {
		l := readLine(raw, m, names[i], session, limits)
		if l.MID != "" && mids[l.MID] {
			return nil, fmt.Errorf("%w: a mid twice", ErrMalformed)
		}
		mids[l.MID] = true
		l.rtcpMux = l.rtcpMux || answer
		d.Lines = append(d.Lines, l)
	}
	d.choose(bundles, limits)
	return d, nil
}

// bundlesOf gives the mids of each BUNDLE group (RFC 8843).
func bundlesOf(raw *sdp.SessionDescription) [][]string {
	var groups [][]string
	for _, a := range raw.Attributes {
		if f := strings.Fields(a.Value); a.Key == "group" && len(f) > 1 && f[0] == "BUNDLE" {
			groups = append(groups, f[1:])
		}
	}
	return groups
}

// choose marks the lines that are usable: those that share the transport of the
// first one that could be used. A peer that does not bundle keeps its first.
func (d *Description) choose(bundles [][]string, limits Limits) {
	count := map[string]int{}
	var group []string
	found := false
	for i := range d.Lines {
		l := &d.Lines[i]
		if l.Zero || !l.forwardable() {
			continue
		}
		// A bundled line may leave its transport to the group's first (RFC 8843
		// section 7.1.3), and then has none of its own.
		if !found {
			if !l.transport.complete() {
				continue
			}
			found, d.Transport = true, l.transport
			if i := slices.IndexFunc(bundles, func(g []string) bool { return slices.Contains(g, l.MID) }); i >= 0 && l.MID != "" {
				group = bundles[i]
			}
		} else if shared := l.MID != "" && slices.Contains(group, l.MID); !shared && !d.Transport.same(l.transport) {
			continue
		}
		l.bundled = true
		l.Usable = count[l.Kind] < limits.PerKind
		l.Slot = Slot{l.Kind, count[l.Kind]}
		count[l.Kind]++
	}
	for i := range d.Lines {
		if l := &d.Lines[i]; l.bundled {
			d.Transport.Candidates = appendCandidates(d.Transport.Candidates, l.transport.Candidates, limits.Candidates)
		}
	}
}

func appendCandidates(to, more []string, limit int) []string {
	for _, c := range more {
		if len(to) < limit && !slices.Contains(to, c) {
			to = append(to, c)
		}
	}
	return to
}

// forwardable reports whether a line's media could be forwarded at all: RTP
// with feedback over DTLS, multiplexed with its RTCP, in a codec we know. Older
// clients leave out what is below SAVPF.
func (l *Line) forwardable() bool {
	return (l.Kind == Audio || l.Kind == Video) && (l.Proto == "UDP/TLS/RTP/SAVPF" || l.Proto == "RTP/SAVPF") && l.rtcpMux &&
		slices.ContainsFunc(l.Codecs, func(c Codec) bool { return !strings.EqualFold(c.Name, TelephoneEvent) })
}

func readLine(raw *sdp.SessionDescription, m *sdp.MediaDescription, as name, session Transport, limits Limits) Line {
	l := Line{
		Kind:      as.kind,
		Proto:     as.proto,
		Formats:   m.MediaName.Formats,
		Direction: directionIn(raw.Attributes, SendRecv),
	}
	l.Direction = directionIn(m.Attributes, l.Direction)
	l.transport = readTransport(m.Attributes, session, limits)
	_, bundleOnly := m.Attribute("bundle-only")
	l.Zero = m.MediaName.Port.Value == 0 && !bundleOnly
	for _, a := range m.Attributes {
		switch a.Key {
		case "mid":
			l.MID = a.Value
		case "rtcp-mux":
			l.rtcpMux = true
		case "msid":
			if f := strings.Fields(a.Value); len(f) > 0 && f[0] != "-" && l.StreamID == "" {
				l.StreamID = f[0]
			}
		case "extmap":
			l.readExtension(a.Value)
		}
	}
	l.readCodecs(m, limits)
	l.readStreams(m, limits)
	return l
}

func directionIn(attributes []sdp.Attribute, d Direction) Direction {
	for _, a := range attributes {
		switch v := Direction(a.Key); v {
		case SendRecv, SendOnly, RecvOnly, Inactive:
			d = v
		}
	}
	return d
}

// readExtension takes extensions with a one-byte id (RFC 8285 section 4.2).
func (l *Line) readExtension(value string) {
	f := strings.Fields(value)
	if len(f) < 2 {
		return
	}
	number, _, _ := strings.Cut(f[0], "/")
	id, err := strconv.ParseUint(number, 10, 8)
	if err != nil || id < 1 || id > 14 {
		return
	}
	if len(l.ids) < 14 && len(f[1]) <= 256 {
		l.ids = append(l.ids, Extension{uint8(id), f[1]})
	}
	if _, known := extensionFor(f[1], l.Kind); known && len(l.Extensions) < 14 &&
		!slices.ContainsFunc(l.Extensions, func(e Extension) bool { return e.ID == uint8(id) || e.URI == f[1] }) {
		l.Extensions = append(l.Extensions, Extension{uint8(id), f[1]})
	}
}

// readStreams takes declared sources and their retransmission streams
// (RFC 5576). Of several sources in one line the first is meant.
func (l *Line) readStreams(m *sdp.MediaDescription, limits Limits) {
	rtx := map[uint32]uint32{}
	second := map[uint32]bool{}
	var declared []uint32
	for _, a := range m.Attributes {
		f := strings.Fields(a.Value)
		switch {
		case a.Key == "ssrc-group" && len(f) == 3 && len(rtx) < limits.Streams &&
			(f[0] == "FID" || f[0] == "FEC-FR"):
			main, err1 := strconv.ParseUint(f[1], 10, 32)
			other, err2 := strconv.ParseUint(f[2], 10, 32)
			if err1 == nil && err2 == nil {
				second[uint32(other)] = true
				if f[0] == "FID" {
					rtx[uint32(main)] = uint32(other)
				}
			}
		case a.Key == "ssrc" && len(f) > 0 && len(declared) < limits.Streams:
			n, err := strconv.ParseUint(f[0], 10, 32)
			if err == nil && n != 0 && !slices.Contains(declared, uint32(n)) {
				declared = append(declared, uint32(n))
			}
			if len(f) >= 2 && strings.HasPrefix(f[1], "msid:") && l.StreamID == "" {
				l.StreamID = strings.TrimPrefix(f[1], "msid:")
			}
		}
	}
	for _, ssrc := range declared {
		if !second[ssrc] {
			l.Streams = append(l.Streams, Stream{ssrc, rtx[ssrc]})
			return
		}
	}
}
