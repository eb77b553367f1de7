package sylkrtc

import (
	"encoding/json"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/internal/mailbox"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// book is an account's address book. Entries are the clients' JSON objects; only
// what has to be there is looked at.
type book struct {
	Account  string            `json:"account"`
	Contacts []json.RawMessage `json:"contacts"`
	Groups   []json.RawMessage `json:"groups"`
	Policies []json.RawMessage `json:"policies"`
	// Changed is when, in microseconds.
	Changed int64 `json:"changed"`
}

const (
	// maxEntry is the longest entry of an address book, maxBook the longest book.
	maxEntry = 8 << 10
	maxBook  = 512 << 10
)

func bookAt(owner string) string { return "book/" + mailbox.Key(owner) }

// list gives the entries of one type.
func (b *book) list(kind string) *[]json.RawMessage {
	switch kind {
	case "contact":
		return &b.Contacts
	case "group":
		return &b.Groups
	}
	return &b.Policies
}

func (b *book) size() int {
	n := 0
	for _, l := range [][]json.RawMessage{b.Contacts, b.Groups, b.Policies} {
		for _, e := range l {
			n += len(e) + 1
		}
	}
	return n
}

// apply makes a change; an error says why the book does not take it.
func (b *book) apply(r *updateBook, most int) error {
	l := b.list(r.kind)
	at := -1
	for i, e := range *l {
		if idOf(e) == r.id {
			at = i
			break
		}
	}
	switch {
	case r.action == "delete":
		if at >= 0 {
			*l = append((*l)[:at:at], (*l)[at+1:]...)
		}
		return nil
	case at >= 0:
		(*l)[at] = r.data
	case len(*l) >= most:
		return schema.Errorf(callv1.Code_CODE_OVERLOAD, "too many entries")
	default:
		*l = append(*l, r.data)
	}
	if b.size() > maxBook {
		return schema.Errorf(callv1.Code_CODE_OVERLOAD, "the address book is too large")
	}
	return nil
}

func idOf(raw json.RawMessage) string {
	var e struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(raw, &e) // no object has no id
	return e.ID
}

type fetchBook struct{ account string }

func parseFetchBook(f *fields) request { return &fetchBook{f.aor("account")} }

// bookContent is an address book as clients get it: no array is ever null.
type bookContent struct {
	Contacts []json.RawMessage `json:"contacts"`
	Groups   []json.RawMessage `json:"groups"`
	Policies []json.RawMessage `json:"policies"`
}

type bookFetched struct {
	Event string      `json:"event"`
	Book  bookContent `json:"addressbook"`
}

// carryOut tells the connection the account's address book.
func (r *fetchBook) carryOut(p *peer, t string) {
	a, _, ok := p.correspondent(t, r.account)
	if !ok {
		return
	}
	m := &p.a.messaging
	ctx, cancel := m.within()
	defer cancel()
	b, err := mailbox.Load[book](ctx, m.store, bookAt(a.owner()))
	if err != nil {
		p.send(failure{t, errorText(err)})
		return
	}
	p.send(ack{t})
	c := bookContent{entriesOf(b.Contacts), entriesOf(b.Groups), entriesOf(b.Policies)}
	p.send(event{"account", a.name, fieldsOf(bookFetched{"addressbook-fetched", c})})
}

func entriesOf(l []json.RawMessage) []json.RawMessage {
	if l == nil {
		return []json.RawMessage{}
	}
	return l
}

type bookUpdated struct {
	Event   string          `json:"event"`
	Type    string          `json:"type"`
	Action  string          `json:"action"`
	Contact json.RawMessage `json:"contact,omitempty"`
	Group   json.RawMessage `json:"group,omitempty"`
	Policy  json.RawMessage `json:"policy,omitempty"`
}

type bookFailed struct {
	Event  string `json:"event"`
	Type   string `json:"type"`
	Action string `json:"action"`
	Error  string `json:"error"`
	ID     string `json:"id"`
}

// carryOut changes the account's address book. All its connections are told, also
// this one, which may have sent less than what is stored.
func (r *updateBook) carryOut(p *peer, t string) {
	a, _, ok := p.correspondent(t, r.account)
	if !ok {
		return
	}
	m := &p.a.messaging
	ctx, cancel := m.within()
	defer cancel()
	own := a.owner()
	var refused error
	_, err := mailbox.Swap(ctx, m.store, bookAt(own), func(b *book) bool {
		b.Account, b.Changed = own, mailbox.Micros(time.Now())
		refused = b.apply(r, m.a.cfg.Messages.Contacts)
		return refused == nil
	})
	if err == nil {
		err = refused
	}
	answer := m.hold(p, r.id)
	if err != nil {
		p.a.log.Info("address book not changed", "account", a.aor.AOR(), "error", err)
		answer(ack{t})
		p.send(event{"account", a.name, fieldsOf(bookFailed{"addressbook-update-failed", r.kind, r.action, bookError(err), r.id})})
		return
	}
	e := bookUpdated{Event: "addressbook-updated", Type: r.kind, Action: r.action}
	switch r.kind {
	case "contact":
		e.Contact = r.data
	case "group":
		e.Group = r.data
	default:
		e.Policy = r.data
	}
	err = m.withBox(ctx, own, func() error {
		return m.boxes.Tell(ctx, own, mailbox.Tell{Kind: tellEvent, Ref: mailbox.Ref{ID: r.id}, Body: fieldsOf(e)})
	})
	if err != nil { // it is stored; the others have it when they fetch
		p.a.log.Info("an address book's change was not told", "account", a.aor.AOR(), "error", err)
	}
	answer(ack{t})
}

func bookError(err error) string {
	if schema.CodeOf(err) == callv1.Code_CODE_OVERLOAD {
		return "The address book is full"
	}
	return errorText(err)
}
