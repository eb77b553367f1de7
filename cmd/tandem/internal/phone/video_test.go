package phone

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// core is the exchange's end of a call with video, as a browser would have it.
type core struct {
	t      *testing.T
	pc     *webrtc.PeerConnection
	tracks []*webrtc.TrackLocalStaticRTP
	got    chan string // mime types of what comes back
	keys   chan struct{}
	id     string
	said   chan *message
}

func newCore(t *testing.T, x *exchange) *core {
	t.Helper()
	api, err := newAPI(true)
	if err != nil {
		t.Fatal(err)
	}
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	c := &core{
		t: t, pc: pc, id: newUUID(), got: make(chan string, 16), keys: make(chan struct{}, 16), said: make(chan *message, 16),
	}
	for _, mime := range []string{webrtc.MimeTypeOpus, webrtc.MimeTypeVP8} {
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, mime, "core")
		if err != nil {
			t.Fatal(err)
		}
		sender, err := pc.AddTrack(track)
		if err != nil {
			t.Fatal(err)
		}
		c.tracks = append(c.tracks, track)
		go func() {
			for {
				packets, _, err := sender.ReadRTCP()
				if err != nil {
					return
				}
				for _, p := range packets {
					if _, ok := p.(*rtcp.PictureLossIndication); ok {
						c.keys <- struct{}{}
					}
				}
			}
		}()
	}
	pc.OnTrack(func(r *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		if _, _, err := r.ReadRTP(); err == nil {
			if r.Kind() == webrtc.RTPCodecTypeVideo {
				_ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(r.SSRC())}})
			}
			c.got <- r.Codec().MimeType
		}
	})
	x.mu.Lock()
	defer x.mu.Unlock()
	x.script = func(_ string, m *message, _ func(*message)) bool {
		if m.GetCallId() != c.id {
			return false
		}
		c.said <- m
		return true
	}
	return c
}

// offer calls the phone that listens, with a description of its own.
func (c *core) offer(x *exchange, change func(string) string) {
	c.t.Helper()
	d, err := c.pc.CreateOffer(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(c.pc)
	if err := c.pc.SetLocalDescription(d); err != nil {
		c.t.Fatal(err)
	}
	<-gathered
	x.mu.Lock()
	defer x.mu.Unlock()
	x.say(two, offerMessage(c.id, change(c.pc.LocalDescription().SDP), one))
}

// answered waits for the phone's answer.
func (c *core) answered() string {
	c.t.Helper()
	for {
		select {
		case m := <-c.said:
			sdp := m.GetAnswer().GetSdp()
			if sdp == "" {
				continue
			}
			if err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp}); err != nil {
				c.t.Fatal(err)
			}
			return sdp
		case <-time.After(patience):
			c.t.Fatal("no answer")
		}
	}
}

// speak sends both kinds of media until ctx ends.
func (c *core) speak(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := uint16(1); ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, t := range c.tracks {
			_ = t.WriteRTP(&rtp.Packet{
				Header:  rtp.Header{Version: 2, SequenceNumber: n, Timestamp: uint32(n) * 960, Marker: true},
				Payload: []byte{0x90, 0x80, 0x01, 0x02},
			})
		}
	}
}

// An echo answers video and sends it back; a key frame that is wanted of it, it
// wants in turn.
func TestVideoEcho(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	l := x.listen(t, ListenOptions{Echo: true, Count: 1})
	c := newCore(t, x)
	c.offer(x, func(s string) string { return s })
	answer := c.answered()
	if strings.Count(answer, "a=sendrecv") != 2 {
		t.Errorf("answered by\n%s", answer)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go c.speak(ctx)
	heard := map[string]bool{}
	for range 2 {
		select {
		case mime := <-c.got:
			heard[mime] = true
		case <-time.After(patience):
			t.Fatalf("only %v came back", heard)
		}
	}
	if !heard[webrtc.MimeTypeOpus] || !heard[webrtc.MimeTypeVP8] {
		t.Errorf("%v came back", heard)
	}
	select {
	case <-c.keys:
	case <-time.After(patience):
		t.Error("no key frame was asked for")
	}
	x.mu.Lock()
	x.say(two, byeMessage(c.id))
	x.mu.Unlock()
	got := l.ends(t, ExitOK)
	if got[0].RxVideoPackets == 0 || got[0].RxPackets == 0 || got[0].Peer != one {
		t.Errorf("the phone received %+v", got)
	}
}

// Video is received without being sent, and a description that wants nothing
// gets nothing.
func TestDirections(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(string) string{
		"a=sendrecv|a=recvonly": func(s string) string { return s },
		"a=recvonly|a=recvonly": func(s string) string { return strings.ReplaceAll(s, "a=sendrecv", "a=sendonly") },
		"a=inactive|a=inactive": func(s string) string { return strings.ReplaceAll(s, "a=sendrecv", "a=inactive") },
	} {
		x := startExchange(t)
		x.listen(t, ListenOptions{})
		c := newCore(t, x)
		c.offer(x, change)
		var got []string
		for line := range strings.Lines(c.answered()) {
			switch line = strings.TrimSpace(line); line {
			case "a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive":
				got = append(got, line)
			}
		}
		if strings.Join(got, "|") != want {
			t.Errorf("answered by %v, want %s", got, want)
		}
	}
}

// The server's role is taken as offered: one that says active is waited for.
func TestDTLSRole(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	x.listen(t, ListenOptions{})
	c := newCore(t, x)
	c.offer(x, func(s string) string { return strings.ReplaceAll(s, "a=setup:actpass", "a=setup:active") })
	if sdp := c.answered(); !strings.Contains(sdp, "a=setup:passive") {
		t.Errorf("answered by\n%s", sdp)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go c.speak(ctx)
	select {
	case <-c.got:
	case <-time.After(patience):
		t.Error("no media")
	}
}

// Names of codecs mean the same in any case.
func TestCodecInCapitals(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	x.listen(t, ListenOptions{})
	c := newCore(t, x)
	c.offer(x, func(s string) string { return strings.ReplaceAll(s, "opus/48000", "OPUS/48000") })
	if sdp := c.answered(); !strings.Contains(strings.ToLower(sdp), " opus/48000/2") {
		t.Errorf("answered by\n%s", sdp)
	}
}

// A later offer on the same transport is answered on it; one with another
// certificate gets a new one.
func TestRenegotiation(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	l := x.listen(t, ListenOptions{Count: 1})
	c := newCore(t, x)
	same := func(s string) string { return s }
	c.offer(x, same)
	first := c.answered()
	l.stderr.waitFor(t, "connected")
	c.offer(x, same)
	if second := c.answered(); fingerprint(second) != fingerprint(first) {
		t.Error("the same transport was answered by another one")
	}
	l.stderr.waitFor(t, "renegotiated")

	d := newCore(t, x)
	x.mu.Lock()
	d.id = c.id
	x.mu.Unlock()
	d.offer(x, same)
	if third := d.answered(); fingerprint(third) == fingerprint(first) {
		t.Error("another transport was answered by the old one")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go d.speak(ctx)
	select {
	case <-d.got:
	case <-time.After(patience):
		t.Error("no media over the new transport")
	}
	x.mu.Lock()
	x.say(two, byeMessage(c.id))
	x.mu.Unlock()
	l.ends(t, ExitOK)
}

// A description without audio, or that is none, ends the call.
func TestUnusableOffer(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	l := x.listen(t, ListenOptions{Count: 2})
	c := newCore(t, x)
	c.offer(x, func(s string) string { return "v=0" })
	if got := byeOf(t, c); got.GetBye() == nil {
		t.Errorf("said %v", got)
	}
	x.mu.Lock()
	c.id = newUUID()
	x.say(two, offerMessage(c.id, "", one))
	x.mu.Unlock()
	byeOf(t, c)
	if got := l.ends(t, ExitOK); len(got) != 2 || got[0].Reason != MediaFailed {
		t.Errorf("results %+v", got)
	}
}

// byeOf waits for the phone's Bye.
func byeOf(t *testing.T, c *core) *message {
	t.Helper()
	for {
		select {
		case m := <-c.said:
			if m.GetBye() != nil {
				return m
			}
		case <-time.After(patience):
			t.Fatal("no Bye")
		}
	}
}
