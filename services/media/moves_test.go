package media

import (
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

// only registers one audio codec, with telephone events.
func only(mime string, clock uint32, pt webrtc.PayloadType) func(*webrtc.MediaEngine) error {
	return func(m *webrtc.MediaEngine) error {
		for n, x := range map[webrtc.PayloadType]webrtc.RTPCodecCapability{
			pt: {MimeType: mime, ClockRate: clock}, 110: {MimeType: "audio/telephone-event", ClockRate: clock},
		} {
			if err := m.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: x, PayloadType: n}, webrtc.RTPCodecTypeAudio); err != nil {
				return err
			}
		}
		return nil
	}
}

// pull has a terminal of its own take a leg's place, as call state does it.
func (r *rig) pull(c call, p, old, far *party) {
	r.t.Helper()
	offer := check[string](r.t)(p.Offer())
	results := r.must(c, revised(opTakeOffer(p.leg, offer), p.used), revised(opMakeAnswer(p.leg, far.leg), p.used))
	r.must(c, opKeep(p.leg), opBridge(p.leg, far.leg), opRelease(old.leg))
	if err := p.Take(results[1].GetSdp()); err != nil {
		r.t.Fatal(err)
	}
}

func TestPulledCallRunsOnForTheOtherSide(t *testing.T) {
	r := newRig(t)
	c := newCall()
	o := mediatest.Options{Audio: "audio/opus", Video: "video/VP8"}
	a, b := r.talk(c, o)
	for _, id := range []string{"audio", "video"} {
		send(t, a.Client, id)
		send(t, b.Client, id)
	}
	sound, picture := newWatch(b.Client), newWatch(b.Client)
	picture.kind = "video"
	both := func(what string, more int) {
		t.Helper()
		// Both watch one channel: they take turns.
		for w, n := sound, 0; n < 2; n++ {
			drain(b.Packets)
			from := w.n
			until(t, what+": "+w.kind, func() bool { return w.read(t) >= from+more })
			w = picture
		}
	}
	both("before", 10)
	for i := range uint32(3) {
		next := &party{client(t, o), c.leg(3 + i), 1}
		r.pull(c, next, a, b)
		closedIn(t, "who pulls connected", next.Connected())
		closedIn(t, "who is left is let go", a.Gone())
		send(t, next.Client, "audio")
		send(t, next.Client, "video")
		both("after", 20)
		until(t, "who pulled hears and sees", func() bool { return next.Audio.Load() > 10 && next.Video.Load() > 10 })
		source := uint32(videoSender(t, next.Client).GetParameters().Encodings[0].SSRC)
		rtcpOf(t, next.Client, func(p *rtcp.PictureLossIndication) bool { return p.MediaSSRC == source })
		a = next
	}
	if r.s.Legs() != 2 {
		t.Errorf("%d legs", r.s.Legs())
	}
	// Releasing a leg once more disturbs nobody.
	r.must(c, opRelease(c.leg(1)), opRelease(c.leg(3)))
	both("at the end", 10)
	for len(r.facts) > 0 {
		if f := <-r.facts; f.GetMediaFailed() != nil {
			t.Errorf("fact %v", f)
		}
	}
}

func TestPullWithoutACodecInCommonIsRefused(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, b := r.talk(c, mediatest.Options{Audio: "audio/opus", Register: only("audio/opus", 48000, 111)})
	send(t, a.Client, "audio")
	other := client(t, mediatest.Options{Audio: "audio/PCMU", Register: only("audio/PCMU", 8000, 0)})
	offer := check[string](t)(other.Offer())
	reply := r.do(c, "pull", 1, opTakeOffer(c.leg(3), offer), opMakeAnswer(c.leg(3), b.leg))
	if code(reply) != callv1.Code_CODE_NOT_ACCEPTABLE {
		t.Errorf("reply %v", reply)
	}
	r.must(c, opRelease(c.leg(3)))
	before := b.Audio.Load()
	until(t, "the call stays where it was", func() bool { return b.Audio.Load() > before+5 })
}

func TestCandidateIsOfferedWhatTheFarLegHas(t *testing.T) {
	r := newRig(t)
	c := newCall()
	o := mediatest.Options{Audio: "audio/opus"}
	a, b := r.talk(c, mediatest.Options{Audio: "audio/opus", Register: only("audio/opus", 48000, 111)})
	send(t, a.Client, "audio")
	send(t, b.Client, "audio")
	sound := newWatch(b.Client)
	until(t, "callee hears", func() bool { return sound.read(t) > 5 })
	phone, late := client(t, o), client(t, o)
	made := r.must(c, opMakeOffer(c.leg(3), b.leg), opMakeOffer(c.leg(4), b.leg), opKeep(c.leg(3)), opKeep(c.leg(4)))
	for i, p := range []*mediatest.Client{phone, late} {
		if strings.Contains(made[i].GetSdp(), "m=video") || strings.Contains(made[i].GetSdp(), "PCMU") {
			t.Errorf("offered more than the far leg has:\n%s", made[i].GetSdp())
		}
		answer := check[string](t)(p.Answer(made[i].GetSdp()))
		r.must(c, opTakeAnswer(c.leg(3+uint32(i)), answer)) //nolint:gosec // small
	}
	r.must(c, opKeep(c.leg(3)), opBridge(c.leg(3), b.leg), opRelease(a.leg), opRelease(c.leg(4)))
	closedIn(t, "phone connected", phone.Connected())
	send(t, phone, "audio")
	n := sound.read(t)
	until(t, "callee hears the phone on the same stream", func() bool { return sound.read(t) > n+20 })
	until(t, "phone hears", func() bool { return phone.Audio.Load() > 10 })
}

func TestEarlyMediaThenAnotherAnswers(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a := client(t, mediatest.Options{Audio: "audio/opus"})
	b1, b2 := client(t, mediatest.Options{Audio: "audio/opus"}), client(t, mediatest.Options{Audio: "audio/opus"})
	b3 := client(t, mediatest.Options{Audio: "audio/PCMU", Register: only("audio/PCMU", 8000, 0)})
	made := r.must(c, opTakeOffer(c.leg(1), check[string](t)(a.Offer())),
		opMakeOffer(c.leg(2), c.leg(1)), opMakeOffer(c.leg(3), c.leg(1)), opMakeOffer(c.leg(4), c.leg(1)),
		opKeep(c.leg(1)), opKeep(c.leg(2)), opKeep(c.leg(3)), opKeep(c.leg(4)))
	// The first one's network has a voice, in opus alone.
	early := strings.NewReplacer("SAVPF 96 9 0 8", "SAVPF 96", "SAVPF 96 97 0 8", "SAVPF 96").Replace(check[string](t)(b1.Answer(made[1].GetSdp())))
	results := r.must(c, opTakeAnswer(c.leg(2), early), opMakeAnswer(c.leg(1), c.leg(2)), opBridge(c.leg(1), c.leg(2)))
	if n := len(results[1].GetSkeleton().GetMLines()[0].GetCodecs()); n != 1 {
		t.Fatalf("the caller has %d codecs:\n%s", n, early)
	}
	if err := a.Take(results[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	closedIn(t, "caller connected", a.Connected())
	send(t, b1, "audio")
	sound := newWatch(a)
	until(t, "caller hears it ring", func() bool { return sound.read(t) > 5 })
	// One that answers with what the caller cannot have.
	none := check[string](t)(b3.Answer(made[3].GetSdp()))
	if got := code(r.do(c, "no codec", 1, opTakeAnswer(c.leg(4), none), opBridge(c.leg(1), c.leg(4)))); got != callv1.Code_CODE_NOT_ACCEPTABLE {
		t.Errorf("nothing fits: %v", got)
	}
	n := sound.read(t)
	until(t, "it rings on", func() bool { return sound.read(t) > n+5 })
	answer := check[string](t)(b2.Answer(made[2].GetSdp()))
	r.must(c, opTakeAnswer(c.leg(3), answer), opBridge(c.leg(1), c.leg(3)), opKeep(c.leg(3)), opRelease(c.leg(2)), opRelease(c.leg(4)))
	closedIn(t, "callee connected", b2.Connected())
	send(t, b2, "audio")
	n = sound.read(t)
	until(t, "caller hears who answered, on the same stream", func() bool { return sound.read(t) > n+10 })
	send(t, a, "audio")
	until(t, "who answered hears", func() bool { return b2.Audio.Load() > 5 })
}

// event is a digit that a terminal has heard.
type event struct {
	code   byte
	length time.Duration
}

// ear hears digits; the end of one comes several times.
type ear struct {
	c     *mediatest.Client
	clock uint32
	ended map[uint32]bool
	begun map[byte]uint32
}

// digits gives the next ones.
func (e *ear) digits(t *testing.T, count int) []event {
	t.Helper()
	var list []event
	deadline := time.After(patience)
	for len(list) < count {
		select {
		case p := <-e.c.Packets:
			if len(p.Payload) != 4 || e.ended[p.Timestamp] {
				continue
			}
			if _, ok := e.begun[p.Payload[0]]; !ok {
				e.begun[p.Payload[0]] = p.Timestamp
			}
			if p.Payload[1]&0x80 != 0 {
				e.ended[p.Timestamp] = true
				units := p.Timestamp - e.begun[p.Payload[0]] + uint32(p.Payload[2])<<8 + uint32(p.Payload[3])
				list = append(list, event{p.Payload[0], time.Duration(units) * time.Second / time.Duration(e.clock)})
				delete(e.begun, p.Payload[0])
			}
		case <-deadline:
			t.Fatalf("digits %v", list)
		}
	}
	return list
}

func (r *rig) digit(leg, digit string, milliseconds uint32) {
	r.t.Helper()
	d := &callv1.Dtmf{Digit: digit, DurationMs: milliseconds}
	if err := r.other.Signal("m1", &callv1.Signal{LegId: leg, Body: &callv1.Signal_Dtmf{Dtmf: d}}); err != nil {
		r.t.Fatal(err)
	}
}

func TestDigitsOutliveMovesAndReoffers(t *testing.T) {
	r := newRig(t)
	c := newCall()
	o := mediatest.Options{Audio: "audio/opus", Register: only("audio/opus", 48000, 111)}
	a, b := r.talk(c, o)
	send(t, a.Client, "audio")
	until(t, "callee hears", func() bool { return b.Audio.Load() > 5 })
	drain(b.Packets)
	r.digit(a.leg, "1", 1600) // longer than one event's duration field can say
	r.digit(a.leg, "2", 300)
	// While they are sent, the caller offers anew, and then another takes its place.
	results := r.reoffer(c, a, b, check[string](t)(a.Offer()))
	if err := a.Take(results[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	next := &party{client(t, o), c.leg(3), 1}
	r.pull(c, next, a, b)
	closedIn(t, "who pulls connected", next.Connected())
	e := &ear{b.Client, 48000, map[uint32]bool{}, map[byte]uint32{}}
	got := e.digits(t, 2)
	r.digit(next.leg, "3", 200)
	got = append(got, e.digits(t, 1)...)
	for i, want := range []event{{1, 1600 * time.Millisecond}, {2, 300 * time.Millisecond}, {3, 200 * time.Millisecond}} {
		if d := got[i].length - want.length; got[i].code != want.code || d < 0 || d > 40*time.Millisecond {
			t.Errorf("digit %d: %v, not %v", i, got[i], want)
		}
	}
}

func TestReleasedLegsDigitsAreDropped(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, b := r.talk(c, mediatest.Options{Audio: "audio/opus", Register: only("audio/opus", 48000, 111)})
	for range 20 {
		r.digit(a.leg, "1", 1000)
	}
	r.must(c, opRelease(a.leg), opRelease(b.leg))
	r.digit(a.leg, "1", 0)
	r.digit(schema.LegID(c.id, 9), "1", 0)
	r.stop()
	until(t, "nothing is left", func() bool { return r.s.Legs() == 0 })
}
