package sylkrtc

import (
	"strings"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

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
		p.a.host.Metrics().Count("calls_refused", 1)
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
