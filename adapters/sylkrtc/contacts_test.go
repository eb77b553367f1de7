package sylkrtc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
)

func contactOf(id, uri string) map[string]any {
	return map[string]any{"id": id, "name": "The " + id, "uris": []any{map[string]any{"id": "u", "uri": uri, "type": "SIP"}},
		"dialog": map[string]any{"policy": "default", "subscribe": false}, "more": map[string]any{"x": 1}}
}

func (c *client) book() told {
	c.t.Helper()
	c.ok(c.request("account-fetch-addressbook", map[string]any{"account": alice}))
	return c.hears("addressbook-fetched")
}

func (c *client) updates(action, kind string, data any) error {
	return c.request("account-update-addressbook", map[string]any{"account": alice, "action": action, "type": kind, "data": data})
}

func TestRequestAccountFetchAddressbook(t *testing.T) {
	s := serve(t, calm)
	c := s.client(t, sylkrtctest.V2)
	c.signsIn("alice")
	tr, err := c.Send(within(t), map[string]any{"sylkrtc": "account-fetch-addressbook", "account": alice})
	c.ok(err)
	if m := c.next(); m.Type != "ack" || m.Transaction != tr {
		t.Fatalf("first comes %s", m.Raw)
	}
	m := c.next()
	if want := `{"sylkrtc":"account-event","account":"alice@example.com","event":"addressbook-fetched","addressbook":{"contacts":[],"groups":[],"policies":[]}}`; m.Raw != want {
		t.Errorf("an empty book is %s, want %s", m.Raw, want)
	}
	c.refused(c.request("account-fetch-addressbook", map[string]any{"account": bob}), "Unknown account specified: bob@example.com")
}

func TestRequestAccountUpdateAddressbook(t *testing.T) {
	s := serve(t, calm)
	c, other, stranger := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	c.signsIn("alice")
	other.signsIn("alice")
	stranger.signsIn("bob")
	c.ok(c.updates("add", "contact", contactOf("c1", bob)))
	for _, x := range []*client{c, other} { // also this one, as the protocol's own server does
		e := x.hears("addressbook-updated")
		if e.str("type") != "contact" || e.str("action") != "add" || e.str("contact.id") != "c1" || e.str("contact.more.x") != "1" ||
			e.str("contact.defaultUri.uri") != bob || e.str("group") != "" {
			t.Errorf("heard %v", e)
		}
	}
	c.ok(c.updates("update", "contact", with(contactOf("c1", bob), "name", "Bob")))
	c.ok(c.updates("add", "group", map[string]any{"id": "g1", "name": "Friends"}))
	c.ok(c.updates("add", "policy", map[string]any{"id": "p1", "name": "Blocked", "uri": "x@y"}))
	for _, kind := range []string{"contact", "group", "policy"} {
		if e := other.hears("addressbook-updated"); e.str("type") != kind || e.str(kind+".id") == "" {
			t.Errorf("heard %v", e)
		}
	}
	if b := other.book(); b.str("addressbook.contacts") == "" || len(b["addressbook"].(map[string]any)["contacts"].([]any)) != 1 ||
		!strings.Contains(b.str("addressbook.contacts"), "name:Bob") || !strings.Contains(b.str("addressbook.groups"), "contacts:[]") ||
		!strings.Contains(b.str("addressbook.policies"), "p1") {
		t.Errorf("the book is %v", b)
	}
	c.ok(c.updates("delete", "policy", "p1")) // as clients say it
	c.ok(c.updates("delete", "contact", contactOf("c1", bob)))
	if e := other.hears("addressbook-updated"); e.str("action") != "delete" || e.str("policy.id") != "p1" {
		t.Errorf("heard %v", e)
	}
	if e := other.hears("addressbook-updated"); e.str("action") != "delete" || e.str("contact.id") != "c1" {
		t.Errorf("heard %v", e)
	}
	if b := c.book(); b.str("addressbook.contacts") != "[]" || b.str("addressbook.policies") != "[]" {
		t.Errorf("the book is %v", b)
	}
	stranger.nothing()
}

func TestRequestAccountUpdateAddressbookRefused(t *testing.T) {
	s := serve(t, calm)
	c := s.client(t, sylkrtctest.V2)
	c.signsIn("alice")
	c.refused(c.updates("burn", "contact", contactOf("c1", bob)), "Invalid value for 'action' property")
	c.refused(c.updates("add", "groupMember", map[string]any{"groupId": "g", "contactId": "c"}), "Invalid value for 'type' property")
	c.refused(c.updates("add", "contact", "c1"), "Invalid value for 'data' property")
	c.refused(c.updates("add", "contact", map[string]any{"name": "x", "uris": []any{}}), "Mandatory property 'id' of 'Contact' object is missing")
	c.refused(c.updates("add", "contact", map[string]any{"id": "x", "name": "x"}), "Mandatory property 'uris' of 'Contact' object is missing")
	c.refused(c.updates("add", "contact", map[string]any{"id": "x", "name": "x", "uris": []any{map[string]any{}}}), "Mandatory property 'uri' of 'ContactURI' object is missing")
	c.refused(c.updates("add", "group", map[string]any{"id": "x", "name": "x", "contacts": 7}), "Invalid value for 'contacts' property")
	c.refused(c.updates("add", "policy", map[string]any{"id": "x", "name": "x"}), "Mandatory property 'uri' of 'Policy' object is missing")
	c.refused(c.updates("add", "contact", with(contactOf("x", bob), "big", strings.Repeat("x", maxEntry))), "Invalid value for 'data' property")
}

func TestEventAddressbookUpdateFailed(t *testing.T) {
	s := serve(t, func(c *Config) { calm(c); c.Messages.Contacts = 3 })
	c := s.client(t, sylkrtctest.V2)
	c.signsIn("alice")
	for n := range 3 {
		c.ok(c.updates("add", "contact", contactOf(fmt.Sprint("c", n), bob)))
		c.hears("addressbook-updated")
	}
	c.ok(c.updates("add", "contact", contactOf("c3", bob)))
	e := c.hears("addressbook-update-failed")
	for path, want := range map[string]string{"type": "contact", "action": "add", "id": "c3", "error": "The address book is full", "account": alice} {
		if got := e.str(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	c.ok(c.updates("update", "contact", contactOf("c2", alice))) // those that are there can change
	if e := c.hears("addressbook-updated"); e.str("contact.id") != "c2" {
		t.Errorf("heard %v", e)
	}
	c.nothing()
}
