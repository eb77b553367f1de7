package sdp

import (
	"errors"
	"strings"
	"testing"
)

// bothAnswers takes an offer through to a callee's answer and the caller's.
func bothAnswers(t *testing.T, offer, callee string) (toCallee, toCaller *Session) {
	t.Helper()
	a := offered(t, offer)
	toCallee = offerFrom(t, offer)
	b, err := Answer(offered(t, toCallee.Write(local())), offered(t, callee).Bounds(), nil, 5)
	if err != nil {
		t.Fatal(err)
	}
	toCallee, err = toCallee.Accept(answered(t, b.Write(local())))
	if err != nil {
		t.Fatal(err)
	}
	toCaller, err = Answer(a, toCallee.Bounds(), nil, 6)
	if err != nil {
		t.Fatal(err)
	}
	return toCallee, toCaller
}

func TestAnswerIsLimitedToWhatTheCalleeAccepted(t *testing.T) {
	callee := describe("0 1", strings.Replace(audio("0"), "SAVPF 111 0 126", "SAVPF 0 126", 1),
		strings.Replace(video("1"), "SAVPF 96 97 98 99", "SAVPF 98 99", 1))
	toCallee, toCaller := bothAnswers(t, file(t, "chromium-offer.sdp"), callee)
	if got := names(toCaller.Lines[0].Codecs); got != "pcmu telephone-event" {
		t.Errorf("audio %s", got)
	}
	if got := names(toCaller.Lines[1].Codecs); got != "vp9" {
		t.Errorf("video %s", got)
	}
	if toCaller.Lines[1].Codecs[0].PayloadType != 98 {
		t.Errorf("the caller's own payload type is used, not %d", toCaller.Lines[1].Codecs[0].PayloadType)
	}
	// Who answers is active.
	if toCallee.Setup != Passive || toCaller.Setup != Active {
		t.Errorf("roles %s %s", toCallee.Setup, toCaller.Setup)
	}
}

func TestRefusedLinesKeepTheirSlot(t *testing.T) {
	offer := describe("0 1 2 3 4", audio("0"), video("1"), line("application 9 UDP/DTLS/SCTP webrtc-datachannel", "mid:2", "sctp-port:5000"),
		video("3"), video("4"))
	_, s := bothAnswers(t, offer, offer)
	want := []bool{false, false, true, false, true} // data channel, third video
	if len(s.Lines) != len(want) {
		t.Fatalf("%d lines", len(s.Lines))
	}
	for i, rejected := range want {
		if s.Lines[i].Rejected != rejected {
			t.Errorf("line %d rejected: %v", i, s.Lines[i].Rejected)
		}
	}
	text := s.Write(local())
	if !strings.Contains(text, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n") || strings.Count(text, "m=video 0 ") != 1 {
		t.Errorf("answer:\n%s", text)
	}
	if !has(text, "a=group:BUNDLE 0 1 3") {
		t.Error("refused lines leave the group")
	}
	k := s.Skeleton()
	if len(k.GetMLines()) != 5 || !k.GetMLines()[2].GetRejected() || k.GetMLines()[2].GetMid() != "2" || k.GetMLines()[4].GetDirection() != "inactive" {
		t.Errorf("skeleton %v", k)
	}
}

func TestNoUsableLineIsNotAcceptable(t *testing.T) {
	a, b := offered(t, describe("0", audio("0"))), offered(t, describe("0", strings.Replace(audio("0"), "SAVPF 111 0 126", "SAVPF 9", 1)))
	if _, err := Answer(a, b.Bounds(), nil, 1); !errors.Is(err, ErrNotAcceptable) {
		t.Errorf("no codec in common: %v", err)
	}
	if _, err := Answer(a, offered(t, describe("1", video("1"))).Bounds(), nil, 1); !errors.Is(err, ErrNotAcceptable) {
		t.Errorf("no kind in common: %v", err)
	}
	s := offerFrom(t, describe("0", audio("0")))
	refused := answered(t, describe("", line("audio 0 UDP/TLS/RTP/SAVPF 111", "mid:0")))
	if _, err := s.Accept(refused); !errors.Is(err, ErrNotAcceptable) {
		t.Errorf("everything refused: %v", err)
	}
}

func TestGlareAnswersBothOffersWithinBoth(t *testing.T) {
	a := offered(t, file(t, "chromium-offer.sdp"))
	b := offered(t, describe("0", strings.Replace(audio("0"), "SAVPF 111 0 126", "SAVPF 0 111 126", 1)))
	sa, err := Answer(a, b.Bounds(), nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	sb, err := Answer(b, sa.Bounds(), nil, 2)
	if err != nil {
		t.Fatal(err)
	}
	if names(sa.Lines[0].Codecs) != names(sb.Lines[0].Codecs) || names(sa.Lines[0].Codecs) != "pcmu opus telephone-event" {
		t.Errorf("answers %s and %s", names(sa.Lines[0].Codecs), names(sb.Lines[0].Codecs))
	}
	if !sa.Lines[1].Rejected || len(sb.Lines) != 1 {
		t.Error("video that only one has is refused")
	}
}

func TestTelephoneEventsNeedBoth(t *testing.T) {
	without := strings.Replace(describe("0", audio("0")), "111 0 126", "111 0", 1)
	_, s := bothAnswers(t, describe("0", audio("0")), without)
	if got := names(s.Lines[0].Codecs); got != "opus pcmu" {
		t.Errorf("codecs %s", got)
	}
	_, s = bothAnswers(t, describe("0", audio("0")), describe("0", audio("0")))
	if got := names(s.Lines[0].Codecs); got != "opus pcmu telephone-event" {
		t.Errorf("codecs %s", got)
	}
}

func TestRolesFollowTheTerminal(t *testing.T) {
	for setup, want := range map[string]string{"actpass": Active, "passive": Active, "active": Passive, "holdconn": Active} {
		text := strings.Replace(describe("0", audio("0")), "setup:actpass", "setup:"+setup, 1)
		s, err := Answer(offered(t, text), offered(t, describe("0", audio("0"))).Bounds(), nil, 1)
		if err != nil || s.Setup != want || s.Skeleton().GetDtlsRole() != want {
			t.Errorf("offered %s: %v, %v", setup, s, err)
		}
		o, err := offerFrom(t, describe("0", audio("0"))).Accept(answered(t, text))
		if err != nil || o.Setup != want {
			t.Errorf("answered %s: %v, %v", setup, o, err)
		}
	}
}

func TestAnswersThatDoNotFit(t *testing.T) {
	s := offerFrom(t, describe("0 1", audio("0"), video("1")))
	for name, text := range map[string]string{
		"a line too few":  describe("0", audio("0")),
		"a line too many": describe("0 1 2", audio("0"), video("1"), video("2")),
		"kinds swapped":   describe("0 1", video("0"), audio("1")),
		"another mid":     describe("0 7", audio("0"), video("7")),
	} {
		if _, err := s.Accept(answered(t, text)); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnswerMayDropFormatsFeedbackAndRetransmission(t *testing.T) {
	s := offerFrom(t, describe("0 1", audio("0"), video("1")))
	vp8 := s.Lines[1].Codecs[0]
	pt := formatInt(int(vp8.PayloadType))
	answer := describe("0 1", line("audio 0 UDP/TLS/RTP/SAVPF 0", "mid:0"),
		line("video 9 UDP/TLS/RTP/SAVPF "+pt+" 44", "mid:1", "rtcp-mux", "setup:passive", credentials, fingerprint(),
			"rtpmap:"+pt+" VP8/90000", "rtcp-fb:"+pt+" nack pli", "rtpmap:44 H264/90000"))
	n, err := s.Accept(answered(t, answer))
	if err != nil {
		t.Fatal(err)
	}
	l := n.Lines[1]
	if !n.Lines[0].Rejected || len(l.Codecs) != 1 || l.Codecs[0].RTX != 0 || l.Codecs[0].Has(FeedbackNack) || !l.Codecs[0].Has(FeedbackPLI) {
		t.Errorf("%+v", n.Lines)
	}
	if len(l.Extensions) != 0 {
		t.Errorf("extensions that were not answered: %+v", l.Extensions)
	}
}

func TestOfferWithoutMidOrGroupIsAnsweredLikewise(t *testing.T) {
	text := strings.Replace(describe("", audio("0")), "a=mid:0\r\n", "", 1)
	s, err := Answer(offered(t, text), offered(t, describe("0", audio("0"))).Bounds(), nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if out := s.Write(local()); strings.Contains(out, "a=mid") || strings.Contains(out, "BUNDLE") {
		t.Errorf("answer:\n%s", out)
	}
}

func TestBrowsersAnswersAreTaken(t *testing.T) {
	for _, browser := range []string{"chromium", "firefox"} {
		// The answers on file are to the browser's own offer: their numbers are ours
		// only where both happen to agree, so match one line by one.
		d := answered(t, file(t, browser+"-answer.sdp"))
		s := &Session{OriginID: 1, Offered: true, Setup: Active}
		for _, l := range offered(t, file(t, browser+"-offer.sdp")).Lines {
			s.Lines = append(s.Lines, SessionLine{Kind: l.Kind, MID: l.MID, Direction: SendRecv, Slot: l.Slot, Codecs: l.Codecs, Extensions: l.Extensions})
		}
		n, err := s.Accept(d)
		if err != nil {
			t.Fatal(err)
		}
		if n.Lines[0].Rejected || n.Lines[1].Rejected || !n.Lines[2].Rejected || n.Lines[1].Direction != SendRecv {
			t.Errorf("%s: %+v", browser, n.Lines)
		}
	}
}
