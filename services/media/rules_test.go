package media

import (
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

func TestOneUDPPortForAllLegs(t *testing.T) {
	r := newRig(t)
	port := r.s.Addr().Port()
	o := mediatest.Options{Audio: "audio/opus", Video: "video/VP8"}
	for range 2 {
		c := newCall()
		a, b := client(t, o), client(t, o)
		r.connect(c, a, b)
		for _, x := range []*mediatest.Client{a, b} {
			pair, err := x.PC.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
			if err != nil || pair.Remote.Port != port {
				t.Errorf("connected to %v, %v; the port is %d", pair, err, port)
			}
		}
	}
}

func TestDescriptionsGivenToTerminals(t *testing.T) {
	r := newRig(t, func(c *Config) { c.ExternalIP = []string{"192.0.2.1", "198.51.100.1:4000", "localhost:4001"} })
	c := newCall()
	o := mediatest.Options{Audio: "audio/opus", Video: "video/VP8", Data: true}
	a, b := client(t, o), client(t, o)
	made := r.must(c, opTakeOffer(c.leg(1), check[string](t)(a.Offer())), opMakeOffer(c.leg(2), c.leg(1)))
	answer := check[string](t)(b.Answer(made[1].GetSdp()))
	results := r.must(c, opTakeAnswer(c.leg(2), answer), opMakeAnswer(c.leg(1), c.leg(2)))
	roles := map[string]string{"offer": "a=setup:actpass\r\n", "answer": "a=setup:active\r\n"}
	for name, sdp := range map[string]string{"offer": made[1].GetSdp(), "answer": results[1].GetSdp()} {
		for _, bad := range []string{"a=rtcp:", "ice-lite", ".local", "tcptype", "127.0.0.1 " + strings.TrimPrefix(r.s.Addr().String(), "127.0.0.1:")} {
			if strings.Contains(sdp, bad) {
				t.Errorf("%s contains %q", name, bad)
			}
		}
		for _, want := range []string{
			roles[name], " 192.0.2.1 " + strings.TrimPrefix(r.s.Addr().String(), "127.0.0.1:") + " typ host\r\n",
			" 198.51.100.1 4000 typ host\r\n", " 127.0.0.1 4001 typ host\r\n", "a=end-of-candidates\r\n", "a=rtcp-mux\r\n",
		} {
			if !strings.Contains(sdp, want) {
				t.Errorf("%s has no %q:\n%s", name, want, sdp)
			}
		}
	}
	// The data channel is refused in the caller's answer and keeps its slot.
	if !strings.Contains(results[1].GetSdp(), "m=application 0 ") {
		t.Error("no refused data channel in the answer")
	}
	if k := results[1].GetSkeleton(); len(k.GetMLines()) != 3 || k.GetDtlsRole() != "active" {
		t.Errorf("skeleton %v", k)
	}
	if k := made[1].GetSkeleton(); k.GetDtlsRole() != "" || k.GetOriginVersion() != 1 || len(k.GetMLines()) != 2 {
		t.Errorf("skeleton of an offer %v", k)
	}
}

func TestCertificateIsShared(t *testing.T) {
	r := newRig(t)
	prints := map[string]bool{}
	for range 2 {
		c := newCall()
		_, offer := offerOf(t)
		made := r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
		_, rest, _ := strings.Cut(made[1].GetSdp(), "a=fingerprint:")
		print, _, _ := strings.Cut(rest, "\r\n")
		prints[print] = true
	}
	if len(prints) != 1 {
		t.Errorf("certificates %v", prints)
	}
}

func TestTerminalThatWantsToBeActive(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, b := client(t, mediatest.Options{Audio: "audio/opus"}), client(t, mediatest.Options{Audio: "audio/opus"})
	offer := strings.ReplaceAll(check[string](t)(a.Offer()), "a=setup:actpass", "a=setup:active")
	made := r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
	answer := check[string](t)(b.Answer(made[1].GetSdp()))
	results := r.must(c, opTakeAnswer(c.leg(2), answer), opMakeAnswer(c.leg(1), c.leg(2)))
	if !strings.Contains(results[1].GetSdp(), "a=setup:passive") || results[1].GetSkeleton().GetDtlsRole() != "passive" {
		t.Errorf("answer:\n%s", results[1].GetSdp())
	}
	if err := a.Take(results[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	closedIn(t, "caller connected", a.Connected())
}

// A terminal with ICE-lite answers checks only, whoever offers (RFC 8445 section 6.1.1).
func TestTerminalsWithICELite(t *testing.T) {
	r := newRig(t)
	c := newCall()
	lite := mediatest.Options{Audio: "audio/opus", Settings: func(s *webrtc.SettingEngine) { s.SetLite(true) }}
	a, b := client(t, lite), client(t, lite)
	offer := check[string](t)(a.Offer())
	if !strings.Contains(offer, "a=ice-lite\r\n") {
		t.Fatalf("the client is none:\n%s", offer)
	}
	made := r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
	answer := check[string](t)(b.Answer(made[1].GetSdp()))
	results := r.must(c, opTakeAnswer(c.leg(2), answer), opMakeAnswer(c.leg(1), c.leg(2)))
	if err := a.Take(results[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	closedIn(t, "caller connected", a.Connected())
	closedIn(t, "callee connected", b.Connected())
}

func TestCallerThatOnlyListens(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a := client(t, mediatest.Options{Audio: "audio/opus", Direction: webrtc.RTPTransceiverDirectionRecvonly})
	b := client(t, mediatest.Options{Audio: "audio/opus"})
	offer := check[string](t)(a.Offer())
	made := r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
	if !strings.Contains(made[1].GetSdp(), "a=recvonly\r\n") { // asks the callee to send only
		t.Errorf("offer:\n%s", made[1].GetSdp())
	}
	answer := check[string](t)(b.Answer(made[1].GetSdp()))
	results := r.must(c, opTakeAnswer(c.leg(2), answer), opMakeAnswer(c.leg(1), c.leg(2)), opBridge(c.leg(1), c.leg(2)))
	if err := a.Take(results[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	closedIn(t, "caller connected", a.Connected())
	send(t, b, "audio")
	until(t, "caller hears", func() bool { return a.Audio.Load() > 5 })
	if b.Audio.Load() != 0 {
		t.Error("the callee hears something")
	}
}

func TestNoCodecInCommonIsNotAcceptable(t *testing.T) {
	only := func(c webrtc.RTPCodecCapability, pt webrtc.PayloadType) func(*webrtc.MediaEngine) error {
		return func(m *webrtc.MediaEngine) error {
			return m.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: c, PayloadType: pt}, webrtc.RTPCodecTypeAudio)
		}
	}
	r := newRig(t)
	c := newCall()
	a := client(t, mediatest.Options{Audio: "audio/ISAC", Register: only(webrtc.RTPCodecCapability{MimeType: "audio/ISAC", ClockRate: 16000}, 103)})
	if got := code(r.do(c, "1", 1, opTakeOffer(c.leg(1), check[string](t)(a.Offer())))); got != callv1.Code_CODE_NOT_ACCEPTABLE {
		t.Errorf("offer of an unknown codec: %v", got)
	}
	a = client(t, mediatest.Options{Audio: "audio/opus"})
	made := r.must(c, opTakeOffer(c.leg(1), check[string](t)(a.Offer())), opMakeOffer(c.leg(2), c.leg(1)))
	refusal := strings.NewReplacer("m=audio "+strings.TrimPrefix(r.s.Addr().String(), "127.0.0.1:"), "m=audio 0", "a=setup:active", "a=setup:passive").Replace(made[1].GetSdp())
	if got := code(r.do(c, "2", 1, opTakeAnswer(c.leg(2), refusal))); got != callv1.Code_CODE_NOT_ACCEPTABLE {
		t.Errorf("answer that refuses all: %v", got)
	}
}

func TestPayloadTypesAreRewritten(t *testing.T) {
	at := func(pt webrtc.PayloadType) func(*webrtc.MediaEngine) error {
		return func(m *webrtc.MediaEngine) error {
			return m.RegisterCodec(webrtc.RTPCodecParameters{
				RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/opus", ClockRate: 48000, Channels: 2}, PayloadType: pt,
			}, webrtc.RTPCodecTypeAudio)
		}
	}
	r := newRig(t)
	a := client(t, mediatest.Options{Audio: "audio/opus", Register: at(120)})
	b := client(t, mediatest.Options{Audio: "audio/opus", Register: at(45)})
	c := newCall()
	r.connect(c, a, b)
	send(t, a, "audio")
	send(t, b, "audio")
	if p := wait(a.Packets); p.PayloadType != 120 {
		t.Errorf("the caller gets payload type %d", p.PayloadType)
	}
	p := wait(b.Packets)
	if p.PayloadType == 120 || len(p.Payload) != 160 || p.Timestamp < 50000 {
		t.Errorf("the callee gets %v", p.Header)
	}
	// The stream is continuous: each number once, in order.
	for i, last := 0, p.SequenceNumber; i < 20; i++ {
		q := wait(b.Packets)
		if q.SequenceNumber != last+1 || q.SSRC != p.SSRC {
			t.Fatalf("number %d after %d", q.SequenceNumber, last)
		}
		last = q.SequenceNumber
	}
}

// rtcpOf waits for an RTCP packet of a type at a client.
func rtcpOf[P rtcp.Packet](t *testing.T, c *mediatest.Client, accept func(P) bool) P {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case p := <-c.RTCP:
			if want, ok := p.(P); ok && accept(want) {
				return want
			}
		case <-deadline:
			t.Fatalf("no such RTCP packet")
		}
	}
}

func TestFeedbackCrossesTheBridge(t *testing.T) {
	r := newRig(t)
	o := mediatest.Options{Audio: "audio/opus", Video: "video/VP8"}
	a, b := client(t, o), client(t, o)
	c := newCall()
	r.connect(c, a, b)
	send(t, a, "video")
	until(t, "callee sees", func() bool { return b.Video.Load() > 5 })
	var ssrc uint32
	for p := wait(b.Packets); ; p = wait(b.Packets) {
		if p.Kind == "video" {
			ssrc = p.SSRC
			break
		}
	}
	source := uint32(videoSender(t, a).GetParameters().Encodings[0].SSRC)

	t.Run("key frame requests reach the source, by PLI or FIR", func(t *testing.T) {
		for _, q := range []rtcp.Packet{
			&rtcp.PictureLossIndication{MediaSSRC: ssrc},
			&rtcp.FullIntraRequest{MediaSSRC: ssrc, FIR: []rtcp.FIREntry{{SSRC: ssrc, SequenceNumber: 1}}},
		} {
			drain(a.RTCP)
			if err := b.PC.WriteRTCP([]rtcp.Packet{q}); err != nil {
				t.Fatal(err)
			}
			rtcpOf(t, a, func(p *rtcp.PictureLossIndication) bool { return p.MediaSSRC == source })
		}
	})
	t.Run("bandwidth reaches the source", func(t *testing.T) {
		if err := b.PC.WriteRTCP([]rtcp.Packet{&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 500000, SSRCs: []uint32{ssrc}}}); err != nil {
			t.Fatal(err)
		}
		got := rtcpOf(t, a, func(p *rtcp.ReceiverEstimatedMaximumBitrate) bool { return p.SSRCs[0] == source })
		if got.Bitrate < 450000 || got.Bitrate > 500000 {
			t.Errorf("bitrate %v", got.Bitrate)
		}
	})
	t.Run("transport-wide feedback is made on the leg", func(t *testing.T) {
		rtcpOf(t, a, func(*rtcp.TransportLayerCC) bool { return true })
	})
	t.Run("sender reports keep wall clock and timestamps together", func(t *testing.T) {
		report := rtcpOf(t, b, func(p *rtcp.SenderReport) bool { return p.SSRC == ssrc })
		if report.PacketCount == 0 || report.NTPTime == 0 {
			t.Errorf("report %+v", report)
		}
	})
	t.Run("losses are repaired on the callee's leg", func(t *testing.T) {
		before := b.Video.Load()
		drain(b.Packets)
		p := wait(b.Packets)
		for p.Kind != "video" {
			p = wait(b.Packets)
		}
		if err := b.PC.WriteRTCP([]rtcp.Packet{&rtcp.TransportLayerNack{MediaSSRC: ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{p.SequenceNumber})}}); err != nil {
			t.Fatal(err)
		}
		until(t, "sent again", func() bool { return r.s.member(c.leg(2)).now.Load().leg.Stats().Retransmitted == 1 })
		until(t, "goes on", func() bool { return b.Video.Load() > before+5 })
	})
}

func videoSender(t *testing.T, c *mediatest.Client) *webrtc.RTPSender {
	t.Helper()
	for _, s := range c.PC.GetSenders() {
		if s.Track() != nil && s.Track().Kind() == webrtc.RTPCodecTypeVideo {
			return s
		}
	}
	t.Fatal("no video sender")
	return nil
}

func drain[T any](c chan T) {
	for {
		select {
		case <-c:
		default:
			return
		}
	}
}

func TestStartingABridgeAsksForAKeyFrame(t *testing.T) {
	r := newRig(t)
	o := mediatest.Options{Video: "video/VP8"}
	a, b := client(t, o), client(t, o)
	c := newCall()
	made := r.must(c, opTakeOffer(c.leg(1), check[string](t)(a.Offer())), opMakeOffer(c.leg(2), c.leg(1)))
	answer := check[string](t)(b.Answer(made[1].GetSdp()))
	results := r.must(c, opTakeAnswer(c.leg(2), answer), opMakeAnswer(c.leg(1), c.leg(2)))
	if err := a.Take(results[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	closedIn(t, "connected", a.Connected())
	closedIn(t, "connected", b.Connected())
	send(t, a, "video")
	until(t, "packets come in", func() bool { return r.s.member(c.leg(1)).now.Load().leg.Stats().PacketsIn > 5 })
	r.must(c, opBridge(c.leg(1), c.leg(2)))
	rtcpOf(t, a, func(*rtcp.PictureLossIndication) bool { return true })
	until(t, "callee sees", func() bool { return b.Video.Load() > 5 })
}

func TestTerminalsThatDeclareNoSources(t *testing.T) {
	strip := func(sdp string) string {
		var keep []string
		for l := range strings.SplitSeq(sdp, "\r\n") {
			if !strings.HasPrefix(l, "a=ssrc") {
				keep = append(keep, l)
			}
		}
		return strings.Join(keep, "\r\n")
	}
	for name, o := range map[string]mediatest.Options{
		"audio":           {Audio: "audio/opus"},
		"audio and video": {Audio: "audio/opus", Video: "video/VP8"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			a, b := client(t, o), client(t, o)
			c := newCall()
			made := r.must(c, opTakeOffer(c.leg(1), strip(check[string](t)(a.Offer()))), opMakeOffer(c.leg(2), c.leg(1)))
			answer := strip(check[string](t)(b.Answer(made[1].GetSdp())))
			results := r.must(c, opTakeAnswer(c.leg(2), answer), opMakeAnswer(c.leg(1), c.leg(2)), opBridge(c.leg(1), c.leg(2)))
			if err := a.Take(results[1].GetSdp()); err != nil {
				t.Fatal(err)
			}
			closedIn(t, "connected", a.Connected())
			closedIn(t, "connected", b.Connected())
			for _, x := range []*mediatest.Client{a, b} {
				for id := range x.Tracks {
					send(t, x, id)
				}
			}
			until(t, "both hear", func() bool { return a.Audio.Load() > 5 && b.Audio.Load() > 5 })
			if o.Video != "" {
				until(t, "both see", func() bool { return a.Video.Load() > 5 && b.Video.Load() > 5 })
			}
		})
	}
}
