package sylkrtc

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/internal/mailbox"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
)

// history gives an account's conversations, as one of its connections is told.
func (c *client) history(account string, more map[string]any) []told {
	c.t.Helper()
	fields := map[string]any{"account": account, "message_id": nil}
	for k, v := range more {
		fields[k] = v
	}
	c.ok(c.request("account-sync-conversations", fields))
	var out []told
	list, ok := c.hears("sync-conversations")["messages"].([]any)
	if !ok {
		c.t.Fatal("messages is no array")
	}
	for _, m := range list {
		out = append(out, told(m.(map[string]any)))
	}
	return out
}

func idsOf(list []told) string {
	var ids []string
	for _, m := range list {
		ids = append(ids, m.str("message_id"))
	}
	return strings.Join(ids, " ")
}

// age makes what an account has older.
func (s *server) age(t *testing.T, account string, by time.Duration) {
	t.Helper()
	_, err := s.adapter.messaging.boxes.Sweep(within(t), owned(account), func(it *mailbox.Item) mailbox.Verdict {
		it.Created -= by.Microseconds()
		return mailbox.Changed
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRequestAccountSyncConversations(t *testing.T) {
	s := serve(t, calm)
	c, to := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	c.signsIn("alice")
	to.signsIn("bob")
	if got := c.history(alice, nil); len(got) != 0 {
		t.Errorf("the history is %v", got)
	}
	for n := range 4 {
		c.writes(alice, bob, fmt.Sprint("m", n), "x")
		c.becomes(fmt.Sprint("m", n), "accepted", 200)
	}
	for range 4 {
		to.hears("message")
	}
	to.writes(bob, alice, "r0", "y")
	c.hears("message")
	all := c.history(alice, nil)
	if got := idsOf(all); got != "m0 m1 m2 m3 r0" {
		t.Fatalf("the history is %s", got)
	}
	for path, want := range map[string]string{
		"contact": bob, "timestamp": someTime, "content": "x", "content_type": "text/plain", "direction": "outgoing",
		"state": "accepted", "disposition": "[positive-delivery display]",
	} {
		if got := all[0].str(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if r := all[4]; r.str("direction") != "incoming" || r.str("contact") != bob || r.str("state") != "received" {
		t.Errorf("what came is %v", r)
	}
	if got := idsOf(c.history(alice, map[string]any{"limit": 2})); got != "m0 m1" {
		t.Errorf("two are %s", got)
	}
	if got := idsOf(c.history(alice, map[string]any{"since": time.Now().Add(time.Minute).Format(time.RFC3339)})); got != "" {
		t.Errorf("since later: %s", got)
	}
	if got := idsOf(c.history(alice, map[string]any{"message_id": "unknown"})); got != "m0 m1 m2 m3 r0" {
		t.Errorf("since a message that is gone: %s", got)
	}

	// Since a message: what came after it, and what became of those before.
	s.age(t, alice, time.Hour)
	c.writes(alice, bob, "m4", "x")
	c.becomes("m4", "accepted", 200)
	to.ok(to.request("account-disposition-notification", map[string]any{
		"account": bob, "uri": alice, "message_id": "m1", "state": "displayed", "timestamp": someTime}))
	c.becomes("m1", "displayed", 200)
	s.age(t, alice, time.Minute)
	c.writes(alice, bob, "m5", "x")
	got := c.history(alice, map[string]any{"message_id": "m4"})
	if len(got) == 0 || got[len(got)-1].str("message_id") != "m5" || strings.Contains(idsOf(got), "m4") {
		t.Errorf("since m4: %s", idsOf(got))
	}
	i := slices.IndexFunc(got, func(e told) bool {
		return e.str("content_type") == "message/imdn" && strings.Contains(e.str("content"), `"m1"`)
	})
	var n dispositionEvent
	if i < 0 || json.Unmarshal([]byte(got[i].str("content")), &n) != nil || n.State != "displayed" || got[i].str("state") != "received" {
		t.Errorf("what became of m1 is not in %v", got)
	}
	c.refused(c.request("account-sync-conversations", map[string]any{"account": alice, "since": "x"}), "Invalid value for 'since' property")
	c.refused(c.request("account-sync-conversations", map[string]any{"account": alice, "limit": -1}), "Invalid value for 'limit' property")
}

// A long history comes in several events.
func TestEventSyncConversationsLong(t *testing.T) {
	s := serve(t, calm)
	c := s.client(t, sylkrtctest.V2)
	c.signsIn("alice")
	long := strings.Repeat("x", 60<<10)
	for n := range 20 {
		c.writes(alice, alice, fmt.Sprint("m", n), long)
	}
	c.ok(c.request("account-sync-conversations", map[string]any{"account": alice}))
	n := 0
	for events := 0; n < 20; events++ {
		list, _ := c.hears("sync-conversations")["messages"].([]any)
		n += len(list)
		if events > 0 && len(list) == 0 || len(list) > 5 {
			t.Fatalf("an event has %d messages", len(list))
		}
	}
}

func TestRequestAccountMarkConversationRead(t *testing.T) {
	s := serve(t, calm)
	from, one, other := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	from.signsIn("alice")
	one.signsIn("bob")
	other.signsIn("bob")
	for n := range 3 {
		from.writes(alice, bob, fmt.Sprint("m", n), "x")
		one.hears("message")
		other.hears("message")
	}
	one.request2("account-mark-conversation-read", map[string]any{"contact": "sip:" + alice})
	if e := other.hears("sync"); e.str("type") != "conversation" || e.str("action") != "read" || e.str("content.contact") != alice {
		t.Errorf("heard %v", e)
	}
	one.request2("account-mark-conversation-read", map[string]any{"contact": alice})
	list := one.history(bob, nil)
	if got := idsOf(list[:3]); got != "m0 m1 m2" || len(list) != 4 {
		t.Fatalf("the history is %s", idsOf(list))
	}
	for _, m := range list[:3] {
		if m.str("disposition") != "[]" {
			t.Errorf("still wanted: %v", m)
		}
	}
	if m := list[3]; m.str("content_type") != "application/sylk-conversation-read" || m.str("content") != alice || m.str("direction") != "" {
		t.Errorf("the mark is %v", m)
	}
	one.nothing()
}

func TestRequestAccountRemoveConversation(t *testing.T) {
	s := serve(t, calm)
	from, one, other := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	from.signsIn("alice")
	one.signsIn("bob")
	other.signsIn("bob")
	for n := range 3 {
		from.writes(alice, bob, fmt.Sprint("m", n), "x")
		one.hears("message")
	}
	one.writes(bob, bob, "note", "x")
	one.becomes("note", "accepted", 200)
	other.hears("sync")
	one.request2("account-remove-conversation", map[string]any{"contact": alice})
	if e := other.hears("sync"); e.str("type") != "conversation" || e.str("action") != "remove" || e.str("content.contact") != alice ||
		e.str("content.timestamp") == "" {
		t.Errorf("heard %v", e)
	}
	list := one.history(bob, nil)
	if len(list) != 2 || list[0].str("message_id") != "note" || list[1].str("content_type") != "application/sylk-conversation-remove" {
		t.Errorf("the history is %v", list)
	}
	if got := len(from.history(alice, nil)); got != 3 {
		t.Errorf("the other side has %d messages, want its own 3", got)
	}
	box, err := s.adapter.messaging.boxes.Get(within(t), owned(bob))
	if err != nil || box.Items != 2 {
		t.Errorf("the box counts %d items, %v", box.Items, err)
	}
}

func TestRequestAccountRemoveMessage(t *testing.T) {
	s := serve(t, calm)
	from, also, to, thief := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	from.signsIn("alice")
	also.signsIn("alice")
	to.signsIn("bob")
	thief.signsIn("carol")
	from.writes(alice, bob, "m1", "x")
	from.writes(alice, bob, "m2", "x")
	to.hears("message")
	to.hears("message")
	also.hears("sync")
	also.hears("sync")
	thief.ok(thief.request("account-remove-message", map[string]any{"account": "carol@example.com", "message_id": "m1", "contact": bob}))
	from.ok(from.request("account-remove-message", map[string]any{"account": alice, "message_id": "m1", "contact": bob}))
	for c, want := range map[*client][2]string{also: {bob, "outgoing"}, to: {alice, "incoming"}} {
		e := c.hears("sync")
		if e.str("type") != "message" || e.str("action") != "remove" || e.str("content.message_id") != "m1" ||
			e.str("content.contact") != want[0] || e.str("content.direction") != want[1] {
			t.Errorf("heard %v", e)
		}
	}
	var removed removedContent
	list := to.history(bob, nil)
	if len(list) != 2 || list[0].str("message_id") != "m2" || list[1].str("content_type") != "application/sylk-message-remove" ||
		json.Unmarshal([]byte(list[1].str("content")), &removed) != nil || removed != (removedContent{alice, "m1", "incoming"}) {
		t.Errorf("the recipient's history is %v", list)
	}
	// Who got a message removes it for itself only.
	to.request2("account-remove-message", map[string]any{"message_id": "m2", "contact": alice})
	if got := idsOf(from.history(alice, nil)); !strings.HasPrefix(got, "m2 ") {
		t.Errorf("the sender's history is %s", got)
	}
	to.nothing()
}

// A message that is removed before its recipient was there is never seen.
func TestRequestAccountRemoveMessageWaiting(t *testing.T) {
	s := serve(t, calm)
	from, to := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	from.signsIn("alice")
	to.signsIn("bob")
	to.ok(to.Leave())
	s.host.wait(t, "bob's leaving", func() bool { return len(s.host.terminals) == 1 })
	from.writes(alice, bob, "m1", "x")
	from.ok(from.request("account-remove-message", map[string]any{"account": alice, "message_id": "m1", "contact": bob}))
	again := s.client(t, sylkrtctest.V2)
	again.signsIn("bob")
	s.delivered(t, bob)
	again.nothing()
}

func TestHistoryBounded(t *testing.T) {
	s := serve(t, func(c *Config) { calm(c); c.Messages.History, c.Messages.Waiting = 40, 20 })
	c, to := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	c.signsIn("alice")
	to.signsIn("bob")
	for n := range 200 {
		c.writes(alice, bob, fmt.Sprint("m", n), "x")
		c.becomes(fmt.Sprint("m", n), "accepted", 200)
		to.hears("message")
	}
	for c, account := range map[*client]string{c: alice, to: bob} {
		list := c.history(account, nil)
		if len(list) > 40 || len(list) < 30 || list[len(list)-1].str("message_id") != "m199" {
			t.Errorf("%s has %d messages: %s", account, len(list), idsOf(list))
		}
	}
}
