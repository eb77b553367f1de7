package sylkrtc

import (
	"context"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/internal/mailbox"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Requests about an account's conversations.
type (
	syncConversations struct {
		account, id string // id: the last message that the client has; "" for none
		since       int64  // microseconds; 0 for all
		limit       int
	}
	markRead           struct{ account, contact string }
	removeConversation struct{ account, contact string }
	removeMessage      struct{ account, id, contact string }
)

const (
	defaultSync = 5000
	// syncOverlap is how much earlier than the last message that a client has its
	// history is told: two nodes may have added to it at once.
	syncOverlap = 10 * time.Second
	// syncBytes is about what one event has of a history: a client that reads
	// slowly still shows signs of life.
	syncBytes = 256 << 10
)

func parseSyncConversations(f *fields) request {
	r := &syncConversations{account: f.aor("account"), id: f.optional("message_id"), limit: defaultSync}
	if s := f.optional("since"); s != "" {
		t, ok := timeOf(s)
		if !ok {
			f.invalid("since")
		}
		r.since = mailbox.Micros(t)
	}
	if raw, there := f.m["limit"]; there && !isNull(raw) {
		n, ok := integer(raw)
		if !ok || n < 0 {
			f.invalid("limit")
		}
		r.limit = int(min(n, defaultSync))
	}
	if len(r.id) > maxMessageID {
		f.invalid("message_id")
	}
	return r
}

func parseMarkRead(f *fields) request { return &markRead{f.aor("account"), f.contact("contact")} }

func parseRemoveConversation(f *fields) request {
	return &removeConversation{f.aor("account"), f.contact("contact")}
}

func parseRemoveMessage(f *fields) request {
	return &removeMessage{f.aor("account"), f.messageID("message_id"), f.contact("contact")}
}

// entry is an item of a history as clients get it.
type entry struct {
	Contact     string   `json:"contact"`
	Timestamp   string   `json:"timestamp"`
	Disposition []string `json:"disposition"`
	MessageID   string   `json:"message_id"`
	ContentType string   `json:"content_type"`
	Content     string   `json:"content"`
	Direction   string   `json:"direction"`
	State       string   `json:"state,omitempty"`
	Metadata    string   `json:"metadata,omitempty"`
}

type syncConversationsEvent struct {
	Event    string  `json:"event"`
	Messages []entry `json:"messages"`
}

// carryOut tells the connection the account's history, in several events if it is
// long.
func (r *syncConversations) carryOut(p *peer, t string) {
	a, _, ok := p.correspondent(t, r.account)
	if !ok {
		return
	}
	m := &p.a.messaging
	ctx, cancel := m.within()
	defer cancel()
	items, err := m.boxes.List(ctx, a.owner())
	if err != nil {
		p.send(failure{t, errorText(err)})
		return
	}
	p.send(ack{t})
	r.tell(ctx, p, a, r.entries(items))
}

func (r *syncConversations) tell(ctx context.Context, p *peer, a *account, all []entry) {
	for first := true; first || len(all) > 0; first = false {
		n, size := 0, 0
		for n < len(all) && (n == 0 || size+len(all[n].Content) < syncBytes) {
			size += len(all[n].Content)
			n++
		}
		part := all[:n]
		if n == 0 {
			part = []entry{}
		}
		all = all[n:]
		done := make(chan error, 1)
		p.sendWith(event{"account", a.name, fieldsOf(syncConversationsEvent{"sync-conversations", part})}, done)
		if len(all) == 0 {
			return
		}
		select {
		case err := <-done:
			if err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// entries gives what a client does not have yet, the oldest first: with a message
// that it has, what was added after that, and what became meanwhile of messages
// that were added before.
func (r *syncConversations) entries(items []mailbox.Item) []entry {
	from := r.since
	for i := range items {
		if items[i].ID == r.id && r.id != "" {
			from = max(from, items[i].Created-syncOverlap.Microseconds())
			break
		}
	}
	var out []entry
	for i := range items {
		it := &items[i]
		switch {
		case it.ID == r.id && r.id != "":
		case it.Created > from:
			out = append(out, entryOf(it))
			continue
		}
		if from > 0 && it.Changed > from && it.Direction == mailbox.Outgoing && it.State != statePending {
			out = append(out, stateEntryOf(it))
		}
	}
	return out[:min(len(out), r.limit)]
}

func entryOf(it *mailbox.Item) entry {
	return entry{
		Contact: it.Contact, Timestamp: it.Timestamp, Disposition: notNull(it.Disposition), MessageID: it.ID,
		ContentType: it.ContentType, Content: it.Content, Direction: it.Direction, State: it.State, Metadata: it.Metadata,
	}
}

// stateEntryOf says what became of a message that the client has.
func stateEntryOf(it *mailbox.Item) entry {
	at := time.UnixMicro(it.Changed).UTC().Format(time.RFC3339Nano)
	return entry{
		Contact: it.Contact, Timestamp: at, Disposition: []string{}, MessageID: derivedID(typeNotification, it.ID+it.State),
		ContentType: typeNotification, Content: string(fieldsOf(dispositionOf(it.ID, it.Timestamp, it.State, 200, ""))),
		Direction: mailbox.Incoming, State: stateReceived,
	}
}

// carryOut notes that a conversation was read, for the account's other devices.
// The other side is told by the notifications of each message.
func (r *markRead) carryOut(p *peer, t string) {
	mark := &mailbox.Item{Contact: r.contact, Content: r.contact, ContentType: typeRead}
	p.change(t, r.account, mark, syncEvent{"sync", "conversation", "read", map[string]string{"contact": r.contact}},
		func(it *mailbox.Item) mailbox.Verdict {
			if it.Direction != mailbox.Incoming || it.Contact != r.contact || len(it.Disposition) == 0 {
				return mailbox.Keep
			}
			it.Disposition = nil
			return mailbox.Changed
		})
}

// carryOut removes a conversation from the account's own history.
func (r *removeConversation) carryOut(p *peer, t string) {
	at := time.Now().UTC().Format(time.RFC3339Nano)
	mark := &mailbox.Item{Contact: r.contact, Content: r.contact, ContentType: typeConversation, Timestamp: at}
	p.change(t, r.account, mark, syncEvent{"sync", "conversation", "remove", map[string]string{"contact": r.contact, "timestamp": at}},
		func(it *mailbox.Item) mailbox.Verdict {
			if it.Contact != r.contact || it.ContentType == typeConversation {
				return mailbox.Keep
			}
			return mailbox.Removed
		})
}

// change goes through an account's history for a request, marks that in it, for
// devices that are away, and tells the others.
func (p *peer) change(t, name string, mark *mailbox.Item, e syncEvent, f func(*mailbox.Item) mailbox.Verdict) {
	a, _, ok := p.correspondent(t, name)
	if !ok {
		return
	}
	m := &p.a.messaging
	ctx, cancel := m.within()
	defer cancel()
	err := m.withBox(ctx, a.owner(), func() error {
		if _, err := m.boxes.Sweep(ctx, a.owner(), f); err != nil {
			return err
		}
		return m.mark(ctx, a.owner(), a.terminalID(), mark, e)
	})
	if err != nil {
		p.send(failure{t, errorText(err)})
		return
	}
	p.send(ack{t})
}

// mark puts an entry of this server's own into a history, in place of an earlier
// one of its kind, and tells the account's connections but one.
func (m *messaging) mark(ctx context.Context, account, but string, mark *mailbox.Item, e syncEvent) error {
	if mark.Timestamp == "" {
		mark.Timestamp = time.Now().UTC().Format(time.RFC3339Nano)
	}
	if mark.ID == "" {
		mark.ID = derivedID(mark.ContentType, mark.Contact)
	}
	fresh, err := m.boxes.Replace(ctx, account, mark)
	if err != nil {
		return err
	}
	return m.boxes.Announce(ctx, account, mark, fresh, mailbox.Tell{Kind: tellEvent, Ref: mark.Ref(), But: but, Body: fieldsOf(e)})
}

// removedContent says which message was removed.
type removedContent struct {
	Contact   string `json:"contact"`
	MessageID string `json:"message_id"`
	Direction string `json:"direction"`
}

// carryOut removes a message from the account's history, and, if the account sent
// it, from that of who got it.
func (r *removeMessage) carryOut(p *peer, t string) {
	a, _, ok := p.correspondent(t, r.account)
	if !ok {
		return
	}
	m := &p.a.messaging
	ctx, cancel := m.within()
	defer cancel()
	direction, peer, err := r.ownCopy(ctx, m, a)
	if err == nil {
		err = m.withBox(ctx, a.owner(), func() error {
			return r.removed(ctx, m, a.owner(), a.terminalID(), r.contact, direction)
		})
	}
	if err == nil && direction == mailbox.Outgoing && peer != "" {
		err = r.farCopy(ctx, m, peer, a.aor.AOR())
	}
	if err != nil {
		p.send(failure{t, errorText(err)})
		return
	}
	p.send(ack{t})
}

// ownCopy takes the message out of the account's own history.
func (r *removeMessage) ownCopy(ctx context.Context, m *messaging, a *account) (direction, peer string, err error) {
	direction = mailbox.Outgoing
	_, _, err = m.boxes.Edit(ctx, a.owner(), r.id, func(it *mailbox.Item) mailbox.Verdict {
		if it.Contact != r.contact || it.Direction == "" {
			return mailbox.Keep
		}
		direction, peer = it.Direction, it.Peer
		return mailbox.Removed
	})
	if err == nil && peer == "" && direction == mailbox.Outgoing {
		peer, err = m.ownerNow(ctx, senderOf(r.contact))
	}
	if schema.CodeOf(err) == callv1.Code_CODE_NOT_FOUND { // nobody has it
		err = nil
	}
	return direction, peer, err
}

// farCopy takes it out of the history of who got it from this account.
func (r *removeMessage) farCopy(ctx context.Context, m *messaging, peer, contact string) error {
	_, n, err := m.boxes.Edit(ctx, peer, r.id, func(it *mailbox.Item) mailbox.Verdict {
		if it.Direction != mailbox.Incoming || it.Contact != contact {
			return mailbox.Keep
		}
		return mailbox.Removed
	})
	if err != nil || n == 0 {
		return err
	}
	return r.removed(ctx, m, peer, "", contact, mailbox.Incoming)
}

// removed marks the removal in one history.
func (r *removeMessage) removed(ctx context.Context, m *messaging, account, but, contact, direction string) error {
	c := removedContent{contact, r.id, direction}
	mark := &mailbox.Item{
		ID: derivedID(typeMessageRemoved, r.id+"\x00"+contact), Contact: contact, Direction: direction,
		ContentType: typeMessageRemoved, Content: string(fieldsOf(c)),
	}
	return m.mark(ctx, account, but, mark, syncEvent{"sync", "message", "remove", c})
}

// derivedID gives an entry that this server makes an id of its own.
func derivedID(kind, of string) string {
	id := wakeID(mailbox.Ref{ID: of, Contact: kind})
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}
