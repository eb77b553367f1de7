package pionleg

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// peer is a leg. The exchange's methods are called one at a time (leg.Leg); what
// other goroutines read is in snap, the transports and the atomics.
type peer struct {
	e      *Engine
	events leg.Events
	log    *slog.Logger

	snap atomic.Pointer[snapshot]
	// now is the newest transport, old one that it takes the place of once it is up.
	now, old atomic.Pointer[transport]
	sink     atomic.Pointer[sinkBox]
	counts   counters
	// version is the last of our o= lines, made counts transports; they and undo
	// belong to the exchange.
	version uint64
	made    uint32
	undo    *undo

	mu         sync.Mutex
	closed     bool
	early      []early // candidates of descriptions that are not in use yet
	taken      int
	transports map[*transport]bool
	closing    sync.WaitGroup // transports that end
}

// early is a candidate that came before the terminal's description was in use.
type early struct{ text, ufrag string }

// snapshot is how far the exchange has come; it is replaced, never changed.
type snapshot struct {
	// offer is the terminal's, taken and not answered; follows says that it goes on
	// with the lines of the session, rebased that it does so with the session before,
	// since the terminal has not seen the last answer.
	offer            *sdp.Description
	follows, rebased bool
	// session is the last complete one, offered ours that is out.
	session, offered *sdp.Session
}

// undo is what the last MakeAnswer replaced.
type undo struct {
	snap      *snapshot
	transport *transport // nil: it was the same
	restarted bool
	local     sdp.Local
}

type sinkBox struct{ sink leg.Sink }

// logOf gives the logger of a leg: one that names it, if who made it has one.
func logOf(e *Engine, events leg.Events) *slog.Logger {
	if named, ok := events.(interface{ Log() *slog.Logger }); ok {
		return named.Log()
	}
	return e.cfg.Log
}

func newPeer(e *Engine, events leg.Events, prior *sdp.Session) *peer {
	p := &peer{e: e, events: events, log: logOf(e, events), transports: map[*transport]bool{}}
	p.snap.Store(&snapshot{session: prior})
	if prior != nil {
		p.version = prior.OriginVersion
	}
	return p
}

// Bounds implements leg.Leg.
func (p *peer) Bounds() sdp.Bounds {
	switch s := p.snap.Load(); {
	case s.session != nil && s.session.Complete && p.now.Load() != nil:
		return s.session.Bounds()
	case s.offer != nil:
		return s.offer.Bounds()
	case s.session != nil && s.session.Complete:
		return s.session.Bounds()
	default:
		return sdp.Bounds{}
	}
}

// Session implements leg.Leg.
func (p *peer) Session() *sdp.Session {
	s := p.snap.Load()
	if s.session == nil || p.now.Load() != nil && s.offered != nil && !p.negotiated() {
		return s.offered
	}
	return s.session
}

// negotiated reports whether a transport belongs to the session: what comes then
// is a re-offer.
func (p *peer) negotiated() bool {
	t := p.now.Load()
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.started
}

// Connected implements leg.Leg.
func (p *peer) Connected() bool {
	t := p.now.Load()
	return t != nil && t.ready()
}

// Transport implements leg.Leg.
func (p *peer) Transport() uint32 {
	if t := p.now.Load(); t != nil {
		return t.number
	}
	return 0
}

// SetSink implements leg.Leg.
func (p *peer) SetSink(s leg.Sink) {
	if s == nil {
		p.sink.Store(nil)
		return
	}
	p.sink.Store(&sinkBox{s})
}

// toSink hands on what came on a transport.
func (p *peer) toSink(t *transport, f func(leg.Sink)) {
	if t != p.now.Load() && t != p.old.Load() {
		return
	}
	if b := p.sink.Load(); b != nil {
		f(b.sink)
	}
}

// up notes that a transport is up. The one whose place it takes has done its work.
func (p *peer) up(t *transport) {
	if t != p.now.Load() {
		return
	}
	p.retire(p.old.Swap(nil))
	p.events.Connected(t.number)
}

// fail notes that a transport is down. One that has been replaced is missed by
// nobody.
func (p *peer) fail(t *transport, reason string, left bool) {
	if t == p.now.Load() {
		p.events.Failed(t.number, reason, left)
	}
}

// own notes a transport, so that Close ends it.
func (p *peer) own(t *transport) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return leg.ErrClosed
	}
	p.transports[t] = true
	return nil
}

// retire ends a transport in the background.
func (p *peer) retire(t *transport) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t == nil || p.closed || !p.transports[t] {
		return
	}
	delete(p.transports, t)
	p.closing.Go(t.close)
}

// Close implements leg.Leg.
func (p *peer) Close() {
	p.mu.Lock()
	p.closed = true
	all := p.transports
	p.transports = nil
	p.mu.Unlock()
	p.SetSink(nil)
	for t := range all {
		t.close()
	}
	p.closing.Wait()
}

func (p *peer) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

func newOrigin() uint64 { return rand.Uint64() >> 2 } //nolint:gosec // a name, RFC 8866 section 5.2

// assignSources gives each line that sends streams of its own. It keeps those that
// it has.
func assignSources(s *sdp.Session) {
	for i := range s.Lines {
		l := &s.Lines[i]
		if l.Rejected || !l.Direction.Sends() {
			continue
		}
		if l.SSRC == 0 {
			l.SSRC = newSSRC()
		}
		for _, c := range l.Codecs {
			if c.RTX != 0 && c.Has(sdp.FeedbackNack) && l.RTX == 0 {
				l.RTX = newSSRC()
			}
		}
	}
}

func newSSRC() uint32 { return rand.Uint32()>>1 + 1 } //nolint:gosec // RFC 3550 section 8.1: unlikely to collide

// AddCandidate implements leg.Leg.
func (p *peer) AddCandidate(c *callv1.Candidate) {
	text, reason := readCandidate(c)
	if reason != "" {
		p.log.Debug("candidate dropped", "reason", reason)
		return
	}
	u := c.GetUfrag()
	p.mu.Lock()
	if p.taken >= p.e.cfg.Limits.Candidates || p.closed {
		p.mu.Unlock()
		return
	}
	p.taken++
	t, snap := p.now.Load(), p.snap.Load()
	add := snap.session != nil && p.negotiated() && (u == "" || u == snap.session.Remote.Ufrag)
	// One that names another generation may overtake its description.
	if !add || u == "" && snap.offer != nil {
		p.early = append(p.early, early{text, u})
	}
	p.mu.Unlock()
	if add {
		t.addCandidate(text)
	}
}

// overtakers gives the candidates that have waited for a description.
func (p *peer) overtakers(ufrag string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for _, c := range p.early {
		if c.ufrag == "" || c.ufrag == ufrag {
			list = append(list, c.text)
		}
	}
	p.early = nil
	return list
}

var _ leg.Leg = (*peer)(nil)
