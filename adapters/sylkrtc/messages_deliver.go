package sylkrtc

import (
	"context"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/internal/mailbox"
)

// Kinds of tells.
const (
	tellMessage     = "message"      // a message came
	tellSent        = "sent"         // another connection sent one
	tellEvent       = "event"        // an account-event
	tellFlash       = "flash"        // an account-event that is not kept
	tellDialog      = "dialog"       // a message within a call
	tellDialogState = "dialog-state" // what became of one
)

// delivery tells an account's connections here a number of things.
type delivery struct {
	m       *messaging
	l       *line
	members []*account
	sent    map[sending]bool
	due     []confirmation
}

type sending struct {
	to *account
	mailbox.Ref
}

// confirmation is a message on its way to some connections.
type confirmation struct {
	ref  mailbox.Ref
	to   int
	done chan error
}

func (d *delivery) tell(ctx context.Context, t mailbox.Tell) {
	switch t.Kind {
	case tellMessage:
		d.message(ctx, t.Ref, d.members)
	case tellSent:
		d.sentElsewhere(ctx, t)
	case tellEvent:
		d.event(t, t.Body)
	case tellFlash:
		body, err := d.m.boxes.Flash(ctx, d.l.owner, t.Ref.ID)
		if err != nil || body == nil {
			d.m.a.log.Debug("not there any more", "account", d.l.account, "id", t.Ref.ID, "error", err)
			return
		}
		d.event(t, body)
	case tellDialog:
		d.m.dialogCame(ctx, d.l.owner, d.members, t)
	case tellDialogState:
		d.m.dialogState(d.l.owner, t)
	}
}

// event tells all connections but the one that did it.
func (d *delivery) event(t mailbox.Tell, body []byte) {
	for _, a := range d.members {
		if t.But == "" || a.terminalID() != t.But {
			d.m.say(a, t.Ref.ID, event{"account", a.name, body})
		}
	}
}

// message tells connections of a message that came; those that are registered.
func (d *delivery) message(ctx context.Context, r mailbox.Ref, to []*account) {
	var ringing []*account
	for _, a := range to {
		if k := (sending{a, r}); a.canRing() && !d.sent[k] {
			d.sent[k] = true
			ringing = append(ringing, a)
		}
	}
	if len(ringing) == 0 {
		return // it waits
	}
	items, err := d.m.boxes.Find(ctx, d.l.owner, r.ID)
	if err != nil {
		d.m.a.log.Debug("a message could not be read", "account", d.l.account, "id", r.ID, "error", err)
		return
	}
	c := confirmation{ref: r, done: make(chan error, len(ringing)+1)}
	for i := range items {
		it := &items[i]
		if it.Direction != mailbox.Incoming || it.Ref() != r {
			continue
		}
		body := fieldsOf(messageOf(it))
		for _, a := range ringing {
			c.to++
			a.p.sendWith(event{"account", a.name, body}, c.done)
		}
	}
	if c.to == 0 { // it was removed before anybody saw it
		c.to = 1
		c.done <- nil
	}
	d.due = append(d.due, c)
}

func messageOf(it *mailbox.Item) messageEvent {
	return messageEvent{
		Event: "message", Sender: identity{it.Contact, it.Name}, Timestamp: it.Timestamp, Disposition: notNull(it.Disposition),
		MessageID: it.ID, ContentType: it.ContentType, Content: it.Content, Metadata: it.Metadata,
	}
}

// notNull gives a list that is written as one.
func notNull(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// sentElsewhere tells the other connections of an account what one of them sent.
func (d *delivery) sentElsewhere(ctx context.Context, t mailbox.Tell) {
	others := false
	for _, a := range d.members {
		others = others || a.terminalID() != t.But
	}
	if !others {
		return
	}
	items, err := d.m.boxes.Find(ctx, d.l.owner, t.Ref.ID)
	if err != nil {
		d.m.a.log.Debug("a message could not be read", "account", d.l.account, "id", t.Ref.ID, "error", err)
		return
	}
	for i := range items {
		it := &items[i]
		if it.Direction != mailbox.Outgoing || it.Ref() != t.Ref {
			continue
		}
		for _, a := range d.members {
			if a.terminalID() != t.But {
				d.m.say(a, it.ID, event{"account", a.name, fieldsOf(sentOf(a.name, it))})
			}
		}
	}
}

// sentOf is what another connection, whose name of the account is given, is told
// of a message that was sent.
func sentOf(name string, it *mailbox.Item) syncEvent {
	return syncEvent{Event: "sync", Type: "message", Action: "add", Content: sentContent{
		Account: name, URI: it.Contact, Contact: it.Contact, MessageID: it.ID, Content: it.Content,
		ContentType: it.ContentType, Timestamp: it.Timestamp, Direction: mailbox.Outgoing, Metadata: it.Metadata,
	}}
}

// confirm waits until messages are on the wire of one connection each; then they
// do not wait any more. Others, and clients that are too slow, get them when they
// register again.
func (d *delivery) confirm() {
	if len(d.due) == 0 {
		return
	}
	wait, cancel := context.WithTimeout(d.m.a.work, d.m.a.cfg.WriteTimeout)
	defer cancel()
	var delivered []mailbox.Ref
	for _, c := range d.due {
		for range c.to {
			var err error
			select {
			case err = <-c.done:
			case <-wait.Done():
				err = wait.Err()
			}
			if err == nil {
				delivered = append(delivered, c.ref)
				break
			}
		}
	}
	if len(delivered) == 0 {
		return
	}
	d.m.a.host.Metrics().Count("messages_delivered", len(delivered))
	ctx, done := d.m.within()
	defer done()
	err := d.m.boxes.Update(ctx, d.l.owner, func(box *mailbox.Box) bool { return box.Delivered(delivered...) })
	if err != nil { // they are told again when the account registers; clients know them by their ids
		d.m.a.log.Info("delivered messages still wait", "account", d.l.account, "messages", len(delivered), "error", err)
	}
}

// terminalID gives the id of the account's terminal, which tells its connections
// apart.
func (a *account) terminalID() string {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	return a.terminal.GetId()
}

// heldBack is what is said to a client about a message whose request it has not
// been answered yet.
type heldBack struct {
	id    string
	after []any
}

// say tells a connection something about a message, after the request that sent
// it is answered.
func (m *messaging) say(a *account, id string, e event) {
	m.mu.Lock()
	if h := m.held[a.p]; h != nil && h.id == id {
		h.after = append(h.after, e)
		m.mu.Unlock()
		return
	}
	m.mu.Unlock()
	a.p.send(e)
}

// hold has what is said about a message wait for answer, which must be called.
func (m *messaging) hold(p *peer, id string) (answer func(any)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := &heldBack{id: id}
	m.held[p] = h
	return func(with any) {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.held, p)
		p.send(with)
		for _, e := range h.after {
			p.send(e)
		}
	}
}
