package stubmedia

import (
	"strconv"
	"strings"
)

// What every description of ours says: a node that a client could reach if it
// were there. Offers and answers are active, as the real engine's.
const (
	session = " IN IP4 127.0.0.1\r\ns=tandem\r\nt=0 0\r\na=msid-semantic:WMS *\r\n"
	secrets = "a=ice-ufrag:stub\r\na=ice-pwd:stubstubstubstubstubstub\r\n" +
		"a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:" +
		"10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\na=setup:active\r\n"
	reachable = "a=candidate:1 1 udp 2130706431 127.0.0.1 7900 typ host\r\na=end-of-candidates\r\n"
)

// describe makes a description of slots; id and version are those of its origin.
func describe(id, version uint64, slots []slot) string {
	var group, lines strings.Builder
	for _, s := range slots {
		port := " 9 "
		if s.refused {
			port = " 0 "
		}
		lines.WriteString("m=" + s.kind + port + s.proto + " " + s.format + "\r\nc=IN IP4 127.0.0.1\r\na=mid:" + s.mid + "\r\n")
		if s.refused {
			lines.WriteString("a=inactive\r\n")
			continue
		}
		group.WriteString(" " + s.mid)
		lines.WriteString("a=" + s.told.String() + "\r\na=rtcp-mux\r\n")
		if s.codec != "" {
			lines.WriteString("a=rtpmap:" + s.format + " " + s.codec + "\r\n")
		}
		lines.WriteString(secrets + reachable)
	}
	return "v=0\r\no=- " + strconv.FormatUint(id, 10) + " " + strconv.FormatUint(version, 10) + session +
		"a=group:BUNDLE" + group.String() + "\r\n" + lines.String()
}

// parse reads the slots of a terminal's description.
func parse(sdp string) []slot {
	head, parts := media(sdp)
	otherwise := direction(head, flow{true, true})
	var slots []slot
	for i, m := range parts {
		line, _, _ := strings.Cut(m, "\n")
		fields := append(strings.Fields(line), "", "0", "UDP/TLS/RTP/SAVPF", "0")[:max(4, len(strings.Fields(line)))]
		s := slot{
			kind: fields[0], mid: attribute(m, "a=mid:", strconv.Itoa(i)), proto: fields[2], format: fields[3],
			refused: fields[1] == "0", wants: direction(m, otherwise),
		}
		switch s.kind {
		case "audio":
			s.format, s.codec = format(m, "opus/48000", "111"), "opus/48000/2"
		case "video":
			s.format, s.codec = format(m, "VP8/90000", s.format), "VP8/90000"
		default: // there is nothing to be bridged with it
			s.refused = true
		}
		if s.refused {
			s.wants = flow{}
		}
		s.asks = s.wants != flow{}
		slots = append(slots, s)
	}
	return slots
}

// media gives the session's part of a description and its media descriptions, each
// without its "m=".
func media(sdp string) (head string, parts []string) {
	head, sdp, found := strings.Cut(sdp, "\nm=")
	for found {
		var m string
		m, sdp, found = strings.Cut(sdp, "\nm=")
		parts = append(parts, m)
	}
	return head, parts
}

// direction gives which ways media goes (RFC 8866 section 6.7).
func direction(m string, otherwise flow) flow {
	switch {
	case strings.Contains(m, "\na=sendrecv"):
		return flow{true, true}
	case strings.Contains(m, "\na=sendonly"):
		return flow{true, false}
	case strings.Contains(m, "\na=recvonly"):
		return flow{false, true}
	case strings.Contains(m, "\na=inactive"):
		return flow{}
	}
	return otherwise
}

// attribute gives the value of the first line with a prefix.
func attribute(m, prefix, otherwise string) string {
	i := strings.Index(m, "\n"+prefix)
	if i < 0 {
		return otherwise
	}
	v, _, _ := strings.Cut(m[i+1+len(prefix):], "\n")
	return strings.TrimSpace(v)
}

// format gives the payload type that a description has for a codec.
func format(m, codec, otherwise string) string {
	for line := range strings.SplitSeq(m, "\n") {
		rest, ok := strings.CutPrefix(line, "a=rtpmap:")
		payload, name, _ := strings.Cut(rest, " ")
		if ok && len(name) >= len(codec) && strings.EqualFold(name[:len(codec)], codec) {
			return payload
		}
	}
	return otherwise
}
