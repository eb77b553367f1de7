package pionleg

import (
	"fmt"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// TakeOffer implements leg.Leg.
func (p *peer) TakeOffer(text string) (leg.Outcome, error) {
	old := p.snap.Load()
	if p.isClosed() {
		return leg.Outcome{}, leg.ErrClosed
	}
	if p.now.Load() != nil && !p.negotiated() {
		return leg.Outcome{}, fmt.Errorf("%w: our offer is out", leg.ErrState)
	}
	d, err := sdp.ParseOffer(text, p.e.cfg.Limits)
	if err != nil {
		return leg.Outcome{}, err
	}
	if !d.Usable() {
		return leg.Outcome{}, fmt.Errorf("%w: in the offer", sdp.ErrNotAcceptable)
	}
	next := &snapshot{offer: d, session: old.session}
	out := leg.Outcome{}
	if s := old.session; s != nil && s.Complete {
		next.follows = d.Follows(s)
		if next.follows {
			err := d.Align(s)
			if u := p.undo; err != nil && u != nil && d.Follows(u.snap.session) && d.Align(u.snap.session) == nil {
				err, next.rebased = nil, true
			}
			if err != nil {
				return leg.Outcome{}, err
			}
		}
		out.Changed = p.negotiated() && !s.Bounds().Equal(d.Bounds())
	}
	p.mu.Lock()
	if old.offer != nil && !p.negotiated() {
		p.early = nil // they were the replaced offer's
	}
	p.taken = len(d.Transport.Candidates) + len(p.early)
	p.mu.Unlock()
	p.snap.Store(next)
	return out, nil
}

// MakeAnswer implements leg.Leg.
func (p *peer) MakeAnswer(peer sdp.Bounds) (leg.Outcome, error) {
	old := p.snap.Load()
	if p.isClosed() {
		return leg.Outcome{}, leg.ErrClosed
	}
	if old.offer == nil {
		return leg.Outcome{}, fmt.Errorf("%w: no offer to answer", leg.ErrState)
	}
	if old.rebased {
		if err := p.Undo(); err != nil {
			return leg.Outcome{}, err
		}
		old = &snapshot{offer: old.offer, follows: true, session: p.snap.Load().session}
		p.snap.Store(old)
	}
	s, err := p.answerTo(old, peer)
	if err != nil {
		return leg.Outcome{}, err
	}
	remote := old.offer.Transport
	t := p.now.Load()
	before, taken := t, &undo{snap: old}
	out := leg.Outcome{Changed: t != nil && !old.session.Bounds().Equal(s.Bounds())}
	switch {
	case t == nil || !old.follows || !t.alive() || !old.offer.Continues(old.session):
		next, err := p.newTransport(s)
		if err != nil {
			return leg.Outcome{}, err
		}
		if err := p.begin(next, s, false); err != nil {
			return leg.Outcome{}, err
		}
		taken.transport = before
		t, out.NewTransport = next, true
	case remote.Restarts(old.session.Remote):
		taken.restarted, taken.local = true, *t.local.Load()
		out.NewTransport = !t.ready()
		if err := t.restart(remote, "", ""); err != nil {
			return leg.Outcome{}, fmt.Errorf("%w: %w", leg.ErrBroken, err)
		}
		t.apply(s)
	default:
		t.apply(s)
	}
	p.version, p.undo = s.OriginVersion, nil
	p.snap.Store(&snapshot{session: s})
	if before != nil {
		p.undo = taken
	}
	for _, c := range append(remote.Candidates, p.overtakers(remote.Ufrag)...) {
		if text, reason := readCandidateText(c); reason == "" {
			t.addCandidate(text)
		}
	}
	out.SDP = s.Write(*t.local.Load())
	return out, nil
}

// answerTo decides what an answer says.
func (p *peer) answerTo(at *snapshot, peer sdp.Bounds) (*sdp.Session, error) {
	var prior *sdp.Session
	if at.follows {
		prior = at.session
	}
	s, err := sdp.Answer(at.offer, peer, prior, newOrigin())
	if err != nil {
		return nil, err
	}
	if at.session != nil {
		s.OriginID = at.session.OriginID
	}
	s.OriginVersion = max(s.OriginVersion, p.version+1)
	assignSources(s)
	return s, nil
}

// begin starts a transport, and makes it the leg's newest.
func (p *peer) begin(t *transport, s *sdp.Session, offered bool) error {
	if before := p.now.Load(); before != t {
		if before != nil && before.alive() {
			p.retire(p.old.Swap(before))
		} else if before != nil {
			p.retire(before)
		}
		p.now.Store(t)
	}
	if err := t.start(s.Remote, s.Setup, offered); err != nil {
		return fmt.Errorf("%w: %w", leg.ErrBroken, err)
	}
	return nil
}

// MakeOffer implements leg.Leg.
func (p *peer) MakeOffer(peer sdp.Bounds, video bool) (leg.Outcome, error) {
	old := p.snap.Load()
	switch {
	case p.isClosed():
		return leg.Outcome{}, leg.ErrClosed
	case p.negotiated():
		return p.reoffer(old, peer, video)
	case old.offer != nil || old.offered != nil:
		return leg.Outcome{}, fmt.Errorf("%w: an exchange is under way", leg.ErrState)
	}
	s, err := sdp.Offer(peer, video, old.session, newOrigin())
	if err != nil {
		return leg.Outcome{}, err
	}
	if old.session != nil { // on another node
		for i := range s.Lines {
			s.Lines[i].SSRC, s.Lines[i].RTX = 0, 0
		}
		// A client that goes on with its connection keeps its role.
		s.Setup, s.Remote = sdp.ActPass, sdp.Transport{}
	}
	assignSources(s)
	t, err := p.newTransport(s)
	if err != nil {
		return leg.Outcome{}, err
	}
	p.now.Store(t)
	p.version = s.OriginVersion
	p.snap.Store(&snapshot{session: old.session, offered: s})
	return leg.Outcome{SDP: s.Write(*t.local.Load())}, nil
}

// reoffer makes an offer in a running session; the transport is left alone.
func (p *peer) reoffer(old *snapshot, peer sdp.Bounds, video bool) (leg.Outcome, error) {
	s := old.session.Reoffer(peer, video)
	if s == nil {
		return leg.Outcome{Unchanged: true}, nil
	}
	s.OriginVersion = p.version + 1
	assignSources(s)
	p.version = s.OriginVersion
	p.undo = nil
	p.snap.Store(&snapshot{session: old.session, offered: s})
	return leg.Outcome{SDP: s.Write(*p.now.Load().local.Load())}, nil
}

// TakeAnswer implements leg.Leg.
func (p *peer) TakeAnswer(text string) (leg.Outcome, error) {
	old := p.snap.Load()
	t := p.now.Load()
	switch {
	case p.isClosed():
		return leg.Outcome{}, leg.ErrClosed
	case old.offered == nil || t == nil:
		return leg.Outcome{}, fmt.Errorf("%w: no offer is out", leg.ErrState)
	}
	d, err := sdp.ParseAnswer(text, p.e.cfg.Limits)
	if err != nil {
		return leg.Outcome{}, err
	}
	if p.negotiated() && d.Usable() && !d.Continues(old.session) {
		// Our offer was for the client that is there. A new one has to offer.
		return leg.Outcome{}, fmt.Errorf("%w: it is another client's", sdp.ErrMismatch)
	}
	s, err := old.offered.Accept(d)
	if err != nil {
		return leg.Outcome{}, err
	}
	assignSources(s)
	out := leg.Outcome{}
	switch {
	case !p.negotiated():
		t.apply(s)
		if err := p.begin(t, s, true); err != nil {
			return leg.Outcome{}, err
		}
		out.NewTransport = true
	default:
		t.apply(s)
		out.Changed = !old.session.Bounds().Equal(s.Bounds())
	}
	p.undo = nil
	p.snap.Store(&snapshot{session: s})
	for _, c := range append(d.Transport.Candidates, p.overtakers(d.Transport.Ufrag)...) {
		if text, reason := readCandidateText(c); reason == "" {
			t.addCandidate(text)
		}
	}
	return out, nil
}

// Withdraw implements leg.Leg.
func (p *peer) Withdraw() {
	old := p.snap.Load()
	if old.offered == nil || !p.negotiated() {
		return
	}
	p.snap.Store(&snapshot{session: old.session})
}

// Undo implements leg.Leg.
func (p *peer) Undo() error {
	u := p.undo
	if u == nil || p.isClosed() {
		return fmt.Errorf("%w: nothing to undo", leg.ErrState)
	}
	p.undo = nil
	t := p.now.Load()
	switch {
	case u.transport != nil:
		if !u.transport.alive() || u.transport != p.old.Load() {
			return fmt.Errorf("%w: the transport before is gone", leg.ErrState)
		}
		p.now.Store(u.transport)
		p.old.Store(nil)
		p.retire(t)
	case u.restarted:
		if pair, _ := t.agent.GetSelectedCandidatePair(); pair != nil {
			return fmt.Errorf("%w: the terminal has the answer", leg.ErrState)
		}
		if err := t.restart(u.snap.session.Remote, u.local.Ufrag, u.local.Pwd); err != nil {
			return fmt.Errorf("%w: %w", leg.ErrBroken, err)
		}
		for _, c := range u.snap.session.Remote.Candidates {
			if text, reason := readCandidateText(c); reason == "" {
				t.addCandidate(text)
			}
		}
		t.apply(u.snap.session)
	default:
		t.apply(u.snap.session)
	}
	p.snap.Store(u.snap)
	return nil
}
