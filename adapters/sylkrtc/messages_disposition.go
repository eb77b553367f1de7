package sylkrtc

import (
	"context"
	"slices"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/internal/mailbox"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// carryOut notes what became of a message that came, and tells its sender. Only
// the account that a message was brought to can say so.
func (r *disposition) carryOut(p *peer, t string) {
	a := p.account(r.account)
	if a == nil {
		p.send(unknownAccount(t, r.account))
		return
	}
	// Clients answer every message that comes on their own: what limits those
	// limits these.
	if _, _, ok := p.verified(t, a); !ok {
		return
	}
	m := &p.a.messaging
	ctx, cancel := m.within()
	defer cancel()
	own := a.owner()
	if _, _, err := m.boxes.Edit(ctx, own, r.id, func(it *mailbox.Item) mailbox.Verdict { return r.answered(it) }); err != nil {
		p.send(failure{t, errorText(err)})
		return
	}
	sender, err := m.ownerNow(ctx, senderOf(r.uri))
	if schema.CodeOf(err) == callv1.Code_CODE_NOT_FOUND { // nobody would be told
		p.send(ack{t})
		return
	}
	if err != nil {
		p.send(failure{t, errorText(err)})
		return
	}
	told, err := m.reached(ctx, own, sender, r)
	if err != nil {
		p.send(failure{t, errorText(err)})
		return
	}
	p.send(ack{t})
	if told != nil {
		m.tellState(ctx, sender, told, r.state, r.id)
		return
	}
	m.maybeDialog(ctx, p, own, sender, r)
}

func senderOf(contact string) string {
	a, _ := parseAOR(contact)
	return a.String()
}

// answered takes what was answered off the notifications that are wanted, so that
// another device of the account does not answer again.
func (r *disposition) answered(it *mailbox.Item) mailbox.Verdict {
	if it.Direction != mailbox.Incoming || it.Contact != r.uri || len(it.Disposition) == 0 {
		return mailbox.Keep
	}
	if r.state != stateDelivered {
		it.Disposition = nil
		return mailbox.Changed
	}
	left := slices.DeleteFunc(slices.Clone(it.Disposition), func(s string) bool { return s == "positive-delivery" })
	if len(left) == len(it.Disposition) {
		return mailbox.Keep
	}
	it.Disposition = left
	return mailbox.Changed
}

// reached notes the new state of a message in its sender's history; nil if there
// is nothing new.
func (m *messaging) reached(ctx context.Context, own, sender string, r *disposition) (*mailbox.Item, error) {
	var changed *mailbox.Item
	n, _, err := m.boxes.Edit(ctx, sender, r.id, func(it *mailbox.Item) mailbox.Verdict {
		if it.Direction != mailbox.Outgoing || it.Peer != own || !after(it.State, r.state) {
			return mailbox.Keep
		}
		it.State = r.state
		if r.state == stateDelivered {
			it.Disposition = []string{"display"}
		} else {
			it.Disposition = nil
		}
		copied := *it
		changed = &copied
		return mailbox.Changed
	})
	if n == 0 { // what an earlier try found may have changed since
		changed = nil
	}
	return changed, err
}

// tellState tells the sender of a message what became of it.
func (m *messaging) tellState(ctx context.Context, sender string, it *mailbox.Item, state, id string) {
	body := fieldsOf(dispositionOf(id, it.Timestamp, state, 200, ""))
	err := m.boxes.Tell(ctx, sender, mailbox.Tell{Kind: tellEvent, Ref: it.Ref(), Body: body})
	if err != nil && schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		m.a.log.Info("a sender was not told", "account", addressOf(sender), "id", id, "error", err)
	}
}

// maybeDialog hands a notification on that may be about a message within a call:
// those are in no history, and the node that sent it knows. What is about nothing
// at all is limited like a message.
func (m *messaging) maybeDialog(ctx context.Context, p *peer, own, sender string, r *disposition) {
	same, err := m.boxes.Find(ctx, sender, r.id)
	if err != nil || len(same) > 0 || !p.talk.take(m.a.cfg.Messages.Rate, m.a.cfg.Messages.Burst, time.Now()) {
		return
	}
	err = m.boxes.Tell(ctx, sender, mailbox.Tell{
		Kind: tellDialogState, Ref: mailbox.Ref{ID: r.id, Contact: own},
		Body: fieldsOf(dialogState{State: r.state, Code: 200}),
	})
	if err != nil && schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		m.a.log.Info("a sender was not told", "account", addressOf(sender), "id", r.id, "error", err)
	}
}
