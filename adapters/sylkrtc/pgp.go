package sylkrtc

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/internal/mailbox"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Keys for end-to-end encryption. What they are is the clients' business: an
// account publishes a public key by sending it to anybody, and hands its private
// key, which its client has encrypted with a passphrase, to its other devices.

// publicKey is what an account has published.
type publicKey struct {
	Account string `json:"account"`
	Key     string `json:"key"`
	// Changed is when, in microseconds.
	Changed int64 `json:"changed"`
}

const (
	// maxKey is the longest key.
	maxKey = 32 << 10
	// flashFor is how long what is not kept can be read by other nodes.
	flashFor = 30 * time.Second
)

func publicKeyAt(owner string) string { return "key/" + mailbox.Key(owner) }

// publish stores the sender's public key, whoever it was sent to, and hands it on.
// It is nobody's message: it is in no history and does not wait.
func (m *messaging) publish(ctx context.Context, a *account, from identity, peer string, r *accountMessage) (func(), error) {
	if len(r.content) > maxKey {
		return nil, &refusal{"Key is too long"}
	}
	own := a.owner()
	_, err := mailbox.Swap(ctx, m.store, publicKeyAt(own), func(k *publicKey) bool {
		changed := k.Key != r.content
		*k = publicKey{own, r.content, mailbox.Micros(time.Now())}
		return changed
	})
	if err != nil {
		return nil, err
	}
	m.a.log.Info("public key published", "account", a.aor.AOR())
	return func() {
		ctx, cancel := m.within()
		defer cancel()
		m.handOn(ctx, own, a.terminalID(), r.id, sentOf(a.name, outgoingOf(r)))
		if peer != "" && peer != own {
			m.handOn(ctx, peer, "", r.id, messageOf(&mailbox.Item{
				ID: r.id, Contact: from.URI, Name: from.DisplayName, ContentType: r.contentType, Content: r.content, Timestamp: r.timestamp,
			}))
		}
		m.accepted(ctx, a, r)
	}, nil
}

// shareKey hands a private key to the account's other connections that live now,
// and keeps nothing.
func (m *messaging) shareKey(ctx context.Context, a *account, peer string, r *accountMessage) (func(), error) {
	own := a.owner()
	switch {
	case len(r.content) > maxKey:
		return nil, &refusal{"Key is too long"}
	case peer != own:
		return nil, &refusal{"A private key can only be sent to its own account"}
	}
	if err := m.withBox(ctx, own, func() error { _, err := m.boxes.Get(ctx, own); return err }); err != nil {
		return nil, err
	}
	m.a.log.Info("private key handed on", "account", a.aor.AOR())
	return func() {
		ctx, cancel := m.within()
		defer cancel()
		m.handOn(ctx, own, a.terminalID(), r.id, sentOf(a.name, outgoingOf(r)))
		m.accepted(ctx, a, r)
	}, nil
}

func outgoingOf(r *accountMessage) *mailbox.Item {
	contact, _ := parseAOR(r.uri)
	return &mailbox.Item{
		ID: r.id, Contact: contact.AOR(), ContentType: r.contentType, Content: r.content, Timestamp: r.timestamp,
	}
}

// handOn tells an account's connections something that is not kept.
func (m *messaging) handOn(ctx context.Context, owner, but, id string, v any) {
	err := m.boxes.PutFlash(ctx, owner, id, json.RawMessage(fieldsOf(v)))
	if err == nil {
		m.dropLater(owner, id)
		err = m.boxes.Tell(ctx, owner, mailbox.Tell{Kind: tellFlash, Ref: mailbox.Ref{ID: id}, But: but})
	}
	if err != nil && schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		m.a.log.Info("not handed on", "account", addressOf(owner), "id", id, "error", err)
	}
}

// accepted tells who sent something that is in no history that it was taken.
func (m *messaging) accepted(ctx context.Context, a *account, r *accountMessage) {
	body := fieldsOf(dispositionOf(r.id, r.timestamp, stateAccepted, 200, "OK"))
	err := m.withBox(ctx, a.owner(), func() error {
		return m.boxes.Tell(ctx, a.owner(), mailbox.Tell{Kind: tellEvent, Ref: mailbox.Ref{ID: r.id}, Body: body})
	})
	if err != nil {
		m.a.log.Info("a sender was not told", "account", a.aor.AOR(), "id", r.id, "error", err)
	}
}

// lookupKey asks for an account's public key.
type lookupKey struct{ uri string }

func parseLookupKey(f *fields) request { return &lookupKey{f.aor("uri")} }

// carryOut answers with an event, which has no key if there is none. Only who has
// signed in with an account may ask.
func (r *lookupKey) carryOut(p *peer, t string) {
	if !p.talk.take(p.a.cfg.Messages.Rate, p.a.cfg.Messages.Burst, time.Now()) {
		p.send(failure{t, textTooMany})
		return
	}
	if !p.knowsSomebody() {
		p.send(failure{t, "Account not authenticated"})
		return
	}
	m := &p.a.messaging
	ctx, cancel := m.within()
	defer cancel()
	of, _ := parseAOR(r.uri)
	var k publicKey
	owner, err := m.ownerNow(ctx, of.String())
	if err == nil {
		k, err = mailbox.Load[publicKey](ctx, m.store, publicKeyAt(owner))
	}
	if err != nil && schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		p.send(failure{t, errorText(err)})
		return
	}
	p.send(ack{t})
	p.send(keyFound{r.uri, k.Key})
}

// knowsSomebody says whether an account of the connection has been verified, or
// can be.
func (p *peer) knowsSomebody() bool {
	p.mu.Lock()
	all := make([]*account, 0, len(p.accounts))
	for _, a := range p.accounts {
		all = append(all, a)
	}
	p.mu.Unlock()
	for _, a := range all {
		if p.verifiedLately(a) {
			return true
		}
	}
	for _, a := range all {
		if _, err := p.known(a); err == nil {
			return true
		}
	}
	return false
}

// keyFound is the answer to a lookupKey; key is "" if there is none.
type keyFound struct{ uri, key string }

// encode implements message.
func (k keyFound) encode(v version) ([]byte, bool) {
	if v != v2 {
		return nil, false
	}
	return marshal(struct {
		SylkRTC string `json:"sylkrtc"`
		URI     string `json:"uri"`
		Key     string `json:"public_key,omitempty"`
	}{"lookup-public-key-event", k.uri, k.key})
}
