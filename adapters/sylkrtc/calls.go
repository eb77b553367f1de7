package sylkrtc

import (
	"strings"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// session is one leg as its client names it. Guarded by peer.mu, but for the
// first block, which never changes.
type session struct {
	id      string // the client's for a call it placed, the compact leg id otherwise
	account *account
	owner   string // the subscriber on whose behalf commands are sent
	side    side

	leg      string // "" until the Offer's reply
	state    string
	seen     uint64 // number of the last event that is on its way to the client
	raceLost bool   // ended before its client could answer
}

func (s *session) unanswered() bool { return s.state == connecting || s.state == progress }

// maxEnded is how many sessions that have ended a connection remembers, to say
// that they have and not that they never were.
const maxEnded = 32

// put makes a session known. p.mu is held.
func (p *peer) put(s *session) {
	if p.sessions == nil {
		p.sessions, p.legs = map[string]*session{}, map[string]*session{}
	}
	p.sessions[s.id] = s
	if s.leg != "" {
		p.legs[s.leg] = s
	}
}

// live counts the sessions that have not ended. p.mu is held.
func (p *peer) live() int { return len(p.sessions) - len(p.ended) }

// end marks a session as ended. p.mu is held.
func (p *peer) end(s *session) {
	s.state = terminated
	if p.ended = append(p.ended, s); len(p.ended) > maxEnded {
		p.forget(p.ended[0])
		p.ended = p.ended[1:]
	}
}

// forget drops a session. p.mu is held.
func (p *peer) forget(s *session) {
	delete(p.sessions, s.id)
	delete(p.legs, s.leg)
}

// session finds a session by its id; the hyphens of one of ours do not matter.
func (p *peer) session(id string) (s *session, state string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s = p.sessions[id]
	if u, ok := schema.CanonicalUUID(id); s == nil && ok {
		s = p.sessions[schema.CompactUUID(u)]
	}
	if s == nil {
		return nil, ""
	}
	return s, s.state
}

// claims gives what a session id may mean that this connection does not know: a
// leg that an account of it had on an earlier connection. Whether there is one,
// and whose it is, the leg's owner knows.
func (p *peer) claims(id string) []*session {
	if !p.a.cfg.ResumeCalls {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*session
	for _, a := range p.accounts {
		if a.terminal == nil {
			continue
		}
		leg, ours := p.a.host.Resolve(a.terminal.GetSubscriber(), kit.Ref{Scope: scope, ID: id})
		s := &session{id: id, account: a, owner: a.terminal.GetSubscriber(), leg: leg, state: claimed}
		if ours {
			s.side = incoming
			s.id = schema.CompactUUID(leg)
		}
		out = append(out, s)
	}
	return out
}

// adopt makes a claim known that has proved right.
func (p *peer) adopt(claim *session) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sessions[claim.id]; s != nil { // an event was faster
		return s
	}
	p.put(claim)
	return claim
}

func unknownSession(transaction, id string) failure {
	return failure{transaction, "Unknown session " + printable(id)}
}

// create places a call.
func (p *peer) create(transaction string, r *sessionCreate) {
	a := p.account(r.account)
	s := &session{id: r.session, account: a, side: outgoing, state: connecting}
	if known, _ := p.session(r.session); known != nil {
		p.send(inUse(transaction, r.session))
		return
	}
	if a == nil {
		p.send(unknownAccount(transaction, r.account))
		return
	}
	to, err := schema.ParseDialled(r.uri, a.aor.Domain())
	if err != nil {
		p.send(failure{transaction, "invalid SIP URI: " + printable(r.uri)})
		return
	}
	p.mu.Lock()
	full := p.live() >= p.a.cfg.MaxSessions
	p.mu.Unlock()
	if full {
		p.send(failure{transaction, "Too many sessions"})
		return
	}
	principal, err := p.caller(a)
	if err != nil {
		p.notPlaced(transaction, s, err)
		return
	}
	ref := kit.Ref{Scope: scope, ID: r.session}
	if _, ours := p.a.host.Resolve(principal.GetSubscriber(), ref); ours {
		p.send(inUse(transaction, r.session)) // the name of a leg is never a new call's
		return
	}
	s.owner = principal.GetSubscriber()
	p.mu.Lock()
	p.put(s)
	p.mu.Unlock()
	p.a.host.Accept(p.commands(), &callv1.Command{
		Principal: principal.GetSubscriber(),
		Body: &callv1.Command_Offer{Offer: &callv1.Offer{
			To: to.String(), Sdp: r.sdp, Terminal: &callv1.Terminal{Id: a.terminal.GetId()},
			Ref: r.session, Caller: a.party(principal), Headers: canonicalHeaders(r.headers),
		}},
	}, ref, func(reply *callv1.Reply, err error) {
		if err != nil {
			p.notPlaced(transaction, s, err)
			return
		}
		p.placed(transaction, s, reply)
	})
}

func inUse(transaction, id string) failure {
	return failure{transaction, "Session ID " + printable(id) + " already in use"}
}

// placed tells the client that its call is under way.
func (p *peer) placed(transaction string, s *session, reply *callv1.Reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.leg = reply.GetLegId()
	p.put(s)
	p.send(ack{transaction})
	if reply.GetLegState() == callv1.LegState_LEG_STATE_ENDED {
		p.finish(s, endedText(reply.GetReason(), s.side))
		return
	}
	s.state = progress
	p.send(sessionState{session: s.id, state: progress})
	p.a.log.Info("session created", "remote", p.remote, "call", reply.GetCallId(), "leg", s.leg,
		"session", s.id, "account", s.account.aor.AOR())
}

// notPlaced tells the client that its call was refused. What a person would
// call a call that did not come about is acked and ends; what is the request's
// fault, or leaves it open, is an error.
func (p *peer) notPlaced(transaction string, s *session, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(s)
	code := schema.CodeOf(err)
	p.a.log.Info("session refused", "remote", p.remote, "session", s.id, "account", s.account.aor.AOR(),
		"code", schema.CodeName(code))
	if text, ok := refusedCall(code); ok {
		p.put(s)
		p.send(ack{transaction})
		p.finish(s, text)
		return
	}
	switch code {
	case callv1.Code_CODE_CONFLICT, callv1.Code_CODE_ENDED:
		p.send(inUse(transaction, s.id))
	case callv1.Code_CODE_INVALID:
		p.send(failure{transaction, invalidText(err)})
	default:
		p.send(failure{transaction, errorText(err)})
	}
}

// invalidText names the field of a request that was refused as invalid.
func invalidText(err error) string {
	field := ""
	if e, ok := err.(*schema.Error); ok { //nolint:errorlint // by the contract of Accept
		field = e.Field[strings.LastIndexByte(e.Field, '.')+1:]
	}
	name, known := map[string]string{"to": "uri", "ref": "session"}[field]
	if !known {
		name = "sdp"
	}
	if strings.Contains(field, "name") || strings.Contains(field, "value") || strings.HasPrefix(field, "headers") {
		name = "headers"
	}
	return "Invalid value for '" + name + "' property"
}

// finish tells the client that a session is over, once. p.mu is held.
func (p *peer) finish(s *session, reason string) {
	if s.state == terminated {
		return
	}
	p.end(s)
	p.send(sessionState{session: s.id, state: terminated, reason: reason})
}

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

// trickle hands candidates on. Clients give a call up when a trickle gets an
// error, so for a session that lives it never does.
func (p *peer) trickle(transaction string, r *sessionTrickle) {
	body := &callv1.Signal_Candidates{Candidates: canonicalCandidates(r.candidates)}
	s, state := p.session(r.session)
	switch {
	case s == nil:
		p.signalClaim(transaction, r.session, func(g *callv1.Signal) { g.Body = body })
		return
	case state == terminated:
		p.send(failure{transaction, "Session " + printable(r.session) + " is terminated"})
		return
	}
	p.signal(s, &callv1.Signal{Body: body})
	p.send(ack{transaction})
}

// dtmf hands a digit on.
func (p *peer) dtmf(transaction string, r *sessionDTMF) {
	body := &callv1.Signal_Dtmf{Dtmf: &callv1.Dtmf{Digit: r.digit, DurationMs: r.durationMS}}
	s, state := p.session(r.session)
	switch {
	case s == nil:
		p.signalClaim(transaction, r.session, func(g *callv1.Signal) { g.Body = body })
		return
	case state == terminated:
		p.send(failure{transaction, "Session " + printable(r.session) + " is terminated"})
		return
	case state != accepted && state != established && state != claimed:
		p.send(failure{transaction, "Invalid state for DTMF on session " + printable(r.session) + ": " + state})
		return
	}
	p.signal(s, &callv1.Signal{Body: body})
	p.send(ack{transaction})
}

func (p *peer) signal(s *session, g *callv1.Signal) {
	g.LegId, g.Principal = s.leg, s.owner
	if err := p.a.host.Signal(p.ctx, g); err != nil {
		p.a.log.Debug("signal not sent", "leg", s.leg, "error", err)
	}
}

func (p *peer) signalClaim(transaction, id string, fill func(*callv1.Signal)) {
	for _, s := range p.claims(id) {
		g := &callv1.Signal{LegId: s.leg, Principal: s.owner}
		fill(g)
		if p.a.host.Signal(p.ctx, g) == nil {
			p.send(ack{transaction})
			return
		}
	}
	p.send(unknownSession(transaction, id))
}

// ring asks to tell the caller that a session's client alerts its user.
type ring struct{ s *session }

// ring says that an incoming call rings. A sylkRTC client shows a call as soon
// as it is told, and says nothing of it.
func (p *peer) ring(s *session) {
	if _, state := p.session(s.id); state != connecting {
		return
	}
	p.a.host.Accept(p.commands(), &callv1.Command{
		LegId: s.leg, Principal: s.owner,
		Body: &callv1.Command_Ringing{Ringing: &callv1.Ringing{}},
	}, kit.Ref{}, func(_ *callv1.Reply, err error) {
		if err != nil { // it ended; an event says so
			p.a.log.Debug("ringing refused", "leg", s.leg, "error", err)
		}
	})
}
