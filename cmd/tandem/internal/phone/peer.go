package phone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/services/media/gathering"
)

// peer is one transport of a call's media. Descriptions are complete, both
// ways: WG2 has no message for a candidate.
type peer struct {
	s         *sound
	log       *slog.Logger
	pc        *webrtc.PeerConnection
	gathering *gathering.Gathering
	// connected and failed are closed when that happens.
	connected, failed chan struct{}
	isUp, isDown      sync.Once
	audio             *outTrack

	ctx   context.Context // ends with the peer
	stop  context.CancelFunc
	tasks sync.WaitGroup
}

// gatherTimeout bounds the wait for candidates, which are the host's own.
const gatherTimeout = 5 * time.Second

// newPeer makes a transport for s; loopback adds candidates on this machine's
// loopback address.
func newPeer(s *sound, loopback bool) (*peer, error) {
	api, err := newAPI(loopback)
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	p := &peer{
		s: s, log: s.log, pc: pc, gathering: gathering.Follow(pc),
		connected: make(chan struct{}), failed: make(chan struct{}),
		audio: newOutTrack("audio", webrtc.RTPCodecTypeAudio),
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	pc.OnConnectionStateChange(p.changed)
	pc.OnTrack(func(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) { p.start(func() { p.receive(t, r) }) })
	return p, nil
}

// start runs a goroutine of the peer's, unless the peer has ended.
func (p *peer) start(f func()) {
	if p.ctx.Err() == nil {
		p.tasks.Go(f)
	}
}

// changed follows the connection's state.
func (p *peer) changed(s webrtc.PeerConnectionState) {
	p.log.Debug("media", "state", s.String())
	switch s {
	case webrtc.PeerConnectionStateConnected:
		p.isUp.Do(func() {
			close(p.connected)
			if p.s.source != nil {
				p.start(p.speak)
			}
		})
	case webrtc.PeerConnectionStateFailed:
		p.isDown.Do(func() { close(p.failed) })
	}
}

// offer makes the description of a call that this phone places: audio.
func (p *peer) offer(ctx context.Context) (string, error) {
	if err := p.send(p.audio); err != nil {
		return "", err
	}
	d, err := p.pc.CreateOffer(nil)
	if err != nil {
		return "", fmt.Errorf("phone: offer: %w", err)
	}
	return p.local(ctx, d)
}

// accept applies the answer to offer.
func (p *peer) accept(sdp string) error {
	err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp})
	if err != nil {
		return fmt.Errorf("phone: answer: %w", err)
	}
	return nil
}

// answer makes the answer to an offer, the first or a later one: audio both
// ways, video received, and sent back by an echo.
func (p *peer) answer(ctx context.Context, offer string) (string, error) {
	wants, err := receivers(offer)
	if err != nil {
		return "", err
	}
	for _, t := range p.pc.GetTransceivers() {
		if !wants[t.Mid()] {
			if err := p.hold(t); err != nil {
				return "", err
			}
		}
	}
	err = p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer})
	if err != nil {
		return "", fmt.Errorf("phone: offer: %w", err)
	}
	usable := false
	for i, t := range p.pc.GetTransceivers() {
		usable = usable || t.Kind() == webrtc.RTPCodecTypeAudio
		if t.Sender() != nil || !wants[t.Mid()] {
			continue
		}
		switch {
		case t.Kind() == webrtc.RTPCodecTypeAudio && (p.s.source != nil || p.s.echo):
			err = p.send(p.audio)
		case t.Kind() == webrtc.RTPCodecTypeVideo && p.s.echo:
			err = p.send(newOutTrack("video"+strconv.Itoa(i), webrtc.RTPCodecTypeVideo))
		}
		if err != nil {
			return "", err
		}
	}
	if !usable {
		return "", errors.New("phone: the offer has no audio")
	}
	d, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return "", fmt.Errorf("phone: answer: %w", err)
	}
	return p.local(ctx, d)
}

// hold ends what is sent on a line that an offer takes nothing on, before the offer
// is applied: that changes the line's own direction for good.
func (p *peer) hold(t *webrtc.RTPTransceiver) error {
	if t.Sender() == nil {
		return nil
	}
	if err := p.pc.RemoveTrack(t.Sender()); err != nil {
		return fmt.Errorf("phone: %w", err)
	}
	return nil
}

// receivers gives the mids of an offer's m-lines whose maker wants to receive.
func receivers(offer string) (map[string]bool, error) {
	d := &sdp.SessionDescription{}
	if err := d.UnmarshalString(offer); err != nil {
		return nil, fmt.Errorf("phone: offer: %w", err)
	}
	out := make(map[string]bool)
	for _, m := range d.MediaDescriptions {
		mid, _ := m.Attribute("mid")
		_, sendonly := m.Attribute("sendonly")
		_, inactive := m.Attribute("inactive")
		out[mid] = !sendonly && !inactive
	}
	return out, nil
}

// send adds what is sent, and serves its RTCP.
func (p *peer) send(t *outTrack) error {
	sender, err := p.pc.AddTrack(t)
	if err != nil {
		return fmt.Errorf("phone: %w", err)
	}
	p.start(func() { p.feedback(sender) })
	return nil
}

// local applies our description and gives it with all candidates.
func (p *peer) local(ctx context.Context, d webrtc.SessionDescription) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, gatherTimeout)
	defer cancel()
	sdp, err := p.gathering.Describe(ctx, d)
	if err != nil {
		return "", fmt.Errorf("phone: %w", err)
	}
	return sdp, nil
}

// close ends the transport and everything that uses it.
func (p *peer) close() {
	p.stop()
	if err := p.pc.GracefulClose(); err != nil {
		p.log.Debug("media not closed", "error", err)
	}
	p.tasks.Wait()
}

// newTransport reports whether an offer comes from another transport than the
// description before it: another DTLS certificate (RFC 8842 section 4).
func newTransport(before, now string) bool { return fingerprint(before) != fingerprint(now) }

func fingerprint(description string) string {
	_, after, _ := strings.Cut(description, "a=fingerprint:")
	value, _, _ := strings.Cut(after, "\n")
	return strings.ToLower(strings.TrimSpace(value))
}
