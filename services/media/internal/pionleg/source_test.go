package pionleg

import (
	"regexp"
	"testing"

	"github.com/pion/rtp"

	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// A terminal that changes its source says so in no description.
func TestSourceThatIsNotTheDeclaredOneIsHeard(t *testing.T) {
	e := open(t, Config{})
	c := terminal(t, mediatest.Options{Audio: "audio/opus", Video: "video/VP8"})
	offer, err := c.Offer()
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`a=ssrc:\d+ `)
	if !declared.MatchString(offer) {
		t.Fatal("the terminal declares no source")
	}
	offer = declared.ReplaceAllString(offer, "a=ssrc:77 ")
	l, ev := newLeg(t, e)
	in := newSink()
	l.SetSink(in)
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
	p := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: 9}, Payload: []byte{1}}
	if err := c.Tracks["audio"].WriteRTP(p); err != nil {
		t.Fatal(err)
	}
	wait(t, "packet of the undeclared source", in.packets)
}

func TestLineWithoutMidCarriesNone(t *testing.T) {
	s := &sdp.Session{Lines: []sdp.SessionLine{{
		Kind: sdp.Audio, Direction: sdp.SendRecv, Extensions: []sdp.Extension{{ID: 4, URI: sdp.ExtensionMID}},
	}}}
	if p := planOf(s, 0); p.midID != 0 {
		t.Error("an extension without length is sent")
	}
	s.Lines[0].MID = "0"
	if p := planOf(s, 0); p.midID != 4 {
		t.Error("a mid is not sent")
	}
}
