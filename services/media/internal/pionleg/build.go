package pionleg

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/stun/v4"
	"github.com/pion/transport/v4/packetio"
	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// build makes the PeerConnection of a session, with its transceivers.
func (p *peer) build(s *sdp.Session) (*webrtc.PeerConnection, *media, error) {
	m := newMedia(s)
	engine := &webrtc.MediaEngine{}
	if err := registerCodecs(engine, s, m.inner); err != nil {
		return nil, nil, err
	}
	registry, err := p.interceptors(s)
	if err != nil {
		return nil, nil, err
	}
	certificate, _, err := p.e.identity.current()
	if err != nil {
		return nil, nil, err
	}
	settings := p.e.settings
	settings.BufferFactory = p.buffer
	// The selected address is heard at each keep-alive, if not sooner.
	way := &roam{quiet: 2 * p.e.cfg.KeepAlive}
	settings.SetICEBindingRequestHandler(func(_ *stun.Message, _, _ ice.Candidate, pair *ice.CandidatePair) bool {
		return way.follow(pair, p.connected.Load(), time.Now())
	})
	pc, err := webrtc.NewAPI(
		webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings),
	).NewPeerConnection(webrtc.Configuration{Certificates: []webrtc.Certificate{certificate}})
	if err != nil {
		return nil, nil, fmt.Errorf("pionleg: %w", err)
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		_ = pc.Close()
		return nil, nil, leg.ErrClosed
	}
	p.pc = pc
	p.mu.Unlock()
	pc.OnTrack(func(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) { p.track(t, r) })
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			p.up()
		case webrtc.PeerConnectionStateFailed:
			p.fail("no connection: ICE "+pc.ICEConnectionState().String(), false)
		case webrtc.PeerConnectionStateClosed:
			p.fail("DTLS closed by the terminal", true)
		}
	})
	for _, i := range m.inner {
		if err := m.lines[i].attach(pc, i); err != nil {
			p.broken()
			return nil, nil, fmt.Errorf("%w: line %d: %w", leg.ErrBroken, i, err)
		}
	}
	return pc, m, nil
}

// interceptors registers, one by one, those that the session needs: each of
// them wakes an idle leg again and again.
func (p *peer) interceptors(s *sdp.Session) (*interceptor.Registry, error) {
	var receives, retransmits, congestion bool
	for i := range s.Lines {
		l := &s.Lines[i]
		if l.Rejected || !l.Direction.Receives() {
			continue
		}
		receives = true
		for _, c := range l.Codecs {
			retransmits = retransmits || c.Has(sdp.FeedbackNack)
			congestion = congestion || c.Has(sdp.FeedbackTransportCC) && l.ExtensionID(sdp.ExtensionTransportCC) != 0
		}
	}
	r := &interceptor.Registry{}
	if receives {
		f, err := report.NewReceiverInterceptor(report.WithReceiverLoggerFactory(p.e.logs))
		if err != nil {
			return nil, fmt.Errorf("pionleg: %w", err)
		}
		r.Add(f)
	}
	if retransmits {
		f, err := nack.NewGeneratorInterceptor(nack.WithGeneratorLoggerFactory(p.e.logs), nack.GeneratorMaxNacksPerPacket(10))
		if err != nil {
			return nil, fmt.Errorf("pionleg: %w", err)
		}
		r.Add(f)
	}
	if congestion {
		f, err := twcc.NewSenderInterceptor()
		if err != nil {
			return nil, fmt.Errorf("pionleg: %w", err)
		}
		r.Add(f)
	}
	return r, nil
}

// Bytes that may wait in one source's queue.
const (
	rtpQueue  = 256 << 10
	rtcpQueue = 32 << 10
)

// reportsFactor is how many more sources than it sends a terminal may name in
// RTCP: its own, ours, and their retransmission streams.
const reportsFactor = 4

// buffer makes the queue of one source. A terminal that uses ever new sources, or
// names them in RTCP, costs us memory for each, so above the limit it loses its
// leg.
func (p *peer) buffer(kind packetio.BufferPacketType, _ uint32) io.ReadWriteCloser {
	b := packetio.NewBuffer()
	b.SetLimitSize(rtpQueue)
	if kind == packetio.RTCPBufferPacket {
		b.SetLimitSize(rtcpQueue)
	}
	if p.tooMany(kind) {
		p.fail("the terminal uses too many sources", false)
		go p.abandon()
	}
	return b
}

// tooMany counts a source, and reports whether it is the first above the limit.
func (p *peer) tooMany(kind packetio.BufferPacketType) bool {
	if kind == packetio.RTCPBufferPacket {
		return int(p.reported.Add(1)) == reportsFactor*p.e.cfg.Streams+1
	}
	return int(p.sources.Add(1)) == p.e.cfg.Streams+1
}

// offer makes the PeerConnection's own offer and gathers.
func (p *peer) offer(pc *webrtc.PeerConnection) (sdp.Local, error) {
	d, err := pc.CreateOffer(nil)
	if err != nil {
		return sdp.Local{}, err
	}
	return p.setLocal(pc, d)
}

// answer tells the PeerConnection of the terminal's offer and makes its answer.
func (p *peer) answer(pc *webrtc.PeerConnection, s *sdp.Session) (sdp.Local, error) {
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{
		Type: webrtc.SDPTypeOffer, SDP: remoteDescription(s, innerLines(s)),
	}); err != nil {
		return sdp.Local{}, err
	}
	d, err := pc.CreateAnswer(nil)
	if err != nil {
		return sdp.Local{}, err
	}
	return p.setLocal(pc, d)
}

// setLocal applies the PeerConnection's description, waits until the leg is
// known to the mux, and gives what the terminal must be told.
func (p *peer) setLocal(pc *webrtc.PeerConnection, d webrtc.SessionDescription) (sdp.Local, error) {
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(d); err != nil {
		return sdp.Local{}, err
	}
	timer := time.NewTimer(gatherWait)
	defer timer.Stop()
	select {
	case <-gathered:
	case <-timer.C:
		return sdp.Local{}, errGather
	}
	_, fingerprint, err := p.e.identity.current()
	if err != nil {
		return sdp.Local{}, err
	}
	local := sdp.Local{
		Ufrag: attribute(d.SDP, "ice-ufrag"), Pwd: attribute(d.SDP, "ice-pwd"),
		Fingerprint: fingerprint, Addresses: p.e.advertise,
	}
	if f := attribute(d.SDP, "fingerprint"); f != "" {
		local.Fingerprint = f // the certificate may have been renewed since
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.teardown == nil {
		p.ufrag = local.Ufrag
		p.e.guard.register(local.Ufrag, local.Pwd)
	}
	return local, nil
}

// attribute gives the first value of an attribute in pion's text.
func attribute(text, name string) string {
	_, rest, ok := strings.Cut(text, "a="+name+":")
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// start lets packets and candidates flow once both descriptions are there.
func (p *peer) start(pc *webrtc.PeerConnection, m *media, candidates []string) {
	for _, i := range m.inner {
		if l := m.lines[i]; l.sender != nil {
			p.readers.Go(func() { p.readFeedback(l) })
		}
	}
	p.mu.Lock()
	p.started = true
	p.e.guard.start(p.ufrag)
	early := p.early
	p.early = nil
	p.mu.Unlock()
	for _, c := range candidates {
		if text, reason := readCandidateText(c); reason == "" {
			p.addCandidate(pc, text)
		}
	}
	ufrag := p.snap.Load().remoteUfrag()
	for _, c := range early {
		if c.ufrag == "" || c.ufrag == ufrag {
			p.addCandidate(pc, c.text)
		}
	}
}
