package sylkrtc

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Rows of the protocol's tables that are about messages.

// told is an event of the server as a client reads it.
type told map[string]any

func (e told) str(path string) string {
	var v any = map[string]any(e)
	for _, key := range strings.Split(path, ".") {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// hears waits for the next event of a name.
func (c *client) hears(name string) told {
	c.t.Helper()
	m, err := c.Next(within(c.t), func(m sylkrtctest.Message) bool { return m.Event == name })
	c.ok(err)
	return read(c.t, m)
}

func read(t testing.TB, m sylkrtctest.Message) told {
	t.Helper()
	var e told
	if err := json.Unmarshal([]byte(m.Raw), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func (c *client) becomes(id, state string, code int) {
	c.t.Helper()
	e := c.hears("disposition-notification")
	if e.str("message_id") != id || e.str("state") != state || e["code"] != float64(code) {
		c.t.Fatalf("the notification is %v, want %s of %s", e, state, id)
	}
}

const someTime = "2026-02-03T04:05:06.789Z"

func text(from, to, id, content string) map[string]any {
	return map[string]any{"account": from, "uri": to, "message_id": id, "content": content,
		"content_type": "text/plain", "timestamp": someTime}
}

func with(m map[string]any, key string, v any) map[string]any {
	m[key] = v
	return m
}

func (c *client) writes(from, to, id, content string) {
	c.t.Helper()
	c.ok(c.request("account-message", text(from, to, id, content)))
}

// calm is a server whose limits are in nobody's way.
func calm(c *Config) { c.Messages.Rate, c.Messages.Burst = 1000, 100_000 }

const (
	alice = "alice@example.com"
	bob   = "bob@example.com"
)

// settled waits until an account's box was read, and all is told that was in it.
func (s *server) settled(t testing.TB, account string) {
	t.Helper()
	ctx := within(t)
	for !s.adapter.messaging.quiet(owned(account)) {
		if s.host.store.wait(ctx); ctx.Err() != nil {
			t.Fatalf("%s is never settled", account)
		}
	}
}

func (c *client) signsIn(name string) {
	c.t.Helper()
	c.ok(c.SignIn(within(c.t), name+"@"+domain, "secret"))
	c.s.settled(c.t, name+"@"+domain)
}

func TestRequestAccountMessage(t *testing.T) {
	s := serve(t, nil)
	one, other, to := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	one.signsIn("alice")
	other.signsIn("alice")
	to.ok(to.AddAccount(within(t), "sip:bob@example.com", sylkrtctest.HA1(bob, "secret"))) // echoed exactly
	to.ok(to.Register(within(t), "sip:bob@example.com"))
	s.settled(t, bob)

	tr, err := one.Send(within(t), with(with(text(alice, "sip:bob@EXAMPLE.com", "m1", "<hello> & \x00\u2028"), "sylkrtc", "account-message"), "metadata", `{"x":1}`))
	one.ok(err)
	if m := one.next(); m.Type != "ack" || m.Transaction != tr {
		t.Fatalf("first comes %s, want the ack", m.Raw)
	}
	one.becomes("m1", "accepted", 200)

	m, err := to.Next(within(t), func(m sylkrtctest.Message) bool { return m.Event == "message" })
	to.ok(err)
	if m.Account != "sip:bob@example.com" || m.Type != "account-event" || !slices.Equal(m.Keys, []string{
		"account", "content", "content_type", "disposition_notification", "event", "message_id", "metadata", "sender", "sylkrtc", "timestamp"}) {
		t.Errorf("the message is %s", m.Raw)
	}
	e := read(t, m)
	for path, want := range map[string]string{
		"sender.uri": alice, "sender.display_name": "The alice", "message_id": "m1", "content": "<hello> & \x00\u2028",
		"content_type": "text/plain", "timestamp": someTime, "metadata": `{"x":1}`, "disposition_notification": "[positive-delivery display]",
	} {
		if got := e.str(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}

	e = other.hears("sync")
	for path, want := range map[string]string{
		"type": "message", "action": "add", "content.account": alice, "content.uri": bob, "content.message_id": "m1",
		"content.content": "<hello> & \x00\u2028", "content.content_type": "text/plain", "content.timestamp": someTime,
		"content.direction": "outgoing", "content.metadata": `{"x":1}`,
	} {
		if got := e.str(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	other.becomes("m1", "accepted", 200)
	one.nothing()
	to.nothing()
	other.nothing()
}

// What is sent again with the same id was not heard to be taken: it is taken
// again, and nobody else hears of it.
func TestRequestAccountMessageRepeated(t *testing.T) {
	s := serve(t, nil)
	from, to := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	from.signsIn("alice")
	to.signsIn("bob")
	for range 3 {
		from.writes(alice, bob, "m1", "hello")
		from.becomes("m1", "accepted", 200)
	}
	from.writes(alice, bob, "m2", "bye")
	if e := to.hears("message"); e.str("message_id") != "m1" {
		t.Errorf("heard %v", e)
	}
	if e := to.hears("message"); e.str("message_id") != "m2" {
		t.Errorf("heard %v", e)
	}
	// Another's message may have the same id.
	carol := s.client(t, sylkrtctest.V2)
	carol.signsIn("carol")
	carol.writes("carol@example.com", bob, "m1", "mine")
	if e := to.hears("message"); e.str("content") != "mine" {
		t.Errorf("heard %v", e)
	}
	to.nothing()
}

func TestRequestAccountMessageOffline(t *testing.T) {
	s := serve(t, calm)
	from, to := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	from.signsIn("alice")
	to.signsIn("bob")
	to.ok(to.Leave())
	s.host.wait(t, "bob's leaving", func() bool { return len(s.host.terminals) == 1 })
	old := s.client(t, sylkrtctest.V1) // hears calls only
	old.ok(old.SignIn(within(t), bob, "secret"))
	for n := range 20 {
		from.writes(alice, bob, fmt.Sprint("m", n), fmt.Sprint("text ", n))
		from.becomes(fmt.Sprint("m", n), "accepted", 200)
	}
	again := s.client(t, sylkrtctest.V2)
	again.signsIn("bob")
	for n := range 20 {
		if e := again.hears("message"); e.str("content") != fmt.Sprint("text ", n) {
			t.Fatalf("heard %v, want message %d", e, n)
		}
	}
	s.delivered(t, bob)
	old.nothing()
	later := s.client(t, sylkrtctest.V2)
	later.signsIn("bob")
	later.ok(later.Register(within(t), bob))
	later.request2("account-sync-conversations", nil)
	later.hears("sync-conversations")
	later.nothing()
	again.nothing()
}

// request2 makes a request for the account that the client's tests are about.
func (c *client) request2(name string, fields map[string]any) {
	c.t.Helper()
	m := map[string]any{"account": bob}
	for k, v := range fields {
		m[k] = v
	}
	c.ok(c.request(name, m))
}

// delivered waits until nothing waits for an account.
func (s *server) delivered(t testing.TB, account string) {
	t.Helper()
	ctx := within(t)
	for {
		box, err := s.adapter.messaging.boxes.Get(ctx, owned(account))
		if err == nil && len(box.Waiting) == 0 {
			return
		}
		if s.host.store.wait(ctx); ctx.Err() != nil {
			t.Fatalf("%d messages wait for %s", len(box.Waiting), account)
		}
	}
}

func TestRequestAccountMessageFails(t *testing.T) {
	s := serve(t, func(c *Config) { calm(c); c.Messages.Waiting, c.Messages.History = 2, 16 })
	c := s.client(t, sylkrtctest.V2)
	c.signsIn("alice")
	for id, to := range map[string]string{"nobody": "zoe@example.com", "elsewhere": "bob@elsewhere.org"} {
		c.writes(alice, to, id, "x")
		c.becomes(id, "failed", 404)
	}
	c.writes(alice, "+12025550177@example.com", "phone", "x") // a telephone has no messages
	c.becomes("phone", "failed", 480)
	c.writes(alice, bob, "never", "x") // who never signed in with a client that has them
	c.becomes("never", "failed", 480)

	to := s.client(t, sylkrtctest.V2)
	to.signsIn("bob")
	to.ok(to.Leave())
	s.host.wait(t, "bob's leaving", func() bool { return len(s.host.terminals) == 1 })
	c.writes(alice, bob, "never", "x") // it failed: it can be sent again
	c.becomes("never", "accepted", 200)
	c.writes(alice, bob, "second", "x")
	c.becomes("second", "accepted", 200)
	c.writes(alice, bob, "third", "x")
	if e := c.hears("disposition-notification"); e.str("state") != "failed" || e.str("reason") != "Mailbox Full" || e.str("message_timestamp") != someTime {
		t.Errorf("the notification is %v", e)
	}
}

func TestRequestAccountMessageRefused(t *testing.T) {
	s := serve(t, func(c *Config) { c.Messages.MaxContent = 1024; c.Messages.Rate, c.Messages.Burst = 0.001, 12 })
	c := s.client(t, sylkrtctest.V2)
	c.ok(c.AddAccount(within(t), alice, sylkrtctest.HA1(alice, "wrong")))
	say := func(m map[string]any) error { return c.request("account-message", m) }
	c.refused(say(text(alice, bob, "m", "x")), "Account not authenticated")
	c.ok(c.RemoveAccount(within(t), alice))
	c.refused(say(text(alice, bob, "m", "x")), "Unknown account specified: alice@example.com")
	c.ok(c.AddAccount(within(t), alice, sylkrtctest.HA1(alice, "secret")))
	c.refused(say(text(alice, "bob", "m", "x")), "invalid SIP URI: bob")
	c.refused(say(with(text(alice, bob, "m", "x"), "timestamp", "yesterday")), "Invalid value for 'timestamp' property")
	c.refused(say(with(text(alice, bob, "m", "x"), "content_type", "plain")), "Invalid value for 'content_type' property")
	c.refused(say(with(text(alice, bob, "m", "x"), "content_type", "Message/IMDN; x=y")), "Invalid value for 'content_type' property")
	c.refused(say(text(alice, bob, "", "x")), "Invalid value for 'message_id' property")
	c.refused(say(text(alice, bob, "m", strings.Repeat("x", 1025))), "Message is too long")
	c.refused(say(map[string]any{"account": alice}), "Mandatory property 'uri' of 'AccountMessageRequest' object is missing")
	for range 9 {
		c.ok(say(with(text(alice, bob, "m", "x"), "content_type", "application/im-iscomposing+xml")))
	}
	c.refused(say(text(alice, bob, "m", "x")), "Too many requests")
	old := s.client(t, sylkrtctest.V1)
	old.refused(old.request("account-message", text(alice, bob, "m", "x")), "account-message is not supported by sylkRTC-1")
}

// The store's absence is told, and the connection stays.
func TestRequestAccountMessageWithoutStore(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	c.signsIn("alice")
	s.host.store.failing(schema.Errorf(callv1.Code_CODE_RETRY, "away"))
	for name, fields := range map[string]map[string]any{
		"account-message":                  text(alice, bob, "m", "x"),
		"account-sync-conversations":       {"account": alice},
		"account-mark-conversation-read":   {"account": alice, "contact": bob},
		"account-remove-conversation":      {"account": alice, "contact": bob},
		"account-remove-message":           {"account": alice, "contact": bob, "message_id": "m"},
		"account-fetch-addressbook":        {"account": alice},
		"lookup-public-key":                {"uri": bob},
		"account-disposition-notification": {"account": alice, "uri": bob, "message_id": "m", "state": "delivered", "timestamp": someTime},
	} {
		c.refused(c.request(name, fields), "503 Service Unavailable")
	}
	s.host.store.failing(nil)
	c.writes(alice, alice, "m", "x")
	c.becomes("m", "accepted", 200)
}

func TestRequestAccountMessageToSelf(t *testing.T) {
	s := serve(t, nil)
	one, other := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	one.signsIn("alice")
	other.signsIn("alice")
	one.writes(alice, alice, "m1", "note")
	one.becomes("m1", "accepted", 200)
	if e := other.hears("sync"); e.str("content.uri") != alice || e.str("content.content") != "note" {
		t.Errorf("heard %v", e)
	}
	other.becomes("m1", "accepted", 200)
	one.nothing()
	other.nothing()
}

func TestRequestAccountMessageWakes(t *testing.T) {
	s := serve(t, func(c *Config) { c.Messages.WakeAfter = time.Millisecond })
	from, to := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	from.signsIn("alice")
	to.signsIn("bob")
	to.ok(to.Leave())
	s.host.wait(t, "bob's leaving", func() bool { return len(s.host.terminals) == 1 })
	from.ok(from.request("account-message", with(text(alice, bob, "m0", "{}"), "content_type", "application/sylk-contact-update")))
	from.writes(alice, bob, "m1", "hello")
	w := <-s.host.wakes
	if w.GetSubscriber() != "bob" || w.GetWhat() != "message" || w.GetAccount() != bob || w.GetFrom().GetSubscriber() != "alice" ||
		w.GetId() == "" || len(s.host.wakes) != 0 {
		t.Errorf("woken: %v", w)
	}
}

func TestRequestAccountDispositionNotification(t *testing.T) {
	s := serve(t, calm)
	from, to, thief := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	from.signsIn("alice")
	to.signsIn("bob")
	thief.signsIn("carol")
	from.writes(alice, bob, "m1", "hello")
	from.becomes("m1", "accepted", 200)
	to.hears("message")
	say := func(c *client, account, id, state string) error {
		return c.request("account-disposition-notification", map[string]any{
			"account": account, "uri": alice, "message_id": id, "state": state, "timestamp": someTime})
	}
	thief.ok(say(thief, "carol@example.com", "m1", "displayed")) // not hers: taken, and that is all
	to.ok(say(to, bob, "m1", "delivered"))
	if e := from.hears("disposition-notification"); e.str("state") != "delivered" || e.str("message_timestamp") != someTime ||
		e.str("code") != "200" || e.str("account") != alice {
		t.Errorf("heard %v", e)
	}
	to.ok(say(to, bob, "m1", "delivered")) // no news
	to.ok(say(to, bob, "m1", "displayed"))
	from.becomes("m1", "displayed", 200)
	to.ok(say(to, bob, "m1", "delivered"))
	to.ok(say(to, bob, "unknown", "delivered"))
	from.nothing()
	to.refused(say(to, bob, "m1", "eaten"), "Invalid value for 'state' property")
	to.refused(say(to, alice, "m1", "displayed"), "Unknown account specified: alice@example.com")
	from.ok(from.request("account-sync-conversations", map[string]any{"account": alice}))
	e := from.hears("sync-conversations")
	if m := e["messages"].([]any)[0].(map[string]any); m["state"] != "displayed" || m["direction"] != "outgoing" || fmt.Sprint(m["disposition"]) != "[]" {
		t.Errorf("the sender's copy is %v", m)
	}
	to.request2("account-sync-conversations", nil)
	e = to.hears("sync-conversations")
	if m := e["messages"].([]any)[0].(map[string]any); m["state"] != "received" || m["direction"] != "incoming" || fmt.Sprint(m["disposition"]) != "[]" {
		t.Errorf("the recipient's copy is %v", m)
	}
}

// Whichever write of a message fails, or is carried out without anybody being told,
// a client that sends the message again until it is acknowledged gets it through.
func TestRequestAccountMessageFailsAtEveryWrite(t *testing.T) {
	s := serve(t, calm)
	from, to := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	from.signsIn("alice")
	to.signsIn("bob")
	for step := range 14 {
		id := fmt.Sprint("m", step)
		s.host.store.failAt(step/2+1, step%2 == 1)
		for tries := 0; ; tries++ {
			err := from.request("account-message", text(alice, bob, id, "x"))
			if err == nil {
				break
			}
			from.refused(err, "503 Service Unavailable")
			if tries > 3 {
				t.Fatalf("write %d: never taken", step)
			}
		}
		for { // one whose fate was unknown may come again; clients know it by its id
			if got := to.hears("message").str("message_id"); got == id {
				break
			} else if got != fmt.Sprint("m", step-1) {
				t.Fatalf("write %d: heard %s", step, got)
			}
		}
		s.host.store.failAt(0, false)
		again := s.client(t, sylkrtctest.V2) // gets what was delivered, and still waits
		again.signsIn("bob")
		s.delivered(t, bob)
		again.Close()
		s.host.wait(t, "the end of it", func() bool { return len(s.host.terminals) == 2 })
		for _, account := range []string{alice, bob} {
			n := 0
			items, err := s.adapter.messaging.boxes.List(within(t), owned(account))
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range items {
				if it.ID == id {
					n++
				}
			}
			if n != 1 {
				t.Errorf("write %d: %s has it %d times", step, account, n)
			}
		}
	}
}
