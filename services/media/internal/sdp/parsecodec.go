package sdp

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// readCodecs takes the formats of a line that we know, in the terminal's order
// of preference.
func (l *Line) readCodecs(m *sdp.MediaDescription, limits Limits) {
	if l.Kind != Audio && l.Kind != Video {
		return
	}
	maps, fmtps := map[uint8]string{}, map[uint8]string{}
	feedback := map[uint8][]string{}
	var feedbackAll []string
	for _, a := range m.Attributes {
		if a.Key != "rtpmap" && a.Key != "fmtp" && a.Key != "rtcp-fb" {
			continue
		}
		first, rest, _ := strings.Cut(a.Value, " ")
		rest = strings.TrimSpace(rest)
		if a.Key == "rtcp-fb" && first == "*" {
			feedbackAll = appendBounded(feedbackAll, rest)
			continue
		}
		pt, err := strconv.ParseUint(first, 10, 7)
		if err != nil {
			continue
		}
		switch n := uint8(pt); a.Key {
		case "rtpmap":
			maps[n] = rest
		case "fmtp":
			fmtps[n] = rest
		case "rtcp-fb":
			feedback[n] = appendBounded(feedback[n], rest)
		}
	}
	rtx := map[uint8]uint8{}
	seen := map[uint8]bool{}
	for _, format := range m.MediaName.Formats {
		v, err := strconv.ParseUint(format, 10, 7)
		if err != nil || seen[uint8(v)] || len(seen) >= limits.Codecs {
			continue
		}
		pt := uint8(v)
		seen[pt] = true
		c, ok := readCodec(pt, maps[pt], fmtps[pt])
		switch {
		case !ok:
		case strings.EqualFold(c.Name, "rtx"): // RFC 4588 section 8.6
			if apt, err := strconv.ParseUint(parameter(c.Fmtp, "apt"), 10, 7); err == nil && pt != 0 && rtx[uint8(apt)] == 0 {
				rtx[uint8(apt)] = pt
			}
		case slices.Contains(limits.Names, strings.ToLower(c.Name)):
			for _, f := range append(feedback[pt], feedbackAll...) {
				if slices.Contains(feedbackFor(l.Kind), f) && !slices.Contains(c.Feedback, f) {
					c.Feedback = append(c.Feedback, f)
				}
			}
			l.Codecs = append(l.Codecs, c)
		}
	}
	for i := range l.Codecs {
		l.Codecs[i].RTX = rtx[l.Codecs[i].PayloadType]
	}
}

func appendBounded(list []string, s string) []string {
	if len(list) >= 16 {
		return list
	}
	return append(list, s)
}

// readCodec makes a codec of its rtpmap ("opus/48000/2") and fmtp.
func readCodec(pt uint8, rtpmap, fmtp string) (Codec, bool) {
	name, clock, ok := staticCodec(pt)
	var channels uint16
	if rtpmap != "" {
		parts := strings.Split(rtpmap, "/")
		if len(parts) < 2 || !plainToken(parts[0]) {
			return Codec{}, false
		}
		rate, err := strconv.ParseUint(strings.TrimSpace(parts[1]), 10, 32)
		if err != nil || rate == 0 {
			return Codec{}, false
		}
		name, clock, ok = parts[0], uint32(rate), true
		if len(parts) > 2 {
			n, err := strconv.ParseUint(strings.TrimSpace(parts[2]), 10, 8)
			if err != nil {
				return Codec{}, false
			}
			channels = uint16(n)
		}
	}
	if !ok || len(fmtp) > 512 || strings.ContainsAny(fmtp, "\r\n\x00") {
		return Codec{}, false
	}
	return Codec{
		PayloadType: pt, Name: name, ClockRate: clock, Channels: channels, Fmtp: fmtp,
		Key: keyOf(name, clock, channels, fmtp),
	}, true
}

func plainToken(s string) bool {
	return s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_' && r != '.'
	})
}
