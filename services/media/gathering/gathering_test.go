package gathering_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/services/media/gathering"
)

func peer(t *testing.T) *webrtc.PeerConnection {
	t.Helper()
	s := webrtc.SettingEngine{}
	s.SetIncludeLoopbackCandidate(true)
	s.SetIPFilter(net.IP.IsLoopback)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio); err != nil {
		t.Fatal(err)
	}
	return pc
}

func ufrag(sdp string) string {
	_, after, _ := strings.Cut(sdp, "a=ice-ufrag:")
	value, _, _ := strings.Cut(after, "\r\n")
	return value
}

// TestRestarts restarts ICE, by offers of one's own and of the other's, many
// times: each description comes, with candidates, and new credentials.
func TestRestarts(t *testing.T) {
	one, two := peer(t), peer(t)
	ones, twos := gathering.Follow(one), gathering.Follow(two)
	last := [2]string{}
	for i := range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		offer, err := one.CreateOffer(&webrtc.OfferOptions{ICERestart: i > 0})
		if err != nil {
			t.Fatal(err)
		}
		if offer.SDP, err = ones.Describe(ctx, offer); err != nil {
			t.Fatalf("offer %d: %v", i, err)
		}
		if err := two.SetRemoteDescription(offer); err != nil {
			t.Fatal(err)
		}
		answer, err := two.CreateAnswer(nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer.SDP, err = twos.Describe(ctx, answer); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		if err := one.SetRemoteDescription(answer); err != nil {
			t.Fatal(err)
		}
		cancel()
		for j, sdp := range []string{offer.SDP, answer.SDP} {
			if !strings.Contains(sdp, "a=candidate:") || !strings.Contains(sdp, "a=end-of-candidates") {
				t.Fatalf("description %d/%d lacks candidates:\n%s", i, j, sdp)
			}
			if u := ufrag(sdp); u == "" || u == last[j] {
				t.Fatalf("description %d/%d has credentials %q after %q", i, j, u, last[j])
			} else {
				last[j] = u
			}
		}
	}
}

// TestDescribeEnds ends a wait with its context.
func TestDescribeEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for { // what is gathered at once needs no wait
		pc := peer(t)
		g := gathering.Follow(pc)
		offer, err := pc.CreateOffer(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Describe(ctx, offer); errors.Is(err, context.Canceled) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
