package sylkrtc

import (
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
)

const publicKeyText = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nabc\n-----END PGP PUBLIC KEY BLOCK-----"

func (c *client) keyOf(uri string) sylkrtctest.Message {
	c.t.Helper()
	c.ok(c.request("lookup-public-key", map[string]any{"uri": uri}))
	m, err := c.Next(within(c.t), func(m sylkrtctest.Message) bool { return m.Type == "lookup-public-key-event" })
	c.ok(err)
	return m
}

func TestRequestLookupPublicKey(t *testing.T) {
	s := serve(t, calm)
	c, also, to := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	c.refused(c.request("lookup-public-key", map[string]any{"uri": alice}), "Account not authenticated")
	c.signsIn("alice")
	also.signsIn("alice")
	to.signsIn("bob")
	if m := to.keyOf(alice); m.Raw != `{"sylkrtc":"lookup-public-key-event","uri":"alice@example.com"}` {
		t.Errorf("no key is %s", m.Raw)
	}
	// Whoever it is sent to, it is the sender's key.
	c.ok(c.request("account-message", with(text(alice, bob, "k1", publicKeyText), "content_type", "text/pgp-public-key")))
	c.becomes("k1", "accepted", 200)
	if e := to.hears("message"); e.str("content") != publicKeyText || e.str("sender.uri") != alice || e.str("disposition_notification") != "[]" {
		t.Errorf("heard %v", e)
	}
	if e := also.hears("sync"); e.str("content.content") != publicKeyText || e.str("content.content_type") != "text/pgp-public-key" {
		t.Errorf("heard %v", e)
	}
	if e := read(t, to.keyOf("sip:"+alice)); e.str("public_key") != publicKeyText || e.str("uri") != "sip:"+alice {
		t.Errorf("the key is %v", e)
	}
	if e := read(t, to.keyOf(bob)); e.str("public_key") != "" {
		t.Errorf("the recipient's key is %v", e)
	}
	for c, account := range map[*client]string{c: alice, to: bob} { // it is no message
		if list := c.history(account, nil); len(list) != 0 {
			t.Errorf("%s has %v", account, list)
		}
	}
	c.refused(c.request("account-message", with(text(alice, bob, "k2", strings.Repeat("x", maxKey+1)), "content_type", "text/pgp-public-key")), "Key is too long")
	old := s.client(t, sylkrtctest.V1)
	old.refused(old.request("lookup-public-key", map[string]any{"uri": alice}), "lookup-public-key is not supported by sylkRTC-1")
}

func TestRequestAccountMessagePrivateKey(t *testing.T) {
	s := serve(t, calm)
	c, also, to := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	c.signsIn("alice")
	also.signsIn("alice")
	to.signsIn("bob")
	key := func(to string) error {
		return c.request("account-message", with(text(alice, to, "k1", "secret"), "content_type", "text/pgp-private-key"))
	}
	c.refused(key(bob), "A private key can only be sent to its own account")
	c.ok(key(alice))
	if e := also.hears("sync"); e.str("action") != "add" || e.str("content.content") != "secret" || e.str("content.uri") != alice {
		t.Errorf("heard %v", e)
	}
	c.becomes("k1", "accepted", 200)
	if list := c.history(alice, nil); len(list) != 0 {
		t.Errorf("a private key is in the history: %v", list)
	}
	s.adapter.messaging.dropAll()             // as after a while
	for key, i := range s.host.store.values { // what is left of it after a while
		if strings.Contains(string(i.Value), "secret") {
			t.Errorf("%s is kept: %s", key, i.Value)
		}
	}
	to.nothing()
}
