package sdp

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestOfferListsOnlyWhatTheOtherTerminalCanDo(t *testing.T) {
	s := offerFrom(t, file(t, "firefox-offer.sdp"))
	if len(s.Lines) != 2 { // the data channel is nothing we could offer
		t.Fatalf("%d lines", len(s.Lines))
	}
	if got := names(s.Lines[0].Codecs); got != "opus g722 pcmu pcma telephone-event" {
		t.Errorf("audio %s", got)
	}
	if got := names(s.Lines[1].Codecs); got != "vp8 vp9 av1" {
		t.Errorf("video %s: not Firefox's, in its order", got)
	}
	if s.Lines[0].Codecs[0].Fmtp != "maxplaybackrate=48000;stereo=1;useinbandfec=1" {
		t.Errorf("opus fmtp %q: what the caller receives", s.Lines[0].Codecs[0].Fmtp)
	}
}

// Chromium up to 92, and what is built of its library of that time, refuses a first
// offer that does not leave the DTLS role to it.
func TestOfferLeavesTheRoleToTheTerminalAndHasNoRTCPAttribute(t *testing.T) {
	for _, name := range []string{"chromium-offer.sdp", "firefox-offer.sdp"} {
		text := offerFrom(t, file(t, name)).Write(local())
		if strings.Contains(text, "a=rtcp:") {
			t.Error("a=rtcp: trips known clients")
		}
		if !has(text, "a=setup:actpass") || has(text, "a=setup:active") || has(text, "a=setup:passive") {
			t.Errorf("the offer decides the role:\n%s", text)
		}
		if strings.Contains(text, "ice-lite") {
			t.Error("ICE-lite costs a pion peer 200 ms")
		}
	}
}

func TestCodecsAreOfferedByTheirRegisteredNames(t *testing.T) {
	caller := strings.NewReplacer("opus/48000", "OPUS/48000", "PCMU/8000", "pcmu/8000", "VP8/90000", "vp8/90000").
		Replace(describe("0 1", audio("0"), video("1")))
	text := offerFrom(t, caller).Write(local())
	for _, want := range []string{" opus/48000/2\r\n", " PCMU/8000\r\n", " VP8/90000\r\n", " telephone-event/8000\r\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	// Who spells them differently is answered in its own spelling.
	s, err := Answer(offered(t, caller), offered(t, describe("0 1", audio("0"), video("1"))).Bounds(), nil, 1)
	if err != nil || !strings.Contains(s.Write(local()), " OPUS/48000/2\r\n") {
		t.Errorf("%v: answer\n%s", err, s.Write(local()))
	}
}

func TestOldBrowsersAnswerIsTaken(t *testing.T) {
	s, err := offerFrom(t, file(t, "chromium-offer.sdp")).Accept(answered(t, file(t, "chromium69-answer.sdp")))
	if err != nil {
		t.Fatal(err)
	}
	a, v := s.Lines[0], s.Lines[1]
	if s.Setup != Passive || names(a.Codecs) != "opus g722 pcmu pcma telephone-event telephone-event" || names(v.Codecs) != "vp8 vp9" {
		t.Errorf("role %s, audio %s, video %s", s.Setup, names(a.Codecs), names(v.Codecs))
	}
	if len(v.Streams) != 1 || v.Streams[0].RTX == 0 || a.PeerStreamID == "" || a.PeerStreamID != v.PeerStreamID {
		t.Errorf("streams %+v of %q, %+v of %q", a.Streams, a.PeerStreamID, v.Streams, v.PeerStreamID)
	}
}

func TestCandidatesAreCompleteAtOnce(t *testing.T) {
	text := offerFrom(t, file(t, "chromium-offer.sdp")).Write(local())
	for _, want := range []string{
		"a=candidate:1 1 udp 2130706431 192.0.2.7 7900 typ host", "a=candidate:2 1 udp 2130706175 2001:db8::7 7900 typ host",
		"a=end-of-candidates", "c=IN IP4 192.0.2.7",
	} {
		if n := strings.Count(text, want+"\r\n"); n != 2 {
			t.Errorf("%q %d times, not on each of 2 lines", want, n)
		}
	}
	if !strings.Contains(text, "m=audio 7900 ") {
		t.Error("the default address is a real one")
	}
}

func TestDirectionsAreMirrored(t *testing.T) {
	for _, d := range []Direction{SendRecv, SendOnly, RecvOnly, Inactive} {
		s := offerFrom(t, describe("0", audio("0", string(d))))
		// A caller that only receives makes the callee be asked only to send.
		if s.Lines[0].Direction != d || !has(s.Write(local()), "a="+string(d)) {
			t.Errorf("offered %s for %s", s.Lines[0].Direction, d)
		}
	}
	for _, tt := range []struct{ offer, peer, want Direction }{
		{SendRecv, SendRecv, SendRecv},
		{SendRecv, RecvOnly, RecvOnly},
		{RecvOnly, SendRecv, SendOnly},
		{SendOnly, SendRecv, RecvOnly},
		{SendOnly, SendOnly, Inactive},
		{RecvOnly, SendOnly, SendOnly},
		{Inactive, SendRecv, Inactive},
	} {
		a := offered(t, describe("0", audio("0", string(tt.offer))))
		b := offered(t, describe("0", audio("0", string(tt.peer))))
		s, err := Answer(a, b.Bounds(), nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		if s.Lines[0].Direction != tt.want {
			t.Errorf("%s with a peer that is %s is answered %s", tt.offer, tt.peer, s.Lines[0].Direction)
		}
	}
}

func TestVideoIsLeftOutForTerminalsWithout(t *testing.T) {
	b := offered(t, file(t, "chromium-offer.sdp")).Bounds()
	s, err := Offer(b, false, nil, 1)
	if err != nil || len(s.Lines) != 1 || s.Lines[0].Kind != Audio {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Offer(offered(t, describe("1", video("1"))).Bounds(), false, nil, 1); !errors.Is(err, ErrNotAcceptable) {
		t.Errorf("video only, for a terminal without: %v", err)
	}
}

func TestPayloadTypesAreOursAndUniqueOverTheLeg(t *testing.T) {
	s := offerFrom(t, file(t, "chromium-offer.sdp"))
	seen := map[uint8]string{}
	for _, l := range s.Lines {
		for _, c := range l.Codecs {
			for _, pt := range []uint8{c.PayloadType, c.RTX} {
				if pt == 0 && c.Name != "PCMU" {
					continue
				}
				if pt >= 64 && pt < 96 {
					t.Errorf("payload type %d is taken by RTCP", pt)
				}
				if seen[pt] != "" && pt != 0 {
					t.Errorf("payload type %d is %s and %s", pt, seen[pt], c.Name)
				}
				seen[pt] = c.Name
			}
		}
	}
	if seen[0] != "PCMU" || seen[8] != "PCMA" || seen[9] != "G722" {
		t.Errorf("static types %q %q %q", seen[0], seen[8], seen[9])
	}
}

func TestReofferRepeatsSlotsMidsPayloadTypesAndExtensionIDs(t *testing.T) {
	first := offerFrom(t, file(t, "chromium-offer.sdp"))
	// Another terminal, with other codecs in another order, and no video.
	second, err := Offer(offered(t, file(t, "firefox-recvonly.sdp")).Bounds(), true, first, 99)
	if err != nil {
		t.Fatal(err)
	}
	if second.OriginID != first.OriginID || second.OriginVersion != first.OriginVersion+1 {
		t.Errorf("o= %d %d after %d %d", second.OriginID, second.OriginVersion, first.OriginID, first.OriginVersion)
	}
	if len(second.Lines) != len(first.Lines) || second.Lines[1].Rejected || second.Lines[1].Direction != Inactive {
		t.Errorf("the video slot stays, inactive: %+v", second.Lines)
	}
	for i, l := range second.Lines {
		f := first.Lines[i]
		if l.MID != f.MID || l.Kind != f.Kind {
			t.Errorf("line %d is %s %q, was %s %q", i, l.Kind, l.MID, f.Kind, f.MID)
		}
		for _, c := range l.Codecs {
			for _, d := range f.Codecs {
				if c.Key == d.Key && (c.PayloadType != d.PayloadType || c.RTX != d.RTX) {
					t.Errorf("%s was %d, is %d", c.Name, d.PayloadType, c.PayloadType)
				}
			}
		}
		for _, e := range l.Extensions {
			if id := f.ExtensionID(e.URI); id != 0 && id != e.ID {
				t.Errorf("%s was %d, is %d", e.URI, id, e.ID)
			}
		}
	}
	// And the caller's video comes back into its slot.
	third, err := Offer(offered(t, file(t, "chromium-offer.sdp")).Bounds(), true, second, 1)
	if err != nil || len(third.Lines) != 2 || third.Lines[1].MID != first.Lines[1].MID || third.Lines[1].Direction != SendRecv {
		t.Errorf("%+v, %v", third, err)
	}
}

func TestForwardedExtensionsNeedBothTerminals(t *testing.T) {
	with := offerFrom(t, describe("0", audio("0")))
	without := offerFrom(t, strings.Replace(describe("0", audio("0")), "a=extmap:1 "+extensionAudioLevel+"\r\n", "", 1))
	if with.Lines[0].ExtensionID(extensionAudioLevel) == 0 || without.Lines[0].ExtensionID(extensionAudioLevel) != 0 {
		t.Error("audio level is offered exactly if the caller has it")
	}
	// Ones that each leg makes anew are offered in any case.
	if v := offerFrom(t, describe("1", video("1"))); v.Lines[0].ExtensionID(ExtensionTransportCC) == 0 || v.Lines[0].ExtensionID(ExtensionAbsSendTime) == 0 {
		t.Errorf("video extensions %+v", v.Lines[0].Extensions)
	}
	if with.Lines[0].ExtensionID(ExtensionTransportCC) != 0 {
		t.Error("transport-cc on audio only wakes idle legs")
	}
}

func TestStreamsGroupAsTheSourcesDo(t *testing.T) {
	text := describe("0 1 2", audio("0", "msid:cam a"), video("1", "msid:cam v"), video("2", "msid:screen v"))
	s := offerFrom(t, text)
	for i := range s.Lines {
		s.Lines[i].SSRC = uint32(100 + i) //nolint:gosec // small
	}
	if s.StreamID(0) != s.StreamID(1) || s.StreamID(1) == s.StreamID(2) {
		t.Errorf("streams %s %s %s", s.StreamID(0), s.StreamID(1), s.StreamID(2))
	}
	out := s.Write(local())
	if !has(out, "a=msid:"+s.StreamID(2)+" "+s.TrackID(2)) || !has(out, "a=ssrc:102 cname:"+s.CNAME()) {
		t.Errorf("description:\n%s", out)
	}
}

func TestNothingToOffer(t *testing.T) {
	if _, err := Offer(Bounds{}, true, nil, 1); !errors.Is(err, ErrNotAcceptable) {
		t.Errorf("error %v", err)
	}
}

func TestOurDescriptionsCanBeRead(t *testing.T) {
	for _, name := range []string{"chromium-offer.sdp", "firefox-offer.sdp"} {
		s := offerFrom(t, file(t, name))
		d := offered(t, s.Write(local()))
		if len(d.Lines) != len(s.Lines) {
			t.Fatalf("%d lines of %d", len(d.Lines), len(s.Lines))
		}
		for i, l := range d.Lines {
			same := slices.EqualFunc(l.Codecs, s.Lines[i].Codecs, func(a, b Codec) bool {
				return a.PayloadType == b.PayloadType && a.Key == b.Key && a.RTX == b.RTX && slices.Equal(a.Feedback, b.Feedback)
			})
			if !same || !l.Usable || !slices.Equal(l.Extensions, s.Lines[i].Extensions) {
				t.Errorf("line %d reads %+v, wrote %+v", i, l, s.Lines[i])
			}
		}
	}
}
