package sylkrtc

import (
	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// A call whose connection was lost is offered anew to all of its account's clients,
// since sylkRTC's forget their calls. One that remembers goes on by the old session's
// name. Which of the two its exchange hears of first, nobody can say; a terminal has
// one leg in a call, so what it was offered anew is given back.

// giveBack declines what this connection was offered anew of the call that a claim
// names.
func (p *peer) giveBack(claim *session) {
	var all []*session
	p.mu.Lock()
	for _, s := range p.sessions {
		if s.account == claim.account && s.side == incoming && s.state == connecting && sameCall(s.leg, claim.leg) {
			all = append(all, s)
		}
	}
	p.mu.Unlock()
	for _, s := range all {
		p.hangUp(s, func(*callv1.Reply, error) { // if it failed, the host goes on trying
			p.mu.Lock()
			defer p.mu.Unlock()
			p.finish(s, textCancelled)
		})
	}
}

// retake makes a claim known that its owner did not reject and, if it has proved
// right, ends the connection that had the session before, if that is still there: its
// client speaks here now.
func (p *peer) retake(claim *session, right bool) *session {
	s := p.adopt(claim)
	p.mu.Lock()
	s.retaken = true
	p.mu.Unlock()
	if right {
		p.a.retire(s, p)
	}
	return s
}

// retire ends the connections but one that have a session of the same leg.
func (a *adapter) retire(of *session, but *peer) {
	a.mu.Lock()
	peers := make([]*peer, 0, len(a.peers))
	for p := range a.peers {
		if p != but {
			peers = append(peers, p)
		}
	}
	a.mu.Unlock()
	for _, p := range peers {
		p.mu.Lock()
		s := p.legs[of.leg]
		stale := s != nil && s.owner == of.owner && s.state != terminated
		p.mu.Unlock()
		if stale {
			a.log.Info("connection given up, its client has another", "remote", p.remote, "leg", of.leg)
			p.cut()
		}
	}
}

// anew is a call that is offered anew where it already goes on.
type anew struct {
	mine *session
	leg  string // of the offer
}

// goesOn finds the session by which an incoming call already goes on here; nil if it
// does not. p.mu is held.
func (p *peer) goesOn(a *account, e *callv1.Event) *session {
	if e.GetIncoming() == nil {
		return nil
	}
	for _, s := range p.sessions {
		if s.retaken && s.account == a && inCall(s.state) && sameCall(s.leg, e.GetLegId()) {
			return s
		}
	}
	return nil
}

// declineAnew gives back what was offered anew after its client had spoken for its
// session, and speaks for it once more: with the other leg gone, the terminal can take
// it up. There is no offer to refuse, so that changes nothing else.
func (p *peer) declineAnew(o anew) {
	say := func(leg string, c *callv1.Command) {
		c.LegId, c.Principal = leg, o.mine.owner
		p.a.host.Accept(p.commands(), c, kit.Ref{}, func(_ *callv1.Reply, err error) {
			if err != nil {
				p.a.log.Debug("retaking", "leg", leg, "error", err)
			}
		})
	}
	say(o.leg, &callv1.Command{Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{Reason: callv1.Reason_REASON_DECLINED}}})
	say(o.mine.leg, &callv1.Command{Body: &callv1.Command_RefuseReoffer{RefuseReoffer: &callv1.RefuseReoffer{}}})
}

// sameCall reports whether two legs are of one call.
func sameCall(one, other string) bool {
	a, _, ok := schema.SplitLegID(one)
	b, _, _ := schema.SplitLegID(other)
	return ok && a == b
}
