package media

import (
	"testing"

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
