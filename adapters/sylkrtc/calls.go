package sylkrtc

import (
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
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
	seen     uint64   // number of the last event that is on its way to the client
	raceLost bool     // ended before its client could answer
	far      []string // the addresses of the other side that are accounts, as owners
	early    bool     // the client has the answer since before the call was accepted
	offered  string   // the re-offer that the client has and did not answer; "" if none
	retaken  bool     // its client had it on an earlier connection

	updates int       // offers of the client that were accepted
	updated time.Time // when the last was
}

func (s *session) unanswered() bool {
	return s.state == connecting || s.state == progress || s.state == earlyMedia
}

// inCall reports whether a session in a state can be updated and take digits. A
// claimed one may be anything: its owner knows.
func inCall(state string) bool {
	return state == accepted || state == established || state == claimed
}

// maxEnded is how many sessions that have ended a connection remembers, to say
// that they have and not that they never were.
const maxEnded = 128

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
