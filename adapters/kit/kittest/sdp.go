package kittest

import (
	"fmt"
	"strings"
)

// SDP makes a small, valid session description, one audio line with Opus and one
// host candidate, that can be told from others by its session name.
func SDP(name string) string {
	id := 0
	for _, c := range []byte(name) {
		id = id*31 + int(c)
	}
	lines := []string{
		"v=0", fmt.Sprintf("o=- %d 1 IN IP4 127.0.0.1", id&0x7fffffff+1), "s=" + sessionName(name), "t=0 0",
		"a=group:BUNDLE 0",
		"m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 127.0.0.1", "a=mid:0", "a=sendrecv", "a=rtcp-mux",
		"a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1",
		"a=ice-ufrag:kittest", "a=ice-pwd:kittestkittestkittest42",
		"a=fingerprint:sha-256 " + strings.TrimSuffix(strings.Repeat("AB:", 32), ":"),
		"a=setup:actpass",
		"a=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host", "a=end-of-candidates", "",
	}
	return strings.Join(lines, "\r\n")
}

// sessionName is what a description can be told by, also where an adapter had to
// leave lines of it out.
func sessionName(name string) string { return "kittest-" + strings.ReplaceAll(name, " ", "-") }

// same reports whether a description is the one that name made.
func same(sdp, name string) bool {
	return strings.Contains(sdp, "s="+sessionName(name)+"\r\n")
}
