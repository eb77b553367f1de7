package sylkrtc

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/internal/mailbox"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Messages within a call go from session to session and are not kept. The other
// session may be at another node: that is told of the message by the box of the
// other party, and says by the sender's that it has written it.

// dialogMessage is what another node is told.
type dialogMessage struct {
	Call  string       `json:"call"`
	Leg   string       `json:"leg"`  // the sender's
	Back  string       `json:"back"` // the sender, as an owner
	Event messageEvent `json:"event"`
}

// dialogState is what becomes of it.
type dialogState struct {
	State  string `json:"state"`
	Code   int    `json:"code"`
	Reason string `json:"reason,omitempty"`
}

// meet notes with whom a session is, as far as they have accounts. p.mu is held.
func (s *session) meet(e *callv1.Event) {
	party := e.GetIncoming().GetCaller()
	if party == nil {
		party = e.GetAnswered().GetCallee()
	}
	if party == nil {
		return
	}
	s.far = nil
	for _, text := range party.GetAddresses() {
		if a, err := schema.ParseAddress(text); err == nil && a.IsSIP() {
			s.far = append(s.far, ownerOf(a.String(), party.GetSubscriber()))
		}
	}
}

// carryOut sends a message to the other side of a call.
func (r *sessionMessage) carryOut(p *peer, t string) {
	s, state := p.session(r.session)
	switch {
	case s == nil:
		p.send(unknownSession(t, r.session))
		return
	case state == terminated:
		p.send(failure{t, "Session " + printable(r.session) + " is terminated"})
		return
	case !inCall(state):
		p.send(failure{t, "Invalid state session " + printable(r.session) + ": " + state + " for sending messages"})
		return
	}
	a, principal, ok := p.correspondent(t, s.account.name)
	m := &p.a.messaging
	switch {
	case !ok:
		return
	case len(r.content) > m.a.cfg.Messages.MaxContent:
		p.send(failure{t, "Message is too long"})
		return
	case reserved(r.contentType):
		p.send(failure{t, "Invalid value for 'content_type' property"})
		return
	}
	p.mu.Lock()
	leg, far := s.leg, slices.Clone(s.far)
	p.mu.Unlock()
	call, _, _ := schema.SplitLegID(leg)
	answer := m.hold(p, r.id)
	d := &dialog{a: a, session: s.id, far: far, timestamp: r.timestamp, state: statePending}
	m.dialogs.put(dialogKey{a.owner(), r.id}, d)
	msg := dialogMessage{Call: call, Leg: leg, Back: a.owner(), Event: messageEvent{
		Event: "message", Sender: identity{a.aor.AOR(), a.party(principal).GetDisplayName()}, Timestamp: r.timestamp,
		Disposition: wanted(), MessageID: r.id, ContentType: r.contentType, Content: r.content, Metadata: r.metadata,
	}}
	out := m.bringDialog(&msg, far)
	answer(ack{t})
	if out.state != statePending {
		m.dialogIs(d, r.id, dialogState{out.state, out.code, out.reason})
	}
}

// bringDialog takes a message to the other session, or has the nodes that may
// have it do so; then its outcome is pending.
func (m *messaging) bringDialog(msg *dialogMessage, far []string) outcome {
	ctx, cancel := m.within()
	defer cancel()
	for _, owner := range far {
		if m.tellDialog(ctx, m.at(owner), msg) {
			return accepts()
		}
	}
	asked := false
	for _, owner := range far {
		body, id := json.RawMessage(fieldsOf(msg)), msg.Event.MessageID
		if _, err := m.boxes.Get(ctx, owner); err != nil || m.boxes.PutFlash(ctx, owner, id, body) != nil {
			continue
		}
		m.dropLater(owner, id)
		asked = m.boxes.Tell(ctx, owner, mailbox.Tell{Kind: tellDialog, Ref: mailbox.Ref{ID: id}}) == nil || asked
	}
	gone := outcome{stateFailed, "Temporarily Unavailable", 480}
	if !asked {
		return gone
	}
	key := dialogKey{msg.Back, msg.Event.MessageID}
	if !m.later(m.dialogTimeout, func(context.Context) {
		if d := m.dialogs.get(key); d != nil && m.dialogs.pending(d) {
			m.dialogIs(d, key.id, dialogState{gone.state, gone.code, gone.reason})
		}
	}) {
		return gone
	}
	return outcome{state: statePending}
}

// tellDialog tells the sessions of a call among some connections; true when one
// has it on the wire.
func (m *messaging) tellDialog(ctx context.Context, members []*account, msg *dialogMessage) bool {
	done, sent := make(chan error, len(members)), 0
	body := fieldsOf(msg.Event)
	for _, a := range members {
		if id := a.sessionIn(msg.Call, msg.Leg); id != "" {
			sent++
			a.p.sendWith(event{"session", id, body}, done)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, m.dialogTimeout)
	defer cancel()
	for range sent {
		select {
		case err := <-done:
			if err == nil {
				return true
			}
		case <-ctx.Done():
			return false
		}
	}
	return false
}

// sessionIn gives the name of the account's session in a call, other than a leg
// of it.
func (a *account) sessionIn(call, but string) string {
	p := a.p
	p.mu.Lock()
	defer p.mu.Unlock()
	for leg, s := range p.legs {
		if c, _, ok := schema.SplitLegID(leg); ok && c == call && leg != but && s.account == a && inCall(s.state) {
			return s.id
		}
	}
	return ""
}

// dialogCame takes a message that another node has for a session that may be here.
func (m *messaging) dialogCame(ctx context.Context, owner string, members []*account, t mailbox.Tell) {
	body, err := m.boxes.Flash(ctx, owner, t.Ref.ID)
	var msg dialogMessage
	if err != nil || body == nil || json.Unmarshal(body, &msg) != nil {
		m.a.log.Debug("not there any more", "account", addressOf(owner), "id", t.Ref.ID, "error", err)
		return
	}
	if !m.tellDialog(ctx, members, &msg) {
		return // it is another connection's call
	}
	err = m.boxes.Tell(ctx, msg.Back, mailbox.Tell{
		Kind: tellDialogState, Ref: mailbox.Ref{ID: t.Ref.ID, Contact: owner},
		Body: fieldsOf(dialogState{stateAccepted, 200, "OK"}),
	})
	if err != nil {
		m.a.log.Info("a sender was not told", "account", addressOf(msg.Back), "id", t.Ref.ID, "error", err)
	}
}

// dialogState takes what became of a message that a session here may have sent.
func (m *messaging) dialogState(owner string, t mailbox.Tell) {
	var s dialogState
	d := m.dialogs.get(dialogKey{owner, t.Ref.ID})
	if d == nil || json.Unmarshal(t.Body, &s) != nil || !slices.Contains(d.far, t.Ref.Contact) {
		return
	}
	m.dialogIs(d, t.Ref.ID, s)
}

// dialogIs tells the sender's session, if that is news.
func (m *messaging) dialogIs(d *dialog, id string, s dialogState) {
	if !m.dialogs.change(d, s.State) {
		return
	}
	body := fieldsOf(dispositionOf(id, d.timestamp, s.State, s.Code, s.Reason))
	m.say(d.a, id, event{"session", d.session, body})
}
