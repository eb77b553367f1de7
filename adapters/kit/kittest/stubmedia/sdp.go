package stubmedia

import (
	"strconv"
	"strings"
)

// What every description of ours says: a node that a client could reach if it
// were there. Offers and answers are active, as the real engine's.
const (
	session = " 1 IN IP4 127.0.0.1\r\ns=tandem\r\nt=0 0\r\na=msid-semantic:WMS *\r\n"
	secrets = "a=ice-ufrag:stub\r\na=ice-pwd:stubstubstubstubstubstub\r\n" +
		"a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:" +
		"10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\na=setup:active\r\n"
	reachable = "a=candidate:1 1 udp 2130706431 127.0.0.1 7900 typ host\r\na=end-of-candidates\r\n"
)

func origin(n uint64) string {
	return "v=0\r\no=- " + strconv.FormatUint(n, 10) + session
}

// offer makes an offer of one audio line with Opus.
func offer(n uint64) string { return origin(n) + "a=group:BUNDLE 0\r\n" + audio("0", "111") }

func audio(mid, payload string) string {
	return "m=audio 9 UDP/TLS/RTP/SAVPF " + payload + "\r\nc=IN IP4 127.0.0.1\r\na=mid:" + mid +
		"\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:" + payload + " opus/48000/2\r\n" + secrets + reachable
}

// answer answers an offer: its first audio line is taken, the others refused
// (RFC 3264 section 6).
func answer(n uint64, offer string) string {
	var lines strings.Builder
	group := ""
	for _, m := range media(offer) {
		kind, rest, _ := strings.Cut(m, " ")
		if kind == "audio" && group == "" {
			group = attribute(m, "a=mid:", "0")
			lines.WriteString(audio(group, opus(m)))
			continue
		}
		fields := strings.Fields(strings.SplitN(rest, "\n", 2)[0])
		proto, format := "UDP/TLS/RTP/SAVPF", "0"
		if len(fields) >= 3 {
			proto, format = fields[1], fields[2]
		}
		lines.WriteString("m=" + kind + " 0 " + proto + " " + format + "\r\nc=IN IP4 127.0.0.1\r\na=mid:" +
			attribute(m, "a=mid:", "0") + "\r\na=inactive\r\n")
	}
	return origin(n) + "a=group:BUNDLE " + group + "\r\n" + lines.String()
}

// media gives the media descriptions of a session description, each without its
// "m=".
func media(sdp string) []string {
	var parts []string
	for {
		start := strings.Index(sdp, "\nm=")
		if start < 0 {
			return parts
		}
		sdp = sdp[start+3:]
		end := strings.Index(sdp, "\nm=")
		if end < 0 {
			return append(parts, sdp)
		}
		parts = append(parts, sdp[:end])
	}
}

// usable reports whether a description has an audio line that is not refused.
func usable(sdp string) bool {
	for {
		var found bool
		if _, sdp, found = strings.Cut(sdp, "\nm=audio "); !found {
			return false
		}
		if sdp != "" && sdp[0] >= '1' && sdp[0] <= '9' {
			return true
		}
	}
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

// opus gives the payload type that an offer has for Opus.
func opus(m string) string {
	for line := range strings.SplitSeq(m, "\n") {
		rest, ok := strings.CutPrefix(line, "a=rtpmap:")
		if payload, codec, _ := strings.Cut(rest, " "); ok && len(codec) >= 10 && strings.EqualFold(codec[:10], "opus/48000") {
			return payload
		}
	}
	return "111"
}
