package clients

import (
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

// side is the media of a terminal: it sends silence and hears whether anything comes.
type side struct {
	t         *testing.T
	pc        *webrtc.PeerConnection
	track     *webrtc.TrackLocalStaticSample
	connected chan struct{}
	heard     chan struct{}
}

// silence is an Opus frame of 20 ms (RFC 6716).
var silence = []byte{0xf8, 0xff, 0xfe}

func newSide(t *testing.T) *side {
	t.Helper()
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "audio", "a")
	if err != nil {
		t.Fatal(err)
	}
	x := &side{t: t, pc: pc, track: track, connected: make(chan struct{}), heard: make(chan struct{})}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go x.talk(stop, stopped)
	t.Cleanup(func() {
		close(stop)
		<-stopped
		if err := pc.GracefulClose(); err != nil {
			t.Error(err)
		}
	})
	var up, first sync.Once
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			up.Do(func() { close(x.connected) })
		}
	})
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
			first.Do(func() { close(x.heard) })
		}
	})
	return x
}

// offer describes it, with all candidates.
func (x *side) offer() string {
	x.t.Helper()
	x.speak()
	d, err := x.pc.CreateOffer(nil)
	return x.local(d, err)
}

// answer answers an offer, with all candidates.
func (x *side) answer(offer string) string {
	x.t.Helper()
	err := x.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer})
	if err != nil {
		x.t.Fatalf("the offer cannot be used: %v\n%s", err, offer)
	}
	x.speak()
	d, err := x.pc.CreateAnswer(nil)
	return x.local(d, err)
}

func (x *side) speak() {
	x.t.Helper()
	if _, err := x.pc.AddTrack(x.track); err != nil {
		x.t.Fatal(err)
	}
}

func (x *side) local(d webrtc.SessionDescription, err error) string {
	x.t.Helper()
	gathered := webrtc.GatheringCompletePromise(x.pc)
	if err == nil {
		err = x.pc.SetLocalDescription(d)
	}
	if err != nil {
		x.t.Fatal(err)
	}
	<-gathered
	return x.pc.LocalDescription().SDP
}

// answered takes the answer, and waits until media flows.
func (x *side) answered(sdp string) {
	x.t.Helper()
	err := x.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp})
	if err != nil {
		x.t.Fatalf("the answer cannot be used: %v\n%s", err, sdp)
	}
	x.flows()
}

// flows waits until the media is connected, and something was heard.
func (x *side) flows() {
	x.t.Helper()
	for what, happened := range map[string]chan struct{}{"connected": x.connected, "heard": x.heard} {
		select {
		case <-happened:
		case <-time.After(patience):
			x.t.Fatalf("media is not %s", what)
		}
	}
}

// talk sends from when the media is connected until stop.
func (x *side) talk(stop, stopped chan struct{}) {
	defer close(stopped)
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	connected := x.connected
	for {
		select {
		case <-connected:
			connected = nil
		case <-pace.C:
			if connected == nil {
				_ = x.track.WriteSample(media.Sample{Data: silence, Duration: 20 * time.Millisecond}) // lost like any packet
			}
		case <-stop:
			return
		}
	}
}
