package media

import (
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

func TestCallForwardsAudioAndVideoBothWays(t *testing.T) {
	r := newRig(t)
	o := mediatest.Options{Audio: "audio/opus", Video: "video/VP8"}
	a, b := client(t, o), client(t, o)
	c := newCall()
	r.connect(c, a, b)
	for _, x := range []*mediatest.Client{a, b} {
		send(t, x, "audio")
		send(t, x, "video")
	}
	for name, x := range map[string]*mediatest.Client{"caller": a, "callee": b} {
		until(t, name+" hears", func() bool { return x.Audio.Load() > 20 })
		until(t, name+" sees", func() bool { return x.Video.Load() > 20 })
	}
	r.must(c, opRelease(c.leg(1)), opRelease(c.leg(2)))
	closedIn(t, "caller's end", a.Gone())
	closedIn(t, "callee's end", b.Gone())
	if n := r.s.Legs(); n != 0 {
		t.Errorf("%d legs left", n)
	}
}

func TestCallInEachAudioCodec(t *testing.T) {
	r := newRig(t)
	for _, codec := range []webrtc.RTPCodecParameters{
		{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/opus", ClockRate: 48000, Channels: 2}, PayloadType: 96},
		{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/PCMU", ClockRate: 8000}, PayloadType: 0},
		{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/PCMA", ClockRate: 8000}, PayloadType: 8},
		{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/G722", ClockRate: 8000}, PayloadType: 9},
		{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/PCMU", ClockRate: 8000}, PayloadType: 118},
	} {
		t.Run(codec.MimeType, func(t *testing.T) {
			o := mediatest.Options{Audio: codec.MimeType, Register: func(m *webrtc.MediaEngine) error {
				return m.RegisterCodec(codec, webrtc.RTPCodecTypeAudio)
			}}
			a, b := client(t, o), client(t, o)
			r.connect(newCall(), a, b)
			send(t, a, "audio")
			send(t, b, "audio")
			until(t, "both hear", func() bool { return a.Audio.Load() > 5 && b.Audio.Load() > 5 })
			drain(r.facts)
		})
	}
}
