package pionleg

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

const patience = 10 * time.Second

func open(t testing.TB, cfg Config) *Engine {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	e, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// events notes what a leg reports.
type events struct {
	up   chan struct{}
	down chan string
}

func newEvents() *events { return &events{make(chan struct{}), make(chan string, 4)} }

func (e *events) Connected(uint32)                       { close(e.up) }
func (e *events) Failed(_ uint32, reason string, _ bool) { e.down <- reason }

// described gives the description that was made.
func described(o leg.Outcome, err error) (string, error) { return o.SDP, err }

func newLeg(t testing.TB, e *Engine) (leg.Leg, *events) {
	t.Helper()
	ev := newEvents()
	l := e.New(ev)
	t.Cleanup(l.Close)
	return l, ev
}

func terminal(t testing.TB, o mediatest.Options) *mediatest.Client {
	t.Helper()
	c, err := mediatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func wait[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("not in time: %s", what)
	}
	return v
}

func browser(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "sdp", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func boundsOf(t testing.TB, text string) sdp.Bounds {
	t.Helper()
	d, err := sdp.ParseOffer(text, sdp.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return d.Bounds()
}

// sink notes packets.
type sink struct{ packets chan rtp.Packet }

func newSink() *sink { return &sink{make(chan rtp.Packet, 1000)} }

func (s *sink) Packet(_ int, h *rtp.Header, payload []byte) {
	select {
	case s.packets <- rtp.Packet{Header: h.Clone(), Payload: append([]byte(nil), payload...)}:
	default:
	}
}
func (s *sink) Report(int, uint64, uint32) {}
func (s *sink) KeyFrameWanted(int)         {}
func (s *sink) BitrateWanted(int, uint64)  {}

// connected sets a leg up with a terminal that calls.
func connected(t *testing.T, e *Engine, o mediatest.Options) (*mediatest.Client, leg.Leg, *events) {
	t.Helper()
	c := terminal(t, o)
	l, ev := connect(t, e, c)
	return c, l, ev
}

func connect(t *testing.T, e *Engine, c *mediatest.Client) (leg.Leg, *events) {
	t.Helper()
	l, ev := newLeg(t, e)
	offer, err := c.Offer()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.TakeOffer(offer); err != nil {
		t.Fatal(err)
	}
	answer, err := described(l.MakeAnswer(l.Bounds()))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Take(answer); err != nil {
		t.Fatal(err)
	}
	wait(t, "leg up", ev.up)
	wait(t, "terminal up", c.Connected())
	return l, ev
}

func TestCandidatesAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"candidate:1 1 udp 2122260223 192.0.2.1 40000 typ host generation 0 ufrag x network-cost 999": "1 1 udp 2122260223 192.0.2.1 40000 typ host",
		"a=candidate:1 1 UDP 1 2001:db8::1 1 typ srflx raddr 10.0.0.1 rport 9 generation 0":           "1 1 UDP 1 2001:db8::1 1 typ srflx raddr 10.0.0.1 rport 9",
		"1 1 udp 1 192.0.2.1 9 typ relay raddr 0.0.0.0 rport 0":                                       "1 1 udp 1 192.0.2.1 9 typ relay raddr 0.0.0.0 rport 0",
		"candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active":                                     "",
		"candidate:1 2 udp 1 192.0.2.1 9 typ host":                                                    "",
		"candidate:1 1 udp 1 91fac4ab-297e-4cac-b5a7-27dc905942fe.local 9 typ host":                   "",
		"candidate:1 1 udp 1 192.0.2.1 99999 typ host":                                                "",
		"candidate:1 1 udp one 192.0.2.1 9 typ host":                                                  "",
		"candidate:1 1 udp 1 192.0.2.1 9 type host":                                                   "",
		"candidate:1 1 udp 1 239.1.1.1 9 typ host":                                                    "",
		"candidate:1 1 udp 1 255.255.255.255 9 typ host":                                              "",
		"candidate:1 1 udp 1 ::ffff:224.0.0.1 9 typ host":                                             "",
		"candidate:1 1 udp 1 ff02::1 9 typ host":                                                      "",
		"candidate:1 1 udp 1 0.0.0.0 9 typ host":                                                      "",
		"candidate:1 1 udp 1 192.0.2.1 0 typ host":                                                    "",
		"candidate:": "", "": "", "a=end-of-candidates": "",
	} {
		if got, reason := readCandidateText(text); got != want || (got == "") != (reason != "") {
			t.Errorf("%q is %q, %q", text, got, reason)
		}
	}
}

func FuzzCandidate(f *testing.F) {
	f.Add("candidate:1 1 udp 2122260223 192.0.2.1 40000 typ host generation 0 ufrag x network-cost 999")
	f.Add("a=candidate:1 1 UDP 1 2001:db8::1 1 typ srflx raddr 10.0.0.1 rport 9 generation 0")
	f.Fuzz(func(t *testing.T, text string) {
		if got, reason := readCandidateText(text); reason == "" && strings.ContainsAny(got, "\r\n") {
			t.Errorf("%q", got)
		}
	})
}

func TestBrowsersOffersAreAnswered(t *testing.T) {
	e := open(t, Config{})
	for _, name := range []string{"chromium-offer.sdp", "firefox-offer.sdp", "chromium-recvonly.sdp", "firefox-recvonly.sdp"} {
		l, _ := newLeg(t, e)
		text := browser(t, name)
		if _, err := l.TakeOffer(text); err != nil {
			t.Fatal(err)
		}
		answer, err := described(l.MakeAnswer(boundsOf(t, browser(t, "chromium-offer.sdp"))))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if strings.Count(answer, "m=") != strings.Count(text, "\nm=") {
			t.Errorf("%s: answer\n%s", name, answer)
		}
		out, _ := newLeg(t, e)
		if offer, err := described(out.MakeOffer(l.Bounds(), true)); err != nil || !strings.Contains(offer, "a=setup:actpass") {
			t.Errorf("%s: %v, offer\n%s", name, err, offer)
		}
	}
}

func TestExchangeOutOfOrder(t *testing.T) {
	e := open(t, Config{})
	offer := browser(t, "chromium-offer.sdp")
	l, _ := newLeg(t, e)
	if _, err := l.MakeAnswer(boundsOf(t, offer)); !errors.Is(err, leg.ErrState) {
		t.Errorf("answer without offer: %v", err)
	}
	if _, err := l.TakeAnswer(offer); !errors.Is(err, leg.ErrState) {
		t.Errorf("answer to nothing: %v", err)
	}
	if _, err := l.TakeOffer(offer); err != nil {
		t.Fatal(err)
	}
	if _, err := l.MakeOffer(boundsOf(t, offer), true); !errors.Is(err, leg.ErrState) {
		t.Errorf("offer on offer: %v", err)
	}
	if _, err := l.TakeOffer(browser(t, "firefox-offer.sdp")); err != nil {
		t.Errorf("another offer before the answer: %v", err)
	}
	if _, err := l.MakeAnswer(boundsOf(t, offer)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.TakeOffer(browser(t, "firefox-offer.sdp")); err != nil {
		t.Errorf("offer when negotiated: %v", err)
	}
	l.Close()
	l.Close()
	if _, err := l.MakeAnswer(boundsOf(t, offer)); err == nil {
		t.Error("answer when closed")
	}
	closed, _ := newLeg(t, e)
	closed.Close()
	if _, err := closed.MakeOffer(boundsOf(t, offer), true); !errors.Is(err, leg.ErrClosed) {
		t.Errorf("offer when closed: %v", err)
	}
}

func TestFailedAnswerLeavesTheOfferOut(t *testing.T) {
	e := open(t, Config{})
	l, ev := newLeg(t, e)
	c := terminal(t, mediatest.Options{Audio: "audio/opus"})
	offer, err := described(l.MakeOffer(boundsOf(t, browser(t, "chromium-recvonly.sdp")), true))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Answer(offer)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "v=0", strings.Replace(answer, "m=audio 9", "m=audio 0", 1), strings.Replace(answer, "m=audio", "m=video", 1)} {
		if _, err := l.TakeAnswer(bad); err == nil || errors.Is(err, leg.ErrBroken) {
			t.Errorf("bad answer: %v", err)
		}
	}
	if _, err := l.TakeAnswer(answer); err != nil {
		t.Fatal(err)
	}
	wait(t, "leg up", ev.up)
}

func TestExportHasAll(t *testing.T) {
	e := open(t, Config{})
	c, l, _ := connected(t, e, mediatest.Options{Audio: "audio/opus"})
	in := newSink()
	l.SetSink(in)
	for i := range uint16(5) {
		p := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: 65533 + i, Timestamp: 960 * uint32(i)}, Payload: []byte{1}}
		if err := c.Tracks["audio"].WriteRTP(p); err != nil {
			t.Fatal(err)
		}
		wait(t, "packet", in.packets)
		l.Send(0, &rtp.Header{PayloadType: l.Session().Lines[0].Codecs[0].PayloadType, SequenceNumber: 65534 + i, Timestamp: 7}, []byte{1})
	}
	s := l.Export()
	if s.Keys == nil || len(s.Keys.LocalKey) < 16 || len(s.Keys.RemoteSalt) < 12 || s.Keys.Profile == 0 {
		t.Errorf("keys %+v", s.Keys)
	}
	if !s.Connected || s.Session == nil || s.LocalUfrag == "" || s.LocalPwd == "" || !strings.HasPrefix(s.Fingerprint, "sha-256 ") ||
		!s.RemoteAddress.IsValid() || s.Session.Remote.Ufrag == "" || s.At.IsZero() || s.Session.Setup != sdp.Active {
		t.Errorf("state %+v", s)
	}
	if len(s.In) != 1 || s.In[0].Sequence != 1<<16|1 || s.In[0].Timestamp != 4*960 || s.In[0].Packets != 5 {
		t.Errorf("in %+v", s.In)
	}
	if len(s.Out) != 1 || s.Out[0].Sequence != 1<<16|2 || s.Out[0].Packets != 5 || s.Out[0].SSRC != l.Session().Lines[0].SSRC {
		t.Errorf("out %+v", s.Out)
	}
}

func TestLegMadeOfAStateRepeatsItsSession(t *testing.T) {
	e := open(t, Config{})
	old, _ := newLeg(t, e)
	c := terminal(t, mediatest.Options{Audio: "audio/opus", Video: "video/VP8"})
	from := boundsOf(t, browser(t, "chromium-offer.sdp"))
	first, err := described(old.MakeOffer(from, true))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Answer(first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.TakeAnswer(answer); err != nil {
		t.Fatal(err)
	}
	state := old.Export()
	old.Close()

	other := open(t, Config{})
	l := other.Restore(state, newEvents())
	t.Cleanup(l.Close)
	moved, err := described(l.MakeOffer(from, true))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(moved, "a=setup:actpass\r\n"); n != len(state.Session.Lines) { // whichever role the terminal has
		t.Errorf("offer of another node\n%s", moved)
	}
	before, after := state.Session, l.Session()
	if after.OriginID != before.OriginID || after.OriginVersion != before.OriginVersion+1 || len(after.Lines) != len(before.Lines) {
		t.Fatalf("session %+v after %+v", after, before)
	}
	for i := range after.Lines {
		if after.Lines[i].MID != before.Lines[i].MID || after.Lines[i].Kind != before.Lines[i].Kind {
			t.Errorf("line %d changed", i)
		}
		if after.Lines[i].SSRC == before.Lines[i].SSRC {
			t.Error("each node uses sources of its own")
		}
		for _, x := range before.Lines[i].Extensions {
			if after.Lines[i].ExtensionID(x.URI) != x.ID {
				t.Errorf("%s changed its id", x.URI)
			}
		}
	}
}

func TestTerminalWithTooManySourcesIsHeardOnSome(t *testing.T) {
	e := open(t, Config{Streams: 3})
	c := terminal(t, mediatest.Options{})
	raw, err := c.AddRaw("audio", "a")
	if err != nil {
		t.Fatal(err)
	}
	l, ev := connect(t, e, c)
	p, ok := l.(*peer)
	if !ok {
		t.Fatal("not a peer")
	}
	in := newSink()
	l.SetSink(in)
	write := func(ssrc uint32, number uint16) {
		h := rtp.Header{Version: 2, SSRC: ssrc, PayloadType: raw.PayloadType(), SequenceNumber: number}
		if err := raw.Write(&rtp.Packet{Header: h, Payload: []byte{1}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint32(50) {
		write(100+i, 7)
	}
	for range 3 {
		wait(t, "packet", in.packets)
	}
	remb := &rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: 1, Bitrate: 1e6}
	for i := range uint32(20) {
		remb.SSRCs = append(remb.SSRCs, 1000+i)
	}
	if err := c.PC.WriteRTCP([]rtcp.Packet{remb}); err != nil {
		t.Fatal(err)
	}
	// One that is known is heard after all the others.
	write(100, 8)
	for h := wait(t, "known source", in.packets); h.SSRC != 100 || h.SequenceNumber != 8; h = wait(t, "known source", in.packets) {
		if h.SSRC > 102 {
			t.Fatalf("source %d is heard", h.SSRC)
		}
	}
	select {
	case reason := <-ev.down:
		t.Errorf("the leg is lost: %s", reason)
	default:
	}
	p.Close()
	if n := len(p.now.Load().in.sources); n != 3 {
		t.Errorf("%d sources are kept", n)
	}
}

func TestSilentSourcesMakeRoom(t *testing.T) {
	in := newInbound(&transport{e: &Engine{cfg: Config{Streams: 2}}})
	now := time.Now()
	in.sources[1], in.sources[2] = &source{ssrc: 1, at: now.Add(-sourceEvery)}, &source{ssrc: 2, at: now}
	if !in.spare(now) || in.sources[1] != nil || in.sources[2] == nil {
		t.Errorf("sources %v", in.sources)
	}
	in.sources[3] = &source{ssrc: 3, at: now}
	if in.spare(now) {
		t.Error("room for one more than there may be")
	}
}

func TestSocketIgnoresWriteDeadlines(t *testing.T) {
	conns, port, err := listenAll([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := socket{conns[0], newGuard()}
	defer func() { _ = s.Close() }()
	if err := s.SetWriteDeadline(time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WriteToAddrPort([]byte("x"), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)); err != nil {
		t.Errorf("closing a leg fails other legs' writes: %v", err)
	}
}

func TestCertificateIsRenewed(t *testing.T) {
	var i identity
	_, first, err := i.current()
	if err != nil {
		t.Fatal(err)
	}
	if _, again, _ := i.current(); again != first {
		t.Error("not reused")
	}
	i.made = time.Now().Add(-renewAfter)
	if _, next, _ := i.current(); next == first {
		t.Error("not renewed")
	}
}

func TestPaddingIsNotForwarded(t *testing.T) {
	for _, tt := range []struct {
		packet []byte
		want   int
	}{
		{[]byte{0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3}, 3},
		{[]byte{0xa0, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 2}, 1},
		{[]byte{0xa0, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 3}, 0},
		{[]byte{0xa0, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 255}, 0},
		{[]byte{0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0xbe, 0xde, 0, 1, 0x10, 1, 0, 0, 7, 7}, 2},
	} {
		var h rtp.Header
		if _, err := h.Unmarshal(tt.packet); err != nil {
			t.Fatal(err)
		}
		if got := payloadOf(&h, tt.packet); len(got) != tt.want || h.Padding {
			t.Errorf("%v has payload %v", tt.packet, got)
		}
	}
}

// FuzzOffer takes any text through a whole leg: nothing panics, nothing hangs.
func FuzzOffer(f *testing.F) {
	for _, name := range []string{"chromium-offer.sdp", "firefox-offer.sdp", "firefox-recvonly.sdp", "chromium-answer.sdp"} {
		f.Add(browser(f, name))
	}
	e := open(f, Config{})
	peer := boundsOf(f, browser(f, "chromium-offer.sdp"))
	f.Fuzz(func(t *testing.T, text string) {
		l := e.New(newEvents())
		defer l.Close()
		l.AddCandidate(&callv1.Candidate{Candidate: text})
		if _, err := l.TakeOffer(text); err != nil {
			return
		}
		if _, err := l.MakeAnswer(peer); errors.Is(err, leg.ErrBroken) {
			t.Fatalf("the engine was given something it does not take: %v\n%s", err, text)
		}
		out := e.New(newEvents())
		defer out.Close()
		if _, err := out.MakeOffer(l.Bounds(), true); err == nil {
			if _, err := out.TakeAnswer(text); errors.Is(err, leg.ErrBroken) {
				t.Fatalf("the engine was given something it does not take: %v\n%s", err, text)
			}
		}
	})
}

// attribute gives the first value of an attribute in a description.
func attribute(text, name string) string {
	_, rest, _ := strings.Cut(text, "a="+name+":")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// of makes a candidate of a generation.
func of(text, ufrag string) *callv1.Candidate {
	return &callv1.Candidate{Candidate: text, Ufrag: ufrag, MLine: -1}
}
