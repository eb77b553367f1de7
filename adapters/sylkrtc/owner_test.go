package sylkrtc

import (
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// holder gives who has an address by now. h.mu is held.
func (h *fakeHost) holder(name string) *callv1.Party {
	p := party(name)
	if other := h.holders[name]; other != "" {
		p.Subscriber = other
	}
	return p
}

// owned names an account that its first subscriber has.
func owned(account string) string {
	name, _, _ := strings.Cut(account, "@")
	return ownerOf("sip:"+account, name)
}

func (c *client) contactsOf(account string) string {
	c.t.Helper()
	c.ok(c.request("account-fetch-addressbook", map[string]any{"account": account}))
	return c.hears("addressbook-fetched").str("addressbook.contacts")
}

// Who gets an address reads nothing of what was left there, and who had it hears
// nothing of what comes from then on.
func TestAddressPassesOn(t *testing.T) {
	s := serve(t, calm)
	from, old := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	from.signsIn("alice")
	old.signsIn("bob")
	from.writes(alice, bob, "m1", "for the first")
	from.becomes("m1", "accepted", 200)
	old.hears("message")
	old.ok(old.request("account-message", with(text(bob, alice, "k1", publicKeyText), "content_type", "text/pgp-public-key")))
	old.becomes("k1", "accepted", 200)
	from.hears("message")
	old.ok(old.request("account-update-addressbook", map[string]any{"account": bob, "type": "contact", "action": "add",
		"data": contactOf("c1", "carol@example.com")}))
	old.hears("addressbook-updated")
	old.ok(old.Unregister(within(t), bob))
	from.writes(alice, bob, "m2", "waits for the first")
	from.becomes("m2", "accepted", 200)

	s.host.with(func() { s.host.holders = map[string]string{"bob": "robert"} })
	if e := read(t, from.keyOf(bob)); e.str("public_key") != "" {
		t.Errorf("the new one has a key: %v", e)
	}
	from.writes(alice, bob, "m3", "too early")
	from.becomes("m3", "failed", 480) // the new one has never signed in
	fresh := s.client(t, sylkrtctest.V2)
	fresh.ok(fresh.SignIn(within(t), bob, "secret"))
	if list := fresh.history(bob, nil); len(list) != 0 {
		t.Errorf("the history is %v", list)
	}
	if b := fresh.contactsOf(bob); b != "[]" {
		t.Errorf("the address book is %v", b)
	}
	fresh.nothing() // what waits does not wait for them

	// Still verified, the old one has what was theirs, and nothing else.
	from.writes(alice, bob, "m4", "for the second")
	from.becomes("m4", "accepted", 200)
	if e := fresh.hears("message"); e.str("message_id") != "m4" {
		t.Errorf("heard %v", e)
	}
	if got := idsOf(old.history(bob, nil)); got != "m1 m2" {
		t.Errorf("the old history is %s", got)
	}
	old.nothing()
	for _, row := range []struct {
		by     *client
		id     string
		counts bool
	}{{fresh, "m1", false}, {old, "m4", false}, {fresh, "m4", true}} {
		row.by.ok(row.by.request("account-disposition-notification", map[string]any{"account": bob, "uri": alice,
			"message_id": row.id, "state": "displayed", "timestamp": someTime}))
		if row.counts {
			from.becomes(row.id, "displayed", 200)
		} else {
			from.nothing()
		}
	}

	// The old one registers again, with credentials that are the new one's account's.
	old.ok(old.Register(within(t), bob))
	if got := idsOf(old.history(bob, nil)); got != "m4" {
		t.Errorf("the history is %s", got)
	}
	from.writes(alice, bob, "m5", "for both connections")
	from.becomes("m5", "accepted", 200)
	for _, c := range []*client{fresh, old} {
		if e := c.hears("message"); e.str("message_id") != "m5" {
			t.Errorf("heard %v", e)
		}
	}
}

// An address that comes back finds what was left there.
func TestAddressComesBack(t *testing.T) {
	s := serve(t, calm)
	from, c := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	from.signsIn("alice")
	c.signsIn("bob")
	for i, row := range []struct{ holder, id, history string }{
		{"", "m1", "m1"}, {"robert", "m2", "m2"}, {"", "m3", "m1 m3"}, {"robert", "m4", "m2 m4"},
	} {
		s.host.with(func() { s.host.holders = map[string]string{"bob": row.holder} })
		c.ok(c.Register(within(t), bob))
		c.history(bob, nil) // its box is there
		from.writes(alice, bob, row.id, "x")
		from.becomes(row.id, "accepted", 200)
		if e := c.hears("message"); e.str("message_id") != row.id {
			t.Errorf("heard %v", e)
		}
		if got := idsOf(c.history(bob, nil)); got != row.history {
			t.Errorf("step %d: the history is %s, want %s", i, got, row.history)
		}
	}
	s.adapter.messaging.mu.Lock()
	defer s.adapter.messaging.mu.Unlock()
	for _, l := range s.adapter.messaging.lines {
		if len(l.members) != 1 {
			t.Errorf("%s has %d members", l.owner, len(l.members))
		}
	}
}
