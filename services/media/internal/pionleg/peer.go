package pionleg

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// peer is a leg made of a PeerConnection. The exchange's methods are called one
// at a time (leg.Leg); what other goroutines read is in snap, media and the
// atomics.
type peer struct {
	e      *Engine
	events leg.Events
	log    *slog.Logger

	snap  atomic.Pointer[snapshot]
	media atomic.Pointer[media]
	sink  atomic.Pointer[sinkBox]

	connected atomic.Bool
	failOnce  sync.Once
	upOnce    sync.Once
	counts    counters
	sources   atomic.Int32 // that have sent RTP
	reported  atomic.Int32 // that RTCP was about

	mu       sync.Mutex
	pc       *webrtc.PeerConnection
	ufrag    string // by which the guard knows the leg
	started  bool   // the PeerConnection knows the terminal
	closed   bool
	early    []early // candidates from before that
	taken    int
	readers  sync.WaitGroup
	teardown chan struct{} // closed once the PeerConnection is gone
}

// early is a candidate that came before the terminal's description was in use.
type early struct{ text, ufrag string }

// snapshot is how far the exchange has come; it is replaced, never changed.
type snapshot struct {
	offer   *sdp.Description // taken, not answered
	session *sdp.Session
	local   sdp.Local
}

type sinkBox struct{ sink leg.Sink }

func newPeer(e *Engine, events leg.Events, prior *sdp.Session) *peer {
	p := &peer{e: e, events: events, log: e.cfg.Log}
	p.snap.Store(&snapshot{session: prior})
	return p
}

// TakeOffer implements leg.Leg.
func (p *peer) TakeOffer(text string) error {
	old := p.snap.Load()
	if p.media.Load() != nil {
		return fmt.Errorf("%w: already negotiated", leg.ErrState)
	}
	d, err := sdp.ParseOffer(text, p.e.cfg.Limits)
	if err != nil {
		return err
	}
	if !d.Usable() {
		return fmt.Errorf("%w: in the offer", sdp.ErrNotAcceptable)
	}
	p.snap.Store(&snapshot{offer: d, session: old.session})
	p.mu.Lock()
	if old.offer != nil {
		p.early = nil // they were the replaced offer's
	}
	p.taken = len(d.Transport.Candidates) + len(p.early)
	p.mu.Unlock()
	return nil
}

// MakeAnswer implements leg.Leg.
func (p *peer) MakeAnswer(peer sdp.Bounds) (string, error) {
	old := p.snap.Load()
	if old.offer == nil || p.media.Load() != nil {
		return "", fmt.Errorf("%w: no offer to answer", leg.ErrState)
	}
	s, err := sdp.Answer(old.offer, peer, old.session, newOrigin())
	if err != nil {
		return "", err
	}
	assignSources(s)
	pc, m, err := p.build(s)
	if err != nil {
		return "", err
	}
	local, err := p.answer(pc, s)
	if err != nil {
		p.broken()
		return "", fmt.Errorf("%w: %w", leg.ErrBroken, err)
	}
	p.snap.Store(&snapshot{session: s, local: local})
	p.media.Store(m)
	p.start(pc, m, old.offer.Transport.Candidates)
	return s.Write(local), nil
}

// MakeOffer implements leg.Leg.
func (p *peer) MakeOffer(peer sdp.Bounds, video bool) (string, error) {
	old := p.snap.Load()
	if old.offer != nil || p.media.Load() != nil {
		return "", fmt.Errorf("%w: an exchange is under way", leg.ErrState)
	}
	s, err := sdp.Offer(peer, video, old.session, newOrigin())
	if err != nil {
		return "", err
	}
	assignSources(s)
	pc, m, err := p.build(s)
	if err != nil {
		return "", err
	}
	local, err := p.offer(pc)
	if err != nil {
		p.broken()
		return "", fmt.Errorf("%w: %w", leg.ErrBroken, err)
	}
	p.snap.Store(&snapshot{session: s, local: local})
	p.media.Store(m)
	return s.Write(local), nil
}

// TakeAnswer implements leg.Leg.
func (p *peer) TakeAnswer(text string) error {
	old := p.snap.Load()
	if old.session == nil || old.session.Complete || !old.session.Offered || p.media.Load() == nil {
		return fmt.Errorf("%w: no offer is out", leg.ErrState)
	}
	d, err := sdp.ParseAnswer(text, p.e.cfg.Limits)
	if err != nil {
		return err
	}
	s, err := old.session.Accept(d)
	if err != nil {
		return err
	}
	// The PeerConnection's own offer had the lines of the offer, so it gets an
	// answer to all of them; refused ones just carry nothing.
	m := p.media.Load()
	pc := p.connection()
	if pc == nil {
		return leg.ErrClosed
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{
		Type: webrtc.SDPTypeAnswer, SDP: remoteDescription(forInner(s, old.session), m.inner),
	}); err != nil {
		p.broken()
		return fmt.Errorf("%w: %w", leg.ErrBroken, err)
	}
	p.snap.Store(&snapshot{session: s, local: old.local})
	m.update(s)
	p.start(pc, m, d.Transport.Candidates)
	return nil
}

// forInner gives a session in which refused lines still have the formats that
// were offered, so that the PeerConnection finds an answer to each of its lines.
func forInner(s, offered *sdp.Session) *sdp.Session {
	c := s.Clone()
	for i := range c.Lines {
		if c.Lines[i].Rejected {
			c.Lines[i].Codecs = offered.Lines[i].Codecs
			c.Lines[i].Streams = nil
		}
	}
	return c
}

// Bounds implements leg.Leg.
func (p *peer) Bounds() sdp.Bounds {
	s := p.snap.Load()
	switch {
	case s.offer != nil:
		return s.offer.Bounds()
	case s.session != nil && s.session.Complete:
		return s.session.Bounds()
	default:
		return sdp.Bounds{}
	}
}

// Session implements leg.Leg.
func (p *peer) Session() *sdp.Session { return p.snap.Load().session }

// Connected implements leg.Leg.
func (p *peer) Connected() bool { return p.connected.Load() }

// SetSink implements leg.Leg.
func (p *peer) SetSink(s leg.Sink) {
	if s == nil {
		p.sink.Store(nil)
		return
	}
	p.sink.Store(&sinkBox{s})
}

func (p *peer) toSink(f func(leg.Sink)) {
	if b := p.sink.Load(); b != nil {
		f(b.sink)
	}
}

// connection gives the PeerConnection unless the leg is closed.
func (p *peer) connection() *webrtc.PeerConnection {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	return p.pc
}

// Close implements leg.Leg.
func (p *peer) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.connected.Store(false)
	p.SetSink(nil)
	p.abandon()
}

// broken ends the PeerConnection after an exchange failed halfway; the caller
// tells by its error.
func (p *peer) broken() {
	p.failOnce.Do(func() {})
	p.abandon()
}

// abandon ends the PeerConnection and waits for its goroutines and ours.
func (p *peer) abandon() {
	p.mu.Lock()
	pc, first := p.pc, p.teardown == nil
	if first {
		p.teardown = make(chan struct{})
		p.e.guard.remove(p.ufrag)
	}
	done := p.teardown
	p.mu.Unlock()
	if first {
		if pc != nil {
			if err := pc.GracefulClose(); err != nil {
				p.log.Debug("closing a leg's transport", "error", err)
			}
		}
		close(done)
	}
	<-done
	p.readers.Wait()
}

func newOrigin() uint64 { return rand.Uint64() >> 2 } //nolint:gosec // a name, RFC 8866 section 5.2

// assignSources gives each line that sends streams of its own.
func assignSources(s *sdp.Session) {
	for i := range s.Lines {
		l := &s.Lines[i]
		l.SSRC, l.RTX = 0, 0
		if l.Rejected || !l.Direction.Sends() {
			continue
		}
		l.SSRC = newSSRC()
		for _, c := range l.Codecs {
			if c.RTX != 0 && c.Has(sdp.FeedbackNack) && l.RTX == 0 {
				l.RTX = newSSRC()
			}
		}
	}
}

func newSSRC() uint32 { return rand.Uint32()>>1 + 1 } //nolint:gosec // RFC 3550 section 8.1: unlikely to collide

// handshakeWait bounds the local half of an exchange (gathering one host
// candidate takes a fraction of a millisecond).
const gatherWait = 2 * time.Second

// up and fail report the transport, once each.
func (p *peer) up() {
	p.upOnce.Do(func() {
		p.connected.Store(true)
		p.events.Connected()
	})
}

func (p *peer) fail(reason string, left bool) {
	p.failOnce.Do(func() {
		p.connected.Store(false)
		p.mu.Lock()
		closed := p.closed
		p.mu.Unlock()
		if !closed {
			p.events.Failed(reason, left)
		}
	})
}

var _ leg.Leg = (*peer)(nil)

// AddCandidate implements leg.Leg.
func (p *peer) AddCandidate(c *callv1.Candidate) {
	text, reason := readCandidate(c)
	if reason != "" {
		p.log.Debug("candidate dropped", "reason", reason)
		return
	}
	snap := p.snap.Load()
	if u, now := c.GetUfrag(), snap.remoteUfrag(); u != "" && now != "" && u != now {
		p.log.Debug("candidate dropped", "reason", "of another generation")
		return
	}
	p.mu.Lock()
	if p.taken >= p.e.cfg.Limits.Candidates || p.closed {
		p.mu.Unlock()
		return
	}
	p.taken++
	pc := p.pc
	if !p.started {
		p.early = append(p.early, early{text, c.GetUfrag()})
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.addCandidate(pc, text)
}

// remoteUfrag is the ICE user fragment of the terminal, empty before it is known.
func (s *snapshot) remoteUfrag() string {
	switch {
	case s.offer != nil:
		return s.offer.Transport.Ufrag
	case s.session != nil && s.session.Complete:
		return s.session.Remote.Ufrag
	default:
		return ""
	}
}

func (p *peer) addCandidate(pc *webrtc.PeerConnection, text string) {
	if err := pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: text}); err != nil {
		p.log.Debug("candidate dropped", "error", err)
	}
}
