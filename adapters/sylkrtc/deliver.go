package sylkrtc

import (
	"context"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Deliver implements kit.Adapter.
func (a *adapter) Deliver(ctx context.Context, e *callv1.Event) error {
	switch e.GetBody().(type) {
	case *callv1.Event_InCall, *callv1.Event_Idle, *callv1.Event_PushFailed:
		return nil // the protocol has no word for them, and the terminals do not ask for them
	}
	acct, err := a.terminals.find(ctx, e)
	if err != nil {
		return err
	}
	if e.GetReoffer() != nil {
		if withdrawn, err := acct.p.awaitCalm(ctx, e.GetLegId()); withdrawn || err != nil {
			return err
		}
	}
	done := make(chan error, 1)
	if err := acct.p.tellEvent(acct, e, done); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		// It stays in its place in the queue; when the event comes again, it is
		// waited for and not said twice.
		return schema.Errorf(callv1.Code_CODE_RETRY, "the client takes its time: %w", ctx.Err())
	}
}

// respite is how long a client is left alone after its own update was accepted. The
// vendor's drops, for good, an offer that comes while it applies the answer.
const respite = 500 * time.Millisecond

// awaitCalm waits until a leg's client can take an offer. withdrawn: it has offered
// by itself meanwhile, and call state makes another offer out of that.
func (p *peer) awaitCalm(ctx context.Context, leg string) (withdrawn bool, err error) {
	for began := -1; ; {
		p.mu.Lock()
		var wait time.Duration
		if s := p.legs[leg]; s != nil {
			if began < 0 {
				began = s.updates
			}
			withdrawn, wait = s.updates != began, respite-time.Since(s.updated)
		}
		p.mu.Unlock()
		if withdrawn || wait <= 0 {
			return withdrawn, nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return false, schema.Errorf(callv1.Code_CODE_RETRY, "the client is busy: %w", ctx.Err())
		}
	}
}

// tellEvent queues what an event has to say. done is told once all of it is on
// the wire. It does not block.
func (p *peer) tellEvent(a *account, e *callv1.Event, done chan<- error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return errGone
	}
	if mine := p.goesOn(a, e); mine != nil {
		p.in.pushAnyway(anew{mine, e.GetLegId()}) // as many as the call has losses
		p.sendWith(nil, done)
		return nil
	}
	s, err := p.sessionOf(a, e)
	if err != nil {
		return err
	}
	if e.GetNumber() <= s.seen {
		p.sendWith(nil, done) // queued before: wait for what is on its way
		return nil
	}
	s.seen = e.GetNumber()
	s.meet(e)
	fresh := s.state != terminated
	for _, m := range eventMessages(s, e) {
		p.send(m)
	}
	p.sendWith(nil, done)
	switch {
	case e.GetIncoming() != nil:
		p.a.log.Info("incoming session", "remote", p.remote, "call", e.GetCallId(), "leg", e.GetLegId(),
			"session", s.id, "account", a.aor.AOR())
		p.in.pushAnyway(ring{s}) // as many as there are sessions
	case e.GetEnded() != nil && fresh:
		s.raceLost = s.side == incoming && s.state == connecting
		p.end(s)
		p.a.log.Info("session ended", "remote", p.remote, "call", e.GetCallId(), "leg", e.GetLegId(),
			"session", s.id, "account", a.aor.AOR(), "reason", schema.ReasonName(e.GetEnded().GetReason()))
	case e.GetAlerting().GetSdp() != "" && fresh && p.v == v2:
		s.state, s.early = earlyMedia, true
	case e.GetAnswered() != nil && fresh:
		s.state = accepted
	case e.GetReoffer() != nil && fresh:
		if s.offered = e.GetReoffer().GetSdp(); !inCall(s.state) {
			s.state = accepted // a leg of an earlier connection
		}
	case e.GetEstablished() != nil && fresh:
		s.state = established
	}
	return nil
}

// sessionOf finds the session of an event's leg, or makes it: for an incoming
// call, and for a leg that its account had on an earlier connection. p.mu is
// held.
func (p *peer) sessionOf(a *account, e *callv1.Event) (*session, error) {
	s := p.legs[e.GetLegId()]
	if s == nil && e.GetRef() != "" {
		if s = p.sessions[e.GetRef()]; s != nil && (s.account != a || s.leg != "") {
			s = nil
		}
	}
	switch {
	case s != nil && s.account == a:
		return s, nil
	case e.GetIncoming() != nil && p.live() >= p.a.cfg.MaxSessions:
		p.a.host.Metrics().Count("calls_refused", 1)
		return nil, schema.Errorf(callv1.Code_CODE_BUSY, "too many sessions on the connection")
	}
	s = &session{account: a, owner: e.GetSubscriber(), leg: e.GetLegId(), state: connecting, side: incoming}
	if s.id = schema.CompactUUID(e.GetLegId()); e.GetRef() != "" {
		s.id, s.side, s.state = e.GetRef(), outgoing, progress
	}
	if old := p.sessions[s.id]; old != nil {
		return nil, schema.Errorf(callv1.Code_CODE_CONFLICT, "the connection uses that session id for another call")
	}
	p.put(s)
	return s, nil
}

// eventMessages says an event in the protocol's words. It is pure.
func eventMessages(s *session, e *callv1.Event) []any {
	if s.state == terminated {
		return nil // its client knows, and hears no more of it
	}
	a := s.account
	switch b := e.GetBody().(type) {
	case *callv1.Event_Incoming:
		return []any{incomingSession{
			account: a.name, session: s.id, originator: identityOf(b.Incoming.GetCaller(), a.aor.Domain()),
			sdp: b.Incoming.GetSdp(), callID: e.GetCallId(), headers: wantedHeaders(b.Incoming.GetHeaders(), a.prefixes),
		}}
	case *callv1.Event_Alerting:
		if sdp := b.Alerting.GetSdp(); sdp != "" {
			return []any{sessionState{session: s.id, state: proceeding, code: 183},
				sessionState{session: s.id, state: earlyMedia, sdp: sdp, callID: e.GetCallId()}}
		}
		return []any{sessionState{session: s.id, state: proceeding, code: 180}, sessionState{session: s.id, state: ringing}}
	case *callv1.Event_Answered:
		m := sessionState{
			session: s.id, state: accepted, sdp: b.Answered.GetSdp(), callID: e.GetCallId(),
			headers: wantedHeaders(b.Answered.GetHeaders(), a.prefixes),
		}
		if s.early {
			m.sdp = "" // clients apply each one they get, and a second answer ends their call
		}
		return []any{m}
	case *callv1.Event_Reoffer:
		var out []any
		if s.offered != "" {
			// The one before was withdrawn without an answer. Clients take no other
			// before they know.
			out = append(out, sessionUpdated{session: s.id, state: updateFailed, reason: textTimeout})
		}
		return append(out, sessionUpdated{session: s.id, state: updateReceived, sdp: b.Reoffer.GetSdp()})
	case *callv1.Event_Established:
		if s.state == established {
			return nil // the connection before heard it, and that was not noted before it broke
		}
		return []any{sessionState{session: s.id, state: established}}
	case *callv1.Event_Ended:
		out := []any{sessionState{session: s.id, state: terminated, reason: endedText(b.Ended.GetReason(), s.side)}}
		if b.Ended.GetMissed() {
			out = append(out, missedSession{account: a.name, originator: identityOf(b.Ended.GetPeer(), a.aor.Domain())})
		}
		return out
	}
	return nil
}
