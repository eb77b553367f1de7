package sdp

import (
	"errors"
	"strings"
	"testing"
)

func TestBrowsersOffersAreUnderstood(t *testing.T) {
	for _, tt := range []struct {
		file                string
		audio, video        string
		streams, candidates int
	}{
		{"chromium-offer.sdp", "opus g722 pcmu pcma telephone-event telephone-event", "vp8 h264 h264 h264 h264 h264 h264 av1 vp9 vp9", 2, 6},
		// Of 2018: "plan B", where a stream is said with its sources only.
		{"chromium69-offer.sdp", "opus g722 pcmu pcma telephone-event telephone-event telephone-event telephone-event", "vp8 vp9", 2, 0},
		{"firefox-offer.sdp", "opus g722 pcmu pcma telephone-event", "vp8 vp9 av1", 2, 0},
		{"chromium-recvonly.sdp", "opus g722 pcmu pcma telephone-event telephone-event", "", 0, 0},
		{"firefox-recvonly.sdp", "opus g722 pcmu pcma telephone-event", "", 1, 0},
	} {
		t.Run(tt.file, func(t *testing.T) {
			d := offered(t, file(t, tt.file))
			if !d.Grouped || !d.Transport.complete() {
				t.Errorf("grouped %v, transport %+v", d.Grouped, d.Transport)
			}
			streams := 0
			for _, l := range d.Lines {
				streams += len(l.Streams)
				switch {
				case l.Kind == Audio && (!l.Usable || names(l.Codecs) != tt.audio):
					t.Errorf("audio usable %v: %s", l.Usable, names(l.Codecs))
				case l.Kind == Video && (!l.Usable || !strings.HasPrefix(names(l.Codecs), tt.video)):
					t.Errorf("video usable %v: %s", l.Usable, names(l.Codecs))
				case l.Kind == Video && (l.Codecs[0].RTX == 0 || !l.Codecs[0].Has(FeedbackPLI) || l.Streams[0].RTX == 0 || l.StreamID == ""):
					t.Errorf("video line %+v", l)
				case l.Kind == "application" && l.Usable:
					t.Error("a data channel cannot be forwarded")
				}
			}
			if streams != tt.streams {
				t.Errorf("%d streams", streams)
			}
			if tt.candidates > 0 && len(d.Transport.Candidates) != tt.candidates {
				t.Errorf("%d candidates", len(d.Transport.Candidates))
			}
		})
	}
}

func TestUnbundledPeerKeepsItsFirstLine(t *testing.T) {
	d := offered(t, describe("", audio("0"), strings.ReplaceAll(video("1"), credentials, otherOnes)))
	if !d.Lines[0].Usable || d.Lines[1].Usable || d.Transport.Ufrag != "abcd" {
		t.Errorf("usable: %v %v, transport %+v", d.Lines[0].Usable, d.Lines[1].Usable, d.Transport)
	}
	// Lines that name one transport are one transport, grouped or not.
	d = offered(t, describe("", audio("0"), video("1")))
	if !d.Lines[0].Usable || !d.Lines[1].Usable {
		t.Error("lines with one transport are both usable")
	}
}

func TestBundledLineMayLeaveItsTransportToTheFirst(t *testing.T) {
	bare := strings.NewReplacer("a="+credentials+"\r\n", "", "a="+fingerprint()+"\r\n", "", "m=video 9", "m=video 0").Replace(video("1", "bundle-only"))
	d := offered(t, describe("0 1", audio("0"), bare))
	if !d.Lines[1].Usable {
		t.Error("a bundle-only line is usable")
	}
}

func TestLinesThatCannotBeForwarded(t *testing.T) {
	for name, text := range map[string]string{
		"plain RTP":            strings.Replace(audio("0"), "UDP/TLS/RTP/SAVPF", "RTP/AVP", 1),
		"SDES":                 strings.NewReplacer("UDP/TLS/RTP/SAVPF", "RTP/SAVPF", fingerprint(), "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x").Replace(audio("0")),
		"TCP":                  strings.Replace(audio("0"), "UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", 1),
		"no rtcp-mux":          strings.Replace(audio("0"), "a=rtcp-mux\r\n", "", 1),
		"no ICE":               strings.Replace(audio("0"), "a="+credentials+"\r\n", "", 1),
		"no fingerprint":       strings.Replace(audio("0"), "a="+fingerprint()+"\r\n", "", 1),
		"SHA-1 only":           strings.Replace(audio("0"), "sha-256", "sha-1", 1),
		"port 0":               strings.Replace(audio("0"), "audio 9", "audio 0", 1),
		"only events":          line("audio 9 UDP/TLS/RTP/SAVPF 126", "mid:0", "rtcp-mux", credentials, fingerprint(), "rtpmap:126 telephone-event/8000"),
		"only unknown codecs":  line("audio 9 UDP/TLS/RTP/SAVPF 103", "mid:0", "rtcp-mux", credentials, fingerprint(), "rtpmap:103 ISAC/16000"),
		"data channel":         line("application 9 UDP/DTLS/SCTP webrtc-datachannel", "mid:0", credentials, fingerprint()),
		"no lines at all":      "",
		"short ICE password":   strings.Replace(audio("0"), "0123456789012345678901", "short", 1),
		"credentials unusable": strings.Replace(audio("0"), "abcd", "a\tb d", 1),
	} {
		t.Run(name, func(t *testing.T) {
			if d := offered(t, describe("0", text)); d.Usable() {
				t.Errorf("usable: %+v", d.Lines)
			}
		})
	}
}

func TestBadDescriptions(t *testing.T) {
	limits := DefaultLimits()
	many := describe("", strings.Repeat(line("audio 9 UDP/TLS/RTP/SAVPF 0"), limits.Lines+1))
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"empty":         {"", ErrMalformed},
		"not SDP":       {"hello", ErrMalformed},
		"JSON":          {`{"sdp":"v=0"}`, ErrMalformed},
		"a mid twice":   {describe("0", audio("0"), audio("0")), ErrMalformed},
		"too long":      {describe("0", audio("0", strings.Repeat("x", limits.Bytes))), ErrTooLarge},
		"too many":      {many, ErrTooLarge},
		"cut in a line": {describe("0", audio("0"))[:120], ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := ParseOffer(tt.text, limits)
			if name == "cut in a line" && err == nil && !d.Usable() {
				return
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestParsingIsBounded(t *testing.T) {
	var many []string
	for range 200 {
		many = append(many, "candidate:1 1 udp 1 192.0.2.1 9 typ host", "ssrc:5 cname:x", "extmap:1 x", "rtcp-fb:111 x", "ssrc-group:FID 1 2")
	}
	for i := range 300 {
		many = append(many, "candidate:1 1 udp 1 192.0.2."+formatInt(i)+" 9 typ host", "ssrc:"+formatInt(i+1)+" cname:x")
	}
	d := offered(t, describe("0", audio("0", many...)))
	l := d.Lines[0]
	if n := len(d.Transport.Candidates); n > DefaultLimits().Candidates {
		t.Errorf("%d candidates", n)
	}
	if len(l.Streams) > 1 || len(l.Extensions) > 14 || len(l.Codecs[0].Feedback) > 16 {
		t.Errorf("line %+v", l)
	}
}

func TestCodecIdentity(t *testing.T) {
	h264 := func(fmtp string) string { return keyOf("H264", 90000, 0, fmtp) }
	for _, tt := range []struct {
		a, b  string
		equal bool
	}{
		{keyOf("opus", 48000, 2, "useinbandfec=1"), keyOf("OPUS", 48000, 2, "stereo=1"), true},
		{keyOf("opus", 48000, 2, ""), keyOf("opus", 48000, 1, ""), false},
		{keyOf("G722", 8000, 1, ""), keyOf("G722", 8000, 0, ""), true},
		{keyOf("telephone-event", 8000, 0, "0-15"), keyOf("telephone-event", 48000, 0, "0-15"), false},
		{keyOf("VP9", 90000, 0, ""), keyOf("VP9", 90000, 0, "profile-id=0"), true},
		{keyOf("VP9", 90000, 0, "profile-id=2"), keyOf("VP9", 90000, 0, "profile-id=0"), false},
		{keyOf("AV1", 90000, 0, "profile=0;level-idx=5;tier=0"), keyOf("AV1", 90000, 0, ""), true},
		{h264("packetization-mode=1;profile-level-id=42e01f"), h264("profile-level-id=42E034; packetization-mode=1"), true},
		{h264("packetization-mode=1;profile-level-id=42e01f"), h264("packetization-mode=0;profile-level-id=42e01f"), false},
		{h264("packetization-mode=1;profile-level-id=42e01f"), h264("packetization-mode=1;profile-level-id=42001f"), false},
		{h264("packetization-mode=1;profile-level-id=42e01f"), h264("packetization-mode=1;profile-level-id=4d801f"), true},
		{h264("packetization-mode=1;profile-level-id=4d001f"), h264("packetization-mode=1;profile-level-id=64001f"), false},
		{h264(""), h264("packetization-mode=0"), true},
	} {
		if (tt.a == tt.b) != tt.equal {
			t.Errorf("%s and %s", tt.a, tt.b)
		}
	}
}
