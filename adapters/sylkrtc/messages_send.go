package sylkrtc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/internal/mailbox"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Content types with a meaning of their own.
const (
	typePublicKey  = "text/pgp-public-key"
	typePrivateKey = "text/pgp-private-key"
	typeComposing  = "application/im-iscomposing+xml"
)

// Content types that entries of a history have which this server makes. Clients
// look into their content, so nobody may send them.
const (
	typeNotification   = "message/imdn"
	typeMessageRemoved = "application/sylk-message-remove"
	typeConversation   = "application/sylk-conversation-remove"
	typeRead           = "application/sylk-conversation-read"
)

func reserved(contentType string) bool {
	switch mediaType(contentType) {
	case typeNotification, "message/imdn+xml", "message/imdn+json", "message/cpim", typeMessageRemoved, typeConversation, typeRead:
		return true
	}
	return false
}

// wakes says whether a message is something for a person to read.
func wakes(contentType string) bool {
	switch mediaType(contentType) {
	case "text/plain", "text/html", "application/sylk-file-transfer":
		return true
	}
	return false
}

// correspondent gives the account that a request about messages is made for:
// verified, and told of what happens to it. If there is none, the request is
// answered.
func (p *peer) correspondent(transaction, name string) (*account, *callv1.Principal, bool) {
	a := p.account(name)
	if a == nil {
		p.send(unknownAccount(transaction, name))
		return nil, nil, false
	}
	if !p.talk.take(p.a.cfg.Messages.Rate, p.a.cfg.Messages.Burst, time.Now()) {
		p.a.host.Metrics().Count("messages_rate_limited", 1)
		p.send(failure{transaction, textTooMany})
		return nil, nil, false
	}
	return p.verified(transaction, a)
}

// verified is correspondent for an account that is known, without a limit.
func (p *peer) verified(transaction string, a *account) (*account, *callv1.Principal, bool) {
	principal, err := p.known(a)
	if err == nil {
		err = p.attached(a, principal) // so that it has a name and is told of
	}
	if err != nil {
		p.send(failure{transaction, errorText(err)})
		return nil, nil, false
	}
	if l := p.a.messaging.join(a); l != nil {
		if err := l.await(p.ctx); err != nil {
			p.send(failure{transaction, errorText(err)})
			return nil, nil, false
		}
	}
	return a, principal, true
}

// outcome is what became of a message: a state, and why in the terms of SIP.
type outcome struct {
	state, reason string
	code          int
}

func accepts() outcome { return outcome{stateAccepted, "OK", 200} }

func fails(code int, reason string) outcome { return outcome{stateFailed, reason, code} }

// carryOut sends a message to another account.
func (r *accountMessage) carryOut(p *peer, t string) {
	a, principal, ok := p.correspondent(t, r.account)
	if !ok {
		return
	}
	m := &p.a.messaging
	ctx, cancel := m.within()
	defer cancel()
	if text := r.refused(m); text != "" {
		p.send(failure{t, text})
		return
	}
	party, peer, err := m.recipient(ctx, a, r.uri)
	if err != nil && schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		p.send(failure{t, errorText(err)})
		return
	}
	from := identity{a.aor.AOR(), a.party(principal).GetDisplayName()}
	answer := m.hold(p, r.id)
	var followUp func()
	switch mediaType(r.contentType) {
	case typeComposing: // nothing that is worth a stored message
	case typePublicKey:
		followUp, err = m.publish(ctx, a, from, peer, r)
	case typePrivateKey:
		followUp, err = m.shareKey(ctx, a, peer, r)
	default:
		s := letter{m: m, a: a, from: from, principal: principal, party: party, peer: peer, r: r}
		followUp, err = s.send(ctx)
	}
	if err != nil {
		p.a.log.Info("message not taken", "account", a.aor.AOR(), "id", r.id, "error", err)
		answer(failure{t, messageError(err)})
		return
	}
	answer(ack{t})
	if followUp != nil {
		followUp()
	}
}

// refused says why a message is not taken whoever it is for.
func (r *accountMessage) refused(m *messaging) string {
	switch {
	case len(r.content) > m.a.cfg.Messages.MaxContent:
		return "Message is too long"
	case reserved(r.contentType):
		return "Invalid value for 'content_type' property"
	}
	if _, err := schema.ParseDialled(r.uri, ""); err != nil {
		return "invalid SIP URI: " + printable(r.uri)
	}
	return ""
}

// messageError says why a request could not be carried out.
func messageError(err error) string {
	if e := (*refusal)(nil); errors.As(err, &e) {
		return e.text
	}
	return errorText(err)
}

// recipient finds whom an address names, and the account that takes messages for
// them. CODE_NOT_FOUND with a nil party: nobody. The account is "" if they have
// none.
func (m *messaging) recipient(ctx context.Context, a *account, uri string) (*callv1.Party, string, error) {
	to, err := schema.ParseDialled(uri, a.aor.Domain())
	if err != nil {
		return nil, "", schema.Errorf(callv1.Code_CODE_NOT_FOUND, "%w", err)
	}
	if to == a.aor {
		return a.principal.GetParty(), a.owner(), nil
	}
	party, err := m.a.host.LookUp(ctx, to.String())
	if err != nil {
		return nil, "", err
	}
	if to.IsSIP() && holds(party, to) {
		return party, ownerOf(to.String(), party.GetSubscriber()), nil
	}
	if first, ok := schema.FirstOf(party, schema.SchemeSIP); ok {
		return party, ownerOf(first.String(), party.GetSubscriber()), nil
	}
	return party, "", nil
}

// letter is one message on its way.
type letter struct {
	m         *messaging
	a         *account
	from      identity
	principal *callv1.Principal
	party     *callv1.Party // nil: nobody
	peer      string
	r         *accountMessage
}

// send stores the message for both sides. Its order is such that a crash between
// two steps leaves a message that was not acknowledged, which the client sends
// again, and that an answer of the recipient's client finds what it is about.
// What it gives tells the sender's connections; an error is a request that was
// not carried out.
func (s *letter) send(ctx context.Context) (func(), error) {
	own := s.a.owner()
	it, fresh, err := s.remember(ctx, own)
	if err != nil {
		return nil, err
	}
	if !fresh && it.State != statePending && it.State != stateFailed {
		s.m.a.host.Metrics().Count("messages_repeated", 1)
		return func() { // the client did not hear of it
			s.m.say(s.a, it.ID, event{"account", s.a.name, fieldsOf(dispositionOf(it.ID, it.Timestamp, it.State, 200, "OK"))})
		}, nil
	}
	out, err := s.bring(ctx, own, !fresh)
	if err != nil {
		return nil, err
	}
	_, _, err = s.m.boxes.Edit(ctx, own, it.ID, func(i *mailbox.Item) mailbox.Verdict {
		if i.Direction != mailbox.Outgoing || i.Contact != it.Contact || i.State != statePending && i.State != stateFailed || i.State == out.state {
			return mailbox.Keep // the recipient was faster
		}
		i.State = out.state
		return mailbox.Changed
	})
	if err != nil {
		return nil, err
	}
	s.m.a.log.Info("message", "from", s.from.URI, "to", it.Contact, "id", it.ID, "content_type", it.ContentType,
		"bytes", len(it.Content), "state", out.state)
	if out.state == stateAccepted {
		s.m.a.host.Metrics().Count("messages_accepted", 1)
	} else {
		s.m.a.host.Metrics().Count("messages_failed", 1)
	}
	return func() { s.told(it, fresh, out) }, nil
}

// remember puts the message into its sender's own history, or finds it there.
func (s *letter) remember(ctx context.Context, own string) (*mailbox.Item, bool, error) {
	contact, _ := parseAOR(s.r.uri)
	it := &mailbox.Item{
		ID: s.r.id, Direction: mailbox.Outgoing, Contact: contact.AOR(), Peer: s.peer, ContentType: s.r.contentType,
		Content: s.r.content, Metadata: s.r.metadata, Timestamp: s.r.timestamp, State: statePending, Disposition: wanted(),
	}
	var fresh bool
	err := s.m.withBox(ctx, own, func() (err error) {
		fresh, err = s.m.boxes.Add(ctx, own, it)
		return err
	})
	if err != nil || fresh {
		return it, fresh, err
	}
	same, err := s.m.boxes.Find(ctx, own, it.ID)
	if err != nil {
		return nil, false, err
	}
	for i := range same {
		if o := &same[i]; o.Direction == it.Direction && o.Contact == it.Contact {
			return o, false, nil
		}
	}
	return it, true, nil // removed in this moment
}

// withBox does something with an account's box, and makes it if there is none: an
// account may write before it registers for the first time.
func (m *messaging) withBox(ctx context.Context, owner string, f func() error) error {
	err := f()
	if schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		return err
	}
	if err := m.boxes.Make(ctx, owner); err != nil {
		return err
	}
	return f()
}

// bring takes the message to its recipient's box.
func (s *letter) bring(ctx context.Context, own string, again bool) (outcome, error) {
	switch {
	case s.party == nil:
		return fails(404, "Not Found"), nil
	case s.peer == own: // notes to oneself
		return accepts(), nil
	case s.peer == "":
		return fails(480, "Temporarily Unavailable"), nil
	}
	it := &mailbox.Item{
		ID: s.r.id, Direction: mailbox.Incoming, Contact: s.from.URI, Name: s.from.DisplayName, ContentType: s.r.contentType,
		Content: s.r.content, Metadata: s.r.metadata, Timestamp: s.r.timestamp, State: stateReceived, Disposition: wanted(),
	}
	err := s.m.boxes.Deliver(ctx, s.peer, it, again, mailbox.Tell{Kind: tellMessage, Ref: it.Ref()})
	switch schema.CodeOf(err) {
	case callv1.Code_CODE_NOT_FOUND: // nobody has ever signed in there with a client that takes messages
		return fails(480, "Temporarily Unavailable"), nil
	case callv1.Code_CODE_OVERLOAD:
		return fails(480, "Mailbox Full"), nil
	}
	if err != nil {
		return outcome{}, err
	}
	if wakes(it.ContentType) {
		s.m.wakeLater(s.peer, s.party.GetSubscriber(), it.Ref(), s.a.party(s.principal))
	}
	return accepts(), nil
}

// told has the sender's connections told what was sent and what became of it.
func (s *letter) told(it *mailbox.Item, fresh bool, out outcome) {
	ctx, cancel := s.m.within()
	defer cancel()
	tells := []mailbox.Tell{{
		Kind: tellEvent, Ref: it.Ref(), Body: fieldsOf(dispositionOf(it.ID, it.Timestamp, out.state, out.code, out.reason)),
	}}
	if fresh {
		tells = append([]mailbox.Tell{{Kind: tellSent, Ref: it.Ref(), But: s.a.terminalID()}}, tells...)
	}
	if err := s.m.boxes.Announce(ctx, s.a.owner(), it, fresh, tells...); err != nil {
		s.m.a.log.Info("a sender was not told", "account", s.from.URI, "id", it.ID, "error", err)
	}
}

// wakeLater has a recipient's devices woken if a message still waits after a
// while: another node may have a connection.
func (m *messaging) wakeLater(owner, subscriber string, ref mailbox.Ref, from *callv1.Party) {
	m.later(m.a.cfg.Messages.WakeAfter, func(ctx context.Context) {
		box, err := m.boxes.Get(ctx, owner)
		if err != nil {
			m.a.log.Info("nobody woken", "account", addressOf(owner), "error", err)
			return
		}
		for _, r := range box.Waiting {
			if r != ref {
				continue
			}
			to, _ := parseAOR(addressOf(owner))
			w := &callv1.Wake{Subscriber: subscriber, What: "message", Id: wakeID(ref), From: from, Account: to.AOR()}
			if err := m.a.host.Wake(ctx, w); err != nil {
				m.a.log.Info("nobody woken", "account", addressOf(owner), "id", ref.ID, "error", err)
			}
			return
		}
	})
}

// wakeID names a message among all messages of all senders.
func wakeID(r mailbox.Ref) string {
	sum := sha256.Sum256([]byte(r.Contact + "\x00" + r.ID))
	return hex.EncodeToString(sum[:16])
}

// refusal is an error that a client is told in words of its own.
type refusal struct{ text string }

// Error implements error.
func (e *refusal) Error() string { return e.text }
