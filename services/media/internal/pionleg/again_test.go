package pionleg

import (
	"errors"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// anew takes a terminal's next offer through to its answer.
func anew(t *testing.T, l leg.Leg, c *mediatest.Client, offer string) leg.Outcome {
	t.Helper()
	if _, err := l.TakeOffer(offer); err != nil {
		t.Fatal(err)
	}
	out, err := l.MakeAnswer(l.Bounds())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Take(out.SDP); err != nil {
		t.Fatal(err)
	}
	return out
}

func must(t *testing.T) func(text string, err error) string {
	return func(text string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

func TestSourceOfVideoMayChange(t *testing.T) {
	e := open(t, Config{})
	c := terminal(t, mediatest.Options{Audio: "audio/opus"})
	raw, err := c.AddRaw("video", "v")
	if err != nil {
		t.Fatal(err)
	}
	l, _ := connect(t, e, c)
	in := newSink()
	l.SetSink(in)
	video := l.Session().Lines[1]
	if video.Codecs[0].RTX == 0 || len(video.Streams) == 0 || video.Streams[0].RTX == 0 {
		t.Fatalf("no retransmission on %+v", video)
	}
	write := func(ssrc uint32, pt uint8, number uint16, payload ...byte) {
		t.Helper()
		h := rtp.Header{Version: 2, SSRC: ssrc, PayloadType: pt, SequenceNumber: number}
		if err := raw.Write(&rtp.Packet{Header: h, Payload: payload}); err != nil {
			t.Fatal(err)
		}
	}
	vp8, declared := video.Codecs[0].PayloadType, video.Streams[0].SSRC
	for i, tt := range []struct {
		ssrc    uint32
		pt      uint8
		number  uint16
		payload []byte
		want    rtp.Header
	}{
		{declared, vp8, 10, []byte{1}, rtp.Header{SSRC: declared, SequenceNumber: 10}},
		{4711, vp8, 500, []byte{1}, rtp.Header{SSRC: 4711, SequenceNumber: 500}},
		// What is sent again comes in the stream that is there (RFC 4588), declared
		// or not.
		{video.Streams[0].RTX, video.Codecs[0].RTX, 1, []byte{1, 0xf3, 1}, rtp.Header{SSRC: 4711, SequenceNumber: 0x1f3}},
		{4712, video.Codecs[0].RTX, 1, []byte{1, 0xf2, 1}, rtp.Header{SSRC: 4711, SequenceNumber: 0x1f2}},
		{declared, vp8, 11, []byte{1}, rtp.Header{SSRC: declared, SequenceNumber: 11}},
	} {
		write(tt.ssrc, tt.pt, tt.number, tt.payload...)
		got := wait(t, "packet", in.packets)
		if got.SSRC != tt.want.SSRC || got.SequenceNumber != tt.want.SequenceNumber || got.PayloadType != vp8 || len(got.Payload) != 1 {
			t.Errorf("packet %d is %+v", i, got)
		}
	}
}

func TestAnswerThatNobodySawIsUndone(t *testing.T) {
	e := open(t, Config{})
	c, l, ev := connected(t, e, mediatest.Options{Audio: "audio/opus"})
	in := newSink()
	l.SetSink(in)
	p, _ := l.(*peer)
	before, session := p.now.Load(), l.Session()
	heard := func(what string) {
		t.Helper()
		deadline := time.Now().Add(patience)
		for n := uint16(1); ; n++ {
			h := rtp.Header{Version: 2, SequenceNumber: n}
			if err := c.Tracks["audio"].WriteRTP(&rtp.Packet{Header: h, Payload: []byte{1}}); err != nil {
				t.Fatal(err)
			}
			select {
			case <-in.packets:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: nothing is heard", what)
			}
		}
	}
	if err := l.Undo(); !errors.Is(err, leg.ErrState) {
		t.Errorf("the first answer: %v", err)
	}
	offer := must(t)(c.Offer())
	other := must(t)(terminal(t, mediatest.Options{Audio: "audio/opus"}).Offer())
	restarted := strings.NewReplacer(attribute(offer, "ice-ufrag"), "brandnew", attribute(offer, "ice-pwd"), "brandnewbrandnewbrandnew").Replace(offer)
	for name, text := range map[string]string{"hold": strings.Replace(offer, "a=sendrecv", "a=inactive", 1), "restart": restarted, "new client": other} {
		if _, err := l.TakeOffer(text); err != nil {
			t.Fatal(err)
		}
		if _, err := l.MakeAnswer(l.Bounds()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := l.Undo(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if l.Session() != session || p.now.Load() != before || p.snap.Load().offer == nil {
			t.Errorf("%s: it is not as it was", name)
		}
		heard(name)
	}
	if out := anew(t, l, c, offer); out.NewTransport || !l.Connected() {
		t.Errorf("outcome %+v", out)
	}
	heard("at last")
	select {
	case reason := <-ev.down:
		t.Errorf("failed: %s", reason)
	default:
	}
}

func TestRestartBringsAFailedTransportBack(t *testing.T) {
	const beat = 50 * time.Millisecond
	e := open(t, Config{KeepAlive: beat, Disconnected: 2 * beat, Failed: 2 * beat})
	n := newNAT(t, e)
	c := terminal(t, mediatest.Options{Audio: "audio/opus", Settings: func(s *webrtc.SettingEngine) {
		s.SetICETimeouts(time.Minute, time.Minute, beat)
	}})
	// The terminal is found by its own checks alone, through the NAT.
	hide := func(offer string) string { return regexp.MustCompile(`a=candidate:.*\r\n`).ReplaceAllString(offer, "") }
	port := strconv.Itoa(n.inner.LocalAddr().(*net.UDPAddr).Port) //nolint:forcetypeassert // it is one
	behind := func(answer string) string {
		return regexp.MustCompile(`127\.0\.0\.1 \d+ typ host`).ReplaceAllString(answer, "127.0.0.1 "+port+" typ host")
	}
	ev := &manyEvents{up: make(chan uint32, 4), down: make(chan string, 4)}
	l := e.New(ev)
	t.Cleanup(l.Close)
	exchange := func(offer string) leg.Outcome {
		t.Helper()
		if _, err := l.TakeOffer(hide(offer)); err != nil {
			t.Fatal(err)
		}
		out, err := l.MakeAnswer(l.Bounds())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Take(behind(out.SDP)); err != nil {
			t.Fatal(err)
		}
		return out
	}
	exchange(must(t)(c.Offer()))
	wait(t, "up", ev.up)
	n.cut.Store(true)
	wait(t, "down", ev.down)
	if l.Connected() {
		t.Error("connected")
	}
	n.cut.Store(false)
	if out := exchange(must(t)(c.Restart())); !out.NewTransport {
		t.Error("nobody is told to wait for it")
	}
	if number := wait(t, "up again", ev.up); number != 1 || !l.Connected() {
		t.Errorf("transport %d", number)
	}
	l.Send(0, &rtp.Header{PayloadType: l.Session().Lines[0].Codecs[0].PayloadType}, []byte{1})
	wait(t, "packet", c.Packets)
}

// manyEvents notes what a leg reports, as often as it does.
type manyEvents struct {
	up   chan uint32
	down chan string
}

func (e *manyEvents) Connected(n uint32)                     { e.up <- n }
func (e *manyEvents) Failed(_ uint32, reason string, _ bool) { e.down <- reason }

func TestTerminalThatInsistsOnItsRole(t *testing.T) {
	e := open(t, Config{})
	c := terminal(t, mediatest.Options{Audio: "audio/opus"})
	l, ev := newLeg(t, e)
	offer := strings.Replace(must(t)(c.Offer()), "a=setup:actpass", "a=setup:active", 1)
	out := anew(t, l, c, offer)
	if !strings.Contains(out.SDP, "a=setup:passive\r\n") {
		t.Errorf("answer\n%s", out.SDP)
	}
	wait(t, "leg up", ev.up)
	wait(t, "terminal up", c.Connected())
	// The role stays in later exchanges.
	if out = anew(t, l, c, must(t)(c.Offer())); out.NewTransport || !strings.Contains(out.SDP, "a=setup:passive\r\n") {
		t.Errorf("outcome %+v", out)
	}
}

func TestWrongCertificateIsNotConnected(t *testing.T) {
	e := open(t, Config{})
	c := terminal(t, mediatest.Options{Audio: "audio/opus"})
	l, ev := newLeg(t, e)
	offer := must(t)(c.Offer())
	print := attribute(offer, "fingerprint")
	last := print[len(print)-1:]
	offer = strings.ReplaceAll(offer, print, print[:len(print)-1]+map[bool]string{true: "1", false: "0"}[last == "0"])
	anew(t, l, c, offer)
	if reason := wait(t, "failed", ev.down); !strings.Contains(reason, "DTLS") || l.Connected() {
		t.Errorf("reason %q", reason)
	}
}

func TestCandidatesOfAGenerationToCome(t *testing.T) {
	e := open(t, Config{})
	c, l, _ := connected(t, e, mediatest.Options{Audio: "audio/opus"})
	p, _ := l.(*peer)
	offer := must(t)(c.Restart())
	candidate := regexp.MustCompile(`a=(candidate:.*)\r\n`)
	text := candidate.FindStringSubmatch(offer)[1]
	l.AddCandidate(of(text, attribute(offer, "ice-ufrag"))) // overtakes its offer
	l.AddCandidate(of(text, "yetanother"))
	if len(p.early) != 2 {
		t.Fatalf("%d candidates wait", len(p.early))
	}
	anew(t, l, c, candidate.ReplaceAllString(offer, ""))
	if len(p.early) != 0 {
		t.Errorf("%d candidates still wait", len(p.early))
	}
	list, err := p.now.Load().agent.GetRemoteCandidates()
	for deadline := time.Now().Add(patience); err == nil && len(list) == 0 && time.Now().Before(deadline); {
		list, err = p.now.Load().agent.GetRemoteCandidates()
	}
	if err != nil || len(list) == 0 {
		t.Errorf("candidates %v, %v", list, err)
	}
}

// FuzzReoffer gives a leg in a call any text as offer and as answer: nothing
// panics, and the leg is not broken by it.
func FuzzReoffer(f *testing.F) {
	for _, name := range []string{"chromium-offer.sdp", "firefox-offer.sdp", "firefox-recvonly.sdp", "chromium-answer.sdp"} {
		f.Add(browser(f, name))
	}
	e := open(f, Config{})
	first := browser(f, "chromium-offer.sdp")
	peer := boundsOf(f, first)
	peer.Established, peer.Video = true, true
	f.Fuzz(func(t *testing.T, text string) {
		l := e.New(&manyEvents{up: make(chan uint32, 8), down: make(chan string, 8)})
		defer l.Close()
		if _, err := l.TakeOffer(first); err != nil {
			t.Fatal(err)
		}
		if _, err := l.MakeAnswer(peer); err != nil {
			t.Fatal(err)
		}
		lines := len(l.Session().Lines)
		if _, err := l.TakeOffer(text); err == nil {
			if _, err := l.MakeAnswer(peer); errors.Is(err, leg.ErrBroken) {
				t.Fatalf("broken: %v\n%s", err, text)
			} else if err == nil && l.Transport() == 1 && len(l.Session().Lines) < lines {
				t.Fatalf("%d lines of %d", len(l.Session().Lines), lines)
			}
		}
		less := sdp.Bounds{Lines: peer.Lines[:1]}
		if out, err := l.MakeOffer(less, true); err != nil {
			t.Fatal(err)
		} else if !out.Unchanged {
			if _, err := l.TakeAnswer(text); errors.Is(err, leg.ErrBroken) {
				t.Fatalf("broken: %v\n%s", err, text)
			}
		}
		l.Withdraw()
		_ = l.Undo()
	})
}
