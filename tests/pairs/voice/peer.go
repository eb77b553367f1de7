package voice

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/services/media/gathering"
)

// peer is a voice with media.
type peer struct {
	name      string
	room      *Room
	pc        *webrtc.PeerConnection
	gathering *gathering.Gathering

	audio, video *track
	done         chan struct{}
	work         sync.WaitGroup
	started      time.Time

	mu            sync.Mutex
	held, noVideo bool
	local, remote string // the last descriptions, as they were sent and came
	offering      bool
	may           map[string]bool // kinds that may be sent
	last          map[string]heard
	digits        string
	digitsSeen    int
	eventAt       uint32
}

// heard is what came of a kind.
type heard struct {
	count map[string]int // packets by who sent them
	from  string
	turn  int64 // of the room
}

// Real makes a voice with media.
func Real(name string, room *Room) (Voice, error) {
	engine, settings := &webrtc.MediaEngine{}, webrtc.SettingEngine{}
	for _, c := range codecs() {
		kind := webrtc.NewRTPCodecType(strings.Split(c.MimeType, "/")[0])
		if err := engine.RegisterCodec(c, kind); err != nil {
			return nil, fmt.Errorf("codec %s: %w", c.MimeType, err)
		}
	}
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	if room.Address == nil {
		settings.SetIPFilter(net.IP.IsLoopback)
	} else {
		settings.SetIPFilter(room.Address)
	}
	settings.SetPrflxAcceptanceMinWait(0)
	settings.SetDTLSRetransmissionInterval(200 * time.Millisecond)
	// A busy machine is no lost connection.
	settings.SetICETimeouts(30*time.Second, time.Minute, 2*time.Second)
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings)).
		NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, fmt.Errorf("peer connection: %w", err)
	}
	p := &peer{
		name: name, room: room, pc: pc, gathering: gathering.Follow(pc), done: make(chan struct{}), started: time.Now(),
		may:  map[string]bool{},
		last: map[string]heard{Audio: {count: map[string]int{}}, Video: {count: map[string]int{}}},
	}
	pc.OnTrack(func(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) { p.listen(t, r) })
	room.voices.Add(1)
	p.work.Go(p.talk)
	return p, nil
}

func codecs() []webrtc.RTPCodecParameters {
	codec := func(mime string, rate uint32, channels uint16, fmtp string, pt webrtc.PayloadType) webrtc.RTPCodecParameters {
		return webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: mime, ClockRate: rate, Channels: channels, SDPFmtpLine: fmtp},
			PayloadType:        pt,
		}
	}
	return []webrtc.RTPCodecParameters{
		codec(webrtc.MimeTypeOpus, 48000, 2, "minptime=10;useinbandfec=1", 111),
		codec("audio/"+dtmf, 48000, 0, "0-15", 110),
		codec(webrtc.MimeTypeVP8, 90000, 0, "", 96),
	}
}

// add has a kind be sent.
func (p *peer) add(kind string) error {
	t := &track{kind: webrtc.NewRTPCodecType(kind)}
	sender, err := p.pc.AddTrack(t)
	if err != nil {
		return fmt.Errorf("add %s: %w", kind, err)
	}
	p.work.Go(func() { // reports are of no interest, but must be read
		buf := make([]byte, 1500)
		for {
			if _, _, err := sender.Read(buf); err != nil {
				return
			}
		}
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if kind == Video {
		p.video = t
	} else {
		p.audio = t
	}
	return nil
}

// Offer implements Voice.
func (p *peer) Offer(change string, video bool) (string, error) {
	p.mu.Lock()
	first := p.local == ""
	withVideo := p.video != nil
	switch change {
	case "hold":
		p.held = true
	case "resume":
		p.held = false
	case "no-video":
		p.noVideo = true
	case "video":
		p.noVideo, video = false, true
	}
	p.mu.Unlock()
	if first {
		if err := p.add(Audio); err != nil {
			return "", err
		}
	}
	if video && !withVideo {
		if err := p.add(Video); err != nil {
			return "", err
		}
	}
	o, err := p.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: change == "restart"})
	if err != nil {
		return "", fmt.Errorf("offer: %w", err)
	}
	return p.describe(o, true)
}

// Answer implements Voice.
func (p *peer) Answer(offer string) (string, error) {
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", fmt.Errorf("taking an offer: %w", err)
	}
	p.mu.Lock()
	p.remote = offer
	addAudio, addVideo := p.audio == nil && has(Audio, offer), p.video == nil && has(Video, offer)
	p.mu.Unlock()
	if addAudio {
		if err := p.add(Audio); err != nil {
			return "", err
		}
	}
	if addVideo {
		if err := p.add(Video); err != nil {
			return "", err
		}
	}
	a, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return "", fmt.Errorf("answer: %w", err)
	}
	return p.describe(a, false)
}

// describe makes a description the local one and gives what is sent of it.
func (p *peer) describe(d webrtc.SessionDescription, offering bool) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	local, err := p.gathering.Describe(ctx, d)
	if err != nil {
		return "", fmt.Errorf("local description: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offering = offering
	p.local = limit(local, func(kind string) (send, receive bool) {
		live := kind != Video || !p.noVideo
		return live, live && !p.held
	})
	if !offering {
		p.settle()
	}
	return p.local, nil
}

// Take implements Voice.
func (p *peer) Take(answer string) error {
	p.mu.Lock()
	again := !p.offering && p.remote == answer
	p.mu.Unlock()
	if again {
		return nil
	}
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		return fmt.Errorf("taking an answer: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remote, p.offering = answer, false
	p.settle()
	return nil
}

// settle notes what may be sent. p.mu is held.
func (p *peer) settle() {
	for _, kind := range []string{Audio, Video} {
		p.may[kind] = agreed(kind, p.local, p.remote)
	}
}

func (p *peer) clock() uint32 { return uint32(time.Since(p.started) * 48 / time.Millisecond) } //nolint:gosec // wraps

// talk sends, now and then, who it is.
func (p *peer) talk() {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-p.done:
			return
		}
		if p.pc.ConnectionState() == webrtc.PeerConnectionStateConnected {
			p.say()
		}
		p.room.turns.Add(1)
	}
}

func (p *peer) say() {
	p.mu.Lock()
	audio, video := p.audio, p.video
	speaks, shows := p.may[Audio] && audio != nil, p.may[Video] && video != nil
	p.mu.Unlock()
	if speaks {
		_ = audio.write("opus", p.clock(), false, p.tag(0)) // lost like any packet
	}
	if shows {
		// A VP8 payload descriptor and the first byte of a key frame (RFC 7741
		// section 4.2): one packet is one picture.
		_ = video.write("vp8", p.clock()/48*90, true, p.tag(0x10))
	}
}

func (p *peer) tag(descriptor byte) []byte {
	return append([]byte{descriptor, 0, 0, 0}, p.name...)
}

// Close implements Voice.
func (p *peer) Close() {
	select {
	case <-p.done:
		return
	default:
	}
	close(p.done)
	p.room.voices.Add(-1)
	_ = p.pc.GracefulClose() // it ends whatever it says
	p.work.Wait()
}

// until waits until f, called with mu held, is true.
func (p *peer) until(ctx context.Context, f func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		p.mu.Lock()
		ok := f()
		p.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.done:
			return errors.New("closed")
		}
	}
}
