package sylkrtc

import (
	"slices"
	"strings"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// update takes a client's session-update: an offer inside its call, or the answer
// to the offer that it was sent there.
func (p *peer) update(transaction string, r *sessionUpdate) {
	s, state := p.session(r.session)
	switch {
	case s == nil:
		p.updateClaim(transaction, r)
		return
	case state == terminated:
		p.send(failure{transaction, "Session " + printable(r.session) + " is terminated"})
		return
	case !inCall(state):
		p.send(cannotUpdate(transaction, r.session, state))
		return
	}
	p.mu.Lock()
	answer := s.offered != "" && answers(r.sdp, s.offered)
	p.mu.Unlock()
	p.sendUpdate(s, r, answer, func(reply *callv1.Reply, err error) {
		if answer {
			p.updateAnswered(transaction, s, reply, err)
		} else {
			p.updateOffered(transaction, s, reply, err)
		}
	})
}

func cannotUpdate(transaction, id, state string) failure {
	return failure{transaction, "Invalid state for updating session " + printable(id) + ": " + state}
}

func (p *peer) sendUpdate(s *session, r *sessionUpdate, answer bool, then kit.Ack) {
	c := &callv1.Command{LegId: s.leg, Principal: s.owner}
	c.Body = &callv1.Command_Reoffer{Reoffer: &callv1.Reoffer{Sdp: r.sdp}}
	if answer {
		c.Body = &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: r.sdp, Headers: canonicalHeaders(r.headers)}}
	}
	p.a.host.Accept(p.commands(), c, kit.Ref{}, then)
}

// updateClaim takes an update for a call that was begun on an earlier connection,
// which takes that call up.
func (p *peer) updateClaim(transaction string, r *sessionUpdate) {
	answer := hasSetup(r.sdp, "active", "passive") && !hasSetup(r.sdp, "actpass")
	for _, s := range p.claims(r.session) {
		p.giveBack(s)
		found := true
		p.sendUpdate(s, r, answer, func(reply *callv1.Reply, err error) {
			if schema.CodeOf(err) == callv1.Code_CODE_NOT_FOUND {
				found = false
				return
			}
			s := p.retake(s, err == nil)
			if answer {
				p.updateAnswered(transaction, s, reply, err)
			} else {
				p.updateOffered(transaction, s, reply, err)
			}
		})
		if found {
			return
		}
	}
	p.send(unknownSession(transaction, r.session))
}

// updateOffered tells the client what became of its offer.
func (p *peer) updateOffered(transaction string, s *session, reply *callv1.Reply, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if text, refused := refusedUpdate(schema.CodeOf(err)); refused {
		p.send(ack{transaction})
		p.send(sessionUpdated{session: s.id, state: updateFailed, reason: text})
		return
	}
	if err != nil || reply.GetLegState() == callv1.LegState_LEG_STATE_ENDED {
		p.notUpdated(transaction, s, reply, err)
		return
	}
	s.offered = "" // ours is withdrawn in favour of the client's
	s.updates, s.updated = s.updates+1, time.Now()
	p.settle(s, reply)
	p.send(ack{transaction})
	p.send(sessionUpdated{session: s.id, state: updateAccepted, sdp: reply.GetSdp()})
	p.a.log.Info("session updated", "remote", p.remote, "call", reply.GetCallId(), "leg", s.leg, "account", s.account.aor.AOR())
}

// updateAnswered tells the client what became of its answer; of one that was
// taken, clients expect no more than the ack.
func (p *peer) updateAnswered(transaction string, s *session, reply *callv1.Reply, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch code := schema.CodeOf(err); {
	case code == callv1.Code_CODE_CONFLICT, code == callv1.Code_CODE_REJECTED:
		s.offered = "" // nobody waits for it any more
		p.send(cannotUpdate(transaction, s.id, s.state))
	case code == callv1.Code_CODE_NOT_ACCEPTABLE && reply.GetLegState() != callv1.LegState_LEG_STATE_ENDED:
		s.offered = ""
		p.send(failure{transaction, textUnusable})
	case err != nil, reply.GetLegState() == callv1.LegState_LEG_STATE_ENDED:
		p.notUpdated(transaction, s, reply, err)
	default:
		s.offered = ""
		p.settle(s, reply)
		p.send(ack{transaction})
		p.a.log.Info("session update answered", "remote", p.remote, "call", reply.GetCallId(), "leg", s.leg,
			"account", s.account.aor.AOR())
	}
}

// notUpdated says what is wrong with an update that was neither carried out nor
// refused in the protocol's own terms. p.mu is held.
func (p *peer) notUpdated(transaction string, s *session, reply *callv1.Reply, err error) {
	switch schema.CodeOf(err) {
	case callv1.Code_CODE_NOT_FOUND: // so long ago that nobody remembers it
		p.send(unknownSession(transaction, s.id))
		p.finish(s, textRemote)
	case callv1.Code_CODE_ENDED: // an event says why
		p.send(failure{transaction, "Session " + printable(s.id) + " is terminated"})
	case callv1.Code_CODE_INVALID:
		p.send(failure{transaction, invalidText(err)})
	case callv1.Code_CODE_UNSPECIFIED: // it ended the leg
		p.send(ack{transaction})
		p.finish(s, endedText(reply.GetReason(), s.side))
	default:
		p.send(failure{transaction, errorText(err)})
	}
}

// settle gives a session of an earlier connection the state that its leg has. p.mu
// is held.
func (p *peer) settle(s *session, reply *callv1.Reply) {
	if s.state != claimed {
		return
	}
	s.state = accepted
	if reply.GetLegState() == callv1.LegState_LEG_STATE_ESTABLISHED {
		s.state = established
	}
}

// answers tells the answer to an offer from an offer that crossed it; the request
// says neither. An answer has the offer's m-lines (RFC 3264 section 6) and never
// a=setup:actpass, which a browser's offer always has (RFC 8842 sections 5.2, 5.3).
func answers(sdp, offer string) bool {
	return !hasSetup(sdp, "actpass") && slices.Equal(mediaOf(sdp), mediaOf(offer))
}

// mediaOf gives the kinds of a description's m-lines, in order.
func mediaOf(sdp string) []string {
	var kinds []string
	for line := range strings.Lines(sdp) {
		if rest, ok := strings.CutPrefix(line, "m="); ok {
			kind, _, _ := strings.Cut(rest, " ")
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// hasSetup reports whether a description has a line with one of the DTLS roles.
func hasSetup(sdp string, roles ...string) bool {
	for line := range strings.Lines(sdp) {
		if role, ok := strings.CutPrefix(strings.TrimSpace(line), "a=setup:"); ok && slices.Contains(roles, role) {
			return true
		}
	}
	return false
}
