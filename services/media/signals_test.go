package media

import (
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

func (r *rig) candidates(leg string, list ...*callv1.Candidate) {
	r.t.Helper()
	err := r.other.Signal("m1", &callv1.Signal{LegId: leg, Body: &callv1.Signal_Candidates{Candidates: &callv1.Candidates{Candidates: list}}})
	if err != nil {
		r.t.Fatal(err)
	}
}

// withoutCandidates gives a description as a trickling terminal sends it, and
// its candidates.
func withoutCandidates(sdp string) (string, []*callv1.Candidate) {
	var keep []string
	var list []*callv1.Candidate
	for l := range strings.SplitSeq(sdp, "\r\n") {
		if v, ok := strings.CutPrefix(l, "a=candidate:"); ok {
			list = append(list, &callv1.Candidate{Candidate: "candidate:" + v, MLine: -1})
			continue
		}
		keep = append(keep, l)
	}
	return strings.Join(keep, "\r\n"), list
}

// deaf makes a client that cannot find us by its own checks, so that only its
// candidates make the connection.
func deaf(t testing.TB) *mediatest.Client {
	t.Helper()
	return client(t, mediatest.Options{Audio: "audio/opus"})
}

func noCandidates(sdp string) string {
	s, _ := withoutCandidates(sdp)
	return s
}

func TestCandidatesMayOvertakeTheirLeg(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, b := deaf(t), client(t, mediatest.Options{Audio: "audio/opus"})
	offer, list := withoutCandidates(check[string](t)(a.Offer()))
	if len(list) == 0 {
		t.Fatal("no candidates")
	}
	r.candidates(c.leg(1), list...)
	made := r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
	answer, late := withoutCandidates(check[string](t)(b.Answer(made[1].GetSdp())))
	r.candidates(c.leg(2), late...) // before the answer that they belong to
	results := r.must(c, opTakeAnswer(c.leg(2), answer), opMakeAnswer(c.leg(1), c.leg(2)), opBridge(c.leg(1), c.leg(2)))
	// The caller gets no candidates of ours: it can only be found by its own.
	if err := a.Take(noCandidates(results[1].GetSdp())); err != nil {
		t.Fatal(err)
	}
	closedIn(t, "caller connected", a.Connected())
	closedIn(t, "callee connected", b.Connected())
}

func TestTrickledCandidatesInEveryForm(t *testing.T) {
	for name, form := range map[string]func(c *callv1.Candidate, ufrag string){
		"m_line unknown":  func(c *callv1.Candidate, _ string) { c.MLine, c.Mid = -1, "" },
		"by mid":          func(c *callv1.Candidate, _ string) { c.MLine, c.Mid = -1, "0" },
		"by m_line":       func(c *callv1.Candidate, _ string) { c.MLine = 0 },
		"with its ufrag":  func(c *callv1.Candidate, ufrag string) { c.Ufrag = ufrag },
		"as an attribute": func(c *callv1.Candidate, _ string) { c.Candidate = "a=" + c.GetCandidate() },
		"without prefix":  func(c *callv1.Candidate, _ string) { c.Candidate = strings.TrimPrefix(c.GetCandidate(), "candidate:") },
		"with extensions": func(c *callv1.Candidate, ufrag string) {
			c.Candidate += " generation 0 ufrag " + ufrag + " network-id 1 network-cost 10"
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := newCall()
			a, b := deaf(t), client(t, mediatest.Options{Audio: "audio/opus"})
			offer, list := withoutCandidates(check[string](t)(a.Offer()))
			made := r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
			answer := check[string](t)(b.Answer(made[1].GetSdp()))
			results := r.must(c, opTakeAnswer(c.leg(2), answer), opMakeAnswer(c.leg(1), c.leg(2)))
			if err := a.Take(noCandidates(results[1].GetSdp())); err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(offer, "a=ice-ufrag:")
			ufrag, _, _ := strings.Cut(rest, "\r\n")
			for _, x := range list {
				form(x, ufrag)
			}
			r.candidates(c.leg(1), list...)
			closedIn(t, "caller connected", a.Connected())
		})
	}
}

func TestBrokenAndForeignCandidatesDoNoHarm(t *testing.T) {
	r := newRig(t)
	c := newCall()
	o := mediatest.Options{Audio: "audio/opus"}
	a, b := client(t, o), client(t, o)
	offer := check[string](t)(a.Offer())
	made := r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
	bad := []*callv1.Candidate{
		{}, {Candidate: "candidate:"}, {Candidate: "garbage"}, {Candidate: strings.Repeat("x", 5000)},
		{Candidate: "candidate:1 1 udp 1 host.local 9 typ host", MLine: -1},
		{Candidate: "candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active", MLine: 99},
		{Candidate: "candidate:1 2 udp 1 127.0.0.1 9 typ host"},
		{Candidate: "candidate:1 1 udp x 127.0.0.1 9 typ host"},
		{Candidate: "candidate:1 1 udp 1 127.0.0.1 99999 typ host"},
		{Candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ nonsense"},
		{Candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host", Ufrag: "another generation"},
		{Candidate: "\r\na=setup:active\r\n"},
	}
	for range 20 {
		r.candidates(c.leg(1), bad...)
		r.candidates(c.leg(2), bad...)
	}
	answer := check[string](t)(b.Answer(made[1].GetSdp()))
	results := r.must(c, opTakeAnswer(c.leg(2), answer), opMakeAnswer(c.leg(1), c.leg(2)))
	if err := a.Take(results[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	r.candidates(c.leg(1), bad...)
	closedIn(t, "caller connected", a.Connected())
	closedIn(t, "callee connected", b.Connected())
}

func TestSignalsOfUnknownLegsAreBounded(t *testing.T) {
	r := newRig(t, func(c *Config) { c.SignalWait = 100 * time.Millisecond })
	c := newCall()
	kept := func(id string) int {
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		if q := r.s.waiting.legs[id]; q != nil {
			return len(q.signals)
		}
		return 0
	}
	for range waitingPerLeg + 10 {
		r.candidates(c.leg(1), &callv1.Candidate{Candidate: "x"})
	}
	until(t, "kept", func() bool { return kept(c.leg(1)) == waitingPerLeg })
	for i := range uint32(waitingLegs + 10) {
		r.candidates(c.leg(i+2), &callv1.Candidate{Candidate: "x"})
	}
	r.s.mu.Lock()
	n := len(r.s.waiting.legs)
	r.s.mu.Unlock()
	if n > waitingLegs {
		t.Errorf("signals of %d legs", n)
	}
	until(t, "forgotten", func() bool { return kept(c.leg(1)) == 0 })
}

func TestDigitsBecomeTelephoneEvents(t *testing.T) {
	r := newRig(t)
	register := func(m *webrtc.MediaEngine) error {
		for pt, x := range map[webrtc.PayloadType]webrtc.RTPCodecCapability{
			111: {MimeType: "audio/opus", ClockRate: 48000, Channels: 2},
			110: {MimeType: "audio/telephone-event", ClockRate: 48000},
		} {
			if err := m.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: x, PayloadType: pt}, webrtc.RTPCodecTypeAudio); err != nil {
				return err
			}
		}
		return nil
	}
	o := mediatest.Options{Audio: "audio/opus", Register: register}
	a, b := client(t, o), client(t, o)
	c := newCall()
	r.connect(c, a, b)
	send(t, a, "audio")
	until(t, "callee hears", func() bool { return b.Audio.Load() > 5 })
	for _, d := range []string{"5", "5", "#", "?"} {
		err := r.other.Signal("m1", &callv1.Signal{LegId: c.leg(1), Body: &callv1.Signal_Dtmf{Dtmf: &callv1.Dtmf{Digit: d}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	var digits []byte
	ended := map[uint32]bool{}
	sequence := map[uint16]bool{}
	deadline := time.After(patience)
	for len(digits) < 3 {
		select {
		case p := <-b.Packets:
			if sequence[p.SequenceNumber] {
				t.Fatalf("sequence number %d twice", p.SequenceNumber)
			}
			sequence[p.SequenceNumber] = true
			if len(p.Payload) == 4 && p.Payload[1]&0x80 != 0 && !ended[p.Timestamp] {
				ended[p.Timestamp] = true
				digits = append(digits, p.Payload[0])
			}
		case <-deadline:
			t.Fatalf("digits %v", digits)
		}
	}
	if string(digits) != "\x05\x05\x0b" {
		t.Errorf("events %v", digits)
	}
}
