package sdp

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestLineEndsAreForgiven(t *testing.T) {
	good := describe("0 1", audio("0"), video("1"))
	want := offered(t, good)
	for what, text := range map[string]string{
		"last line without end": strings.TrimSuffix(good, "\r\n"),
		"LF":                    strings.ReplaceAll(good, "\r\n", "\n"),
		"LF, last without end":  strings.TrimSuffix(strings.ReplaceAll(good, "\r\n", "\n"), "\n"),
		"blank lines before":    "\r\n \r\n\n" + good,
		"blanks before":         "  " + good,
		"blank lines between":   strings.Replace(good, "t=0 0\r\n", "t=0 0\r\n\r\n", 1),
		"unknown bandwidth":     strings.Replace(good, "t=0 0\r\n", "b=ODD:1\r\nt=0 0\r\n", 1),
	} {
		d, err := ParseOffer(text, DefaultLimits())
		if err != nil || len(d.Lines) != 2 || !d.Lines[0].Usable || !d.Lines[1].Usable || d.Transport.Ufrag != want.Transport.Ufrag {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestUnknownMediaLinesAreRefusedInTheirPlace(t *testing.T) {
	others := []string{
		"image 9 udptl t38", "control 9 UDP 0", "application 9 TCP/WSS/BFCP *", "text 9 RTP/SAVPF 98", "message 9 TCP/TLS/MSRP *",
		"audio 9 X/unheard.of 0", "application 9 UDP/DTLS/SCTP webrtc-datachannel", "application 9 DTLS/SCTP 5000",
	}
	for _, m := range others {
		offer := offered(t, describe("0 2", audio("0"), line(m, "mid:1"), video("2")))
		if !offer.Lines[0].Usable || offer.Lines[1].Usable || !offer.Lines[2].Usable {
			t.Errorf("%s: usable %v %v %v", m, offer.Lines[0].Usable, offer.Lines[1].Usable, offer.Lines[2].Usable)
		}
		s, err := Answer(offer, offer.Bounds(), nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		if text := s.Write(local()); !has(text, "m="+strings.Replace(m, " 9 ", " 0 ", 1)) || strings.Count(text, "m=") != 3 {
			t.Errorf("%s is answered by\n%s", m, text)
		}
	}
	for _, m := range []string{"audio", "audio 9", "im<age 9 x 0", "image 9 a\x00b 0", "image 9 / 0"} {
		if _, err := ParseOffer(describe("0", audio("0"), line(m)), DefaultLimits()); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", m, err)
		}
	}
}

func TestShortProtocolIsEchoed(t *testing.T) {
	offer := offered(t, strings.ReplaceAll(describe("0 1", audio("0"), video("1")), "UDP/TLS/RTP/SAVPF", "RTP/SAVPF"))
	s, err := Answer(offer, offer.Bounds(), nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	text := s.Write(local())
	for _, kind := range []string{Audio, Video} {
		if !slices.ContainsFunc(strings.Split(text, "\r\n"), func(l string) bool {
			return strings.HasPrefix(l, "m="+kind+" 7900 RTP/SAVPF ")
		}) {
			t.Errorf("%s line in\n%s", kind, text)
		}
	}
}
