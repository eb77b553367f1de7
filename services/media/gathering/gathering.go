package gathering

import (
	"context"

	"github.com/pion/webrtc/v4"
)

// Gathering follows the gathering of one peer connection, over ICE restarts
// too.
//
// webrtc.GatheringCompletePromise does not: a restart gathers from CreateOffer
// or SetRemoteDescription on, and a promise made while the last candidate is
// being reported may never be kept.
type Gathering struct {
	pc      *webrtc.PeerConnection
	changed chan struct{} // holds a value when the state has changed
}

// Follow follows pc, whose OnICEGatheringStateChange it takes.
func Follow(pc *webrtc.PeerConnection) *Gathering {
	g := &Gathering{pc: pc, changed: make(chan struct{}, 1)}
	pc.OnICEGatheringStateChange(func(webrtc.ICEGatheringState) {
		select {
		case g.changed <- struct{}{}:
		default: // whoever waits looks at the state in any case
		}
	})
	return g
}

// Describe makes d the local description, and gives it with all candidates
// once they are gathered. It blocks until then, or until ctx ends, whose error
// it gives. One goroutine at a time describes.
func (g *Gathering) Describe(ctx context.Context, d webrtc.SessionDescription) (string, error) {
	if err := g.pc.SetLocalDescription(d); err != nil {
		return "", err
	}
	for g.pc.ICEGatheringState() != webrtc.ICEGatheringStateComplete {
		select {
		case <-g.changed:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return g.pc.LocalDescription().SDP, nil
}
