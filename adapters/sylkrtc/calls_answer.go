package sylkrtc

import (
	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// answer takes a call.
func (p *peer) answer(transaction string, r *sessionAnswer) {
	s, state := p.session(r.session)
	switch {
	case s == nil:
		p.answerClaim(transaction, r)
		return
	case s.side != incoming:
		p.send(failure{transaction, "Cannot answer outgoing session " + printable(r.session)})
		return
	case state == terminated && p.lostRace(s):
		p.send(ack{transaction}) // it was told 487 when the race was lost
		return
	case state != connecting:
		p.send(failure{transaction, "Invalid state for answering session " + printable(r.session) + ": " + state})
		return
	}
	p.sendAnswer(s, r, func(reply *callv1.Reply, err error) { p.answered(transaction, s, reply, err) })
}

func (p *peer) sendAnswer(s *session, r *sessionAnswer, then kit.Ack) {
	p.a.host.Accept(p.commands(), &callv1.Command{
		LegId: s.leg, Principal: s.owner,
		Body: &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: r.sdp, Headers: canonicalHeaders(r.headers)}},
	}, kit.Ref{}, then)
}

// answerClaim answers a call that came on an earlier connection.
func (p *peer) answerClaim(transaction string, r *sessionAnswer) {
	for _, s := range p.claims(r.session) {
		if s.side != incoming {
			continue
		}
		found := true
		p.sendAnswer(s, r, func(reply *callv1.Reply, err error) {
			if code := schema.CodeOf(err); code == callv1.Code_CODE_NOT_FOUND || code == callv1.Code_CODE_REJECTED {
				found = false
				return
			}
			s := p.adopt(s)
			p.answered(transaction, s, reply, err)
		})
		if found {
			return
		}
	}
	p.send(unknownSession(transaction, r.session))
}

// answered tells the client what became of its answer.
func (p *peer) answered(transaction string, s *session, reply *callv1.Reply, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	over := reply.GetLegState() == callv1.LegState_LEG_STATE_ENDED
	switch code := schema.CodeOf(err); {
	case err == nil && !over:
		p.send(ack{transaction})
		if s.state == connecting || s.state == claimed {
			s.state = accepted
			p.send(sessionState{session: s.id, state: accepted})
		}
		p.a.log.Info("session answered", "remote", p.remote, "call", reply.GetCallId(), "leg", s.leg,
			"account", s.account.aor.AOR())
	case code == callv1.Code_CODE_NOT_FOUND: // so long ago that nobody remembers it
		p.send(unknownSession(transaction, s.id))
		p.finish(s, textCancelled)
	case over, code == callv1.Code_CODE_ENDED, code == callv1.Code_CODE_CONFLICT, code == callv1.Code_CODE_GONE:
		// Somebody was faster: another device, or the caller giving up.
		p.send(ack{transaction})
		p.finish(s, textCancelled)
	case code == callv1.Code_CODE_NOT_ACCEPTABLE:
		p.send(ack{transaction})
		p.finish(s, endedText(callv1.Reason_REASON_NOT_ACCEPTABLE, s.side))
	case code == callv1.Code_CODE_INVALID:
		p.send(failure{transaction, invalidText(err)})
	default: // an Ended event follows if that ends the leg
		p.send(failure{transaction, errorText(err)})
	}
}

// lostRace reports whether a session ended before its client could answer.
func (p *peer) lostRace(s *session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.raceLost
}
