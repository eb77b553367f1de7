package sdp

import (
	"strings"
	"testing"
)

// FuzzExchange takes any text through everything that is done with a terminal's
// description: nothing panics, and what we write can be read again.
func FuzzExchange(f *testing.F) {
	for _, name := range []string{
		"chromium-offer.sdp", "chromium-answer.sdp", "chromium-recvonly.sdp", "chromium69-offer.sdp", "chromium69-answer.sdp", "firefox-offer.sdp", "firefox-answer.sdp", "firefox-recvonly.sdp",
	} {
		f.Add(file(f, name))
	}
	f.Add(describe("0 1", audio("0"), video("1")))
	f.Add(describe("", audio("0", "inactive")))
	f.Add(strings.ReplaceAll(describe("0 1", audio("0"), video("1")), "\r\n", "\n"))
	peer := offered(f, file(f, "chromium-offer.sdp"))
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseOffer(text, DefaultLimits())
		if err != nil {
			return
		}
		if s, err := Offer(d.Bounds(), true, nil, 1); err == nil {
			reread(t, s)
			if a, err := ParseAnswer(text, DefaultLimits()); err == nil {
				if n, err := s.Accept(a); err == nil {
					reread(t, n)
					_ = n.Skeleton()
				}
			}
			if again, err := Offer(peer.Bounds(), true, s, 1); err == nil {
				reread(t, again)
			}
		}
		for _, pair := range [][2]*Description{{d, peer}, {peer, d}, {d, d}} {
			if s, err := Answer(pair[0], pair[1].Bounds(), nil, 1); err == nil {
				reread(t, s)
				_ = s.Skeleton()
				_ = s.Bounds()
			}
		}
	})
}

func reread(t testing.TB, s *Session) {
	t.Helper()
	for i := range s.Lines {
		s.Lines[i].SSRC = 5
	}
	text := s.Write(local())
	limits := DefaultLimits()
	limits.Bytes *= 16
	d, err := ParseAnswer(text, limits)
	if err != nil {
		t.Fatalf("%v in our own:\n%s", err, text)
	}
	if len(d.Lines) != len(s.Lines) {
		t.Fatalf("%d lines of %d in our own:\n%s", len(d.Lines), len(s.Lines), text)
	}
}
