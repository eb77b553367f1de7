package sylkrtc

import (
	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// finish tells the client that a session is over, once. p.mu is held.
func (p *peer) finish(s *session, reason string) {
	if s.state == terminated {
		return
	}
	p.end(s)
	p.send(sessionState{session: s.id, state: terminated, reason: reason})
}

// terminate cancels, declines or hangs up, as the session's state has it.
func (p *peer) terminate(transaction string, r *sessionTerminate) {
	s, state := p.session(r.session)
	switch {
	case s == nil:
		p.terminateClaim(transaction, r.session)
		return
	case state == terminated:
		p.send(failure{transaction, "Session " + printable(r.session) + " is terminated"})
		return
	}
	p.hangUp(s, func(reply *callv1.Reply, err error) { p.hungUp(transaction, s, reply, err) })
}

func (p *peer) hangUp(s *session, then kit.Ack) {
	reason := callv1.Reason_REASON_UNSPECIFIED // the state decides
	p.mu.Lock()
	if s.side == incoming && s.unanswered() {
		reason = callv1.Reason_REASON_DECLINED
	}
	p.mu.Unlock()
	p.a.host.Accept(p.commands(), &callv1.Command{
		LegId: s.leg, Principal: s.owner,
		Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{Reason: reason}},
	}, kit.Ref{}, then)
}

// terminateClaim ends a call that was begun on an earlier connection.
func (p *peer) terminateClaim(transaction, id string) {
	for _, s := range p.claims(id) {
		found := true
		p.hangUp(s, func(reply *callv1.Reply, err error) {
			if schema.CodeOf(err) == callv1.Code_CODE_NOT_FOUND {
				found = false
				return
			}
			s := p.adopt(s)
			p.hungUp(transaction, s, reply, err)
		})
		if found {
			return
		}
	}
	p.send(unknownSession(transaction, id))
}

// hungUp tells the client that its session is over.
func (p *peer) hungUp(transaction string, s *session, reply *callv1.Reply, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch schema.CodeOf(err) {
	case callv1.Code_CODE_UNSPECIFIED, callv1.Code_CODE_ENDED, callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_GONE:
		p.send(ack{transaction})
		p.finish(s, ownEndText(reply.GetReason(), s.side, s.unanswered()))
		p.a.log.Info("session terminated", "remote", p.remote, "leg", s.leg, "account", s.account.aor.AOR())
	default: // the host goes on trying; an Ended event follows
		p.send(failure{transaction, errorText(err)})
	}
}
