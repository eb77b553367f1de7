package sdp

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func file(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func offered(t testing.TB, text string) *Description {
	t.Helper()
	d, err := ParseOffer(text, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func answered(t testing.TB, text string) *Description {
	t.Helper()
	d, err := ParseAnswer(text, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func local() Local {
	return Local{
		Ufrag: "ufragufrag", Pwd: "passwordpasswordpassword", Fingerprint: "sha-256 " + strings.TrimSuffix(strings.Repeat("AB:", 32), ":"),
		Addresses: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.7:7900"), netip.MustParseAddrPort("[2001:db8::7]:7900")},
	}
}

// line makes one media line of a description; attributes are without "a=".
func line(m string, attributes ...string) string {
	text := "m=" + m + "\r\nc=IN IP4 0.0.0.0\r\n"
	for _, a := range attributes {
		text += "a=" + a + "\r\n"
	}
	return text
}

const (
	credentials = "ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901"
	otherOnes   = "ice-ufrag:efgh\r\na=ice-pwd:9876543210987654321098"
)

func fingerprint() string {
	return "fingerprint:sha-256 " + strings.TrimSuffix(strings.Repeat("CD:", 32), ":")
}

// describe makes a description of lines; group is the BUNDLE group's mids.
func describe(group string, lines ...string) string {
	text := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
	if group != "" {
		text += "a=group:BUNDLE " + group + "\r\n"
	}
	return text + strings.Join(lines, "")
}

// audio and video make usable lines.
func audio(mid string, more ...string) string {
	return line("audio 9 UDP/TLS/RTP/SAVPF 111 0 126", append([]string{
		"mid:" + mid, "rtcp-mux", "setup:actpass", credentials, fingerprint(),
		"rtpmap:111 opus/48000/2", "fmtp:111 useinbandfec=1", "rtpmap:126 telephone-event/8000", "extmap:4 " + ExtensionMID, "extmap:1 " + extensionAudioLevel,
	}, more...)...)
}

func video(mid string, more ...string) string {
	return line("video 9 UDP/TLS/RTP/SAVPF 96 97 98 99", append([]string{
		"mid:" + mid, "rtcp-mux", "setup:actpass", credentials, fingerprint(),
		"rtpmap:96 VP8/90000", "rtcp-fb:96 nack", "rtcp-fb:96 nack pli", "rtcp-fb:96 ccm fir", "rtpmap:97 rtx/90000", "fmtp:97 apt=96",
		"rtpmap:98 VP9/90000", "fmtp:98 profile-id=0", "rtcp-fb:98 nack pli", "rtpmap:99 rtx/90000", "fmtp:99 apt=98",
	}, more...)...)
}

// names gives a line's codecs in order, with clock rates where a name repeats.
func names(codecs []Codec) string {
	var list []string
	for _, c := range codecs {
		list = append(list, strings.ToLower(c.Name))
	}
	return strings.Join(list, " ")
}

// offerFrom makes our offer out of a terminal's.
func offerFrom(t testing.TB, text string) *Session {
	t.Helper()
	s, err := Offer(offered(t, text).Bounds(), true, nil, 7)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func has(text, l string) bool { return slices.Contains(strings.Split(text, "\r\n"), l) }
