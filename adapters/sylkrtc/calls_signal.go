package sylkrtc

import (
	"github.com/tandem-rtc/tandem/adapters/kit"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// trickle hands candidates on. Clients give a call up when a trickle gets an
// error, so for a session that there is, or was a moment ago, it never does.
func (p *peer) trickle(transaction string, r *sessionTrickle) {
	body := &callv1.Signal_Candidates{Candidates: canonicalCandidates(r.candidates)}
	s, state := p.session(r.session)
	switch {
	case s == nil:
		p.signalClaim(transaction, r.session, &callv1.Signal{Body: body})
		return
	case state != terminated:
		p.signal(s, &callv1.Signal{Body: body})
	}
	p.send(ack{transaction})
}

// dtmf hands digits on, each a signal of its own, in order. They need no pause
// here: the media node plays them one after the other.
func (p *peer) dtmf(transaction string, r *sessionDTMF) {
	var digits []*callv1.Signal
	for _, d := range r.digits {
		digits = append(digits, &callv1.Signal{Body: &callv1.Signal_Dtmf{Dtmf: &callv1.Dtmf{
			Digit: string(d), DurationMs: r.durationMS,
		}}})
	}
	s, state := p.session(r.session)
	switch {
	case s == nil:
		p.signalClaim(transaction, r.session, digits...)
		return
	case state == terminated:
		p.send(failure{transaction, "Session " + printable(r.session) + " is terminated"})
		return
	case !inCall(state) && state != earlyMedia:
		p.send(failure{transaction, "Invalid state session " + printable(r.session) + ": " + state + " for DTMF info"})
		return
	}
	for _, g := range digits {
		p.signal(s, g)
	}
	p.send(ack{transaction})
}

func (p *peer) signal(s *session, g *callv1.Signal) {
	g.LegId, g.Principal = s.leg, s.owner
	if err := p.a.host.Signal(p.ctx, g); err != nil {
		p.a.log.Debug("signal not sent", "leg", s.leg, "error", err)
	}
}

// signalClaim signals for a call that was begun on an earlier connection: whose
// it is, the first signal that is taken tells.
func (p *peer) signalClaim(transaction, id string, signals ...*callv1.Signal) {
	for _, s := range p.claims(id) {
		taken := false
		for _, g := range signals {
			g.LegId, g.Principal = s.leg, s.owner
			if err := p.a.host.Signal(p.ctx, g); err != nil {
				p.a.log.Debug("signal not sent", "leg", s.leg, "error", err)
				break
			}
			taken = true
		}
		if taken {
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
