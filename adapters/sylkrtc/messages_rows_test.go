package sylkrtc

import "github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"

// messagingRows are the rows of the requests about messages, contacts, devices and
// keys.
func messagingRows() []requestRow {
	account := func(more map[string]any) func(*client) map[string]any {
		return func(c *client) map[string]any {
			c.ok(c.AddAccount(within(c.t), alice, sylkrtctest.HA1(alice, "secret")))
			m := map[string]any{"account": alice}
			for k, v := range more {
				m[k] = v
			}
			return m
		}
	}
	message := map[string]any{"message_id": "m1", "content": "hello", "content_type": "text/plain", "timestamp": someTime}
	with := func(more map[string]any) map[string]any {
		m := map[string]any{}
		for _, part := range []map[string]any{message, more} {
			for k, v := range part {
				m[k] = v
			}
		}
		return m
	}
	noAOR := "invalid SIP URI: wrong"
	return []requestRow{
		{
			name: "account-devicetoken", must: []string{"account", "token", "platform", "device", "app"}, may: []string{"silent"},
			ready: account(map[string]any{"token": "t", "platform": "ios", "device": "d", "silent": false, "app": "a"}),
			error: map[string]string{"account": noAOR},
		},
		{
			name: "session-message", must: []string{"session", "message_id", "content", "content_type", "timestamp"},
			ready: func(c *client) map[string]any {
				c.talking("s1")
				return with(map[string]any{"session": "s1"})
			},
			error: map[string]string{"session": "Unknown session wrong", "content_type": "Invalid value for 'content_type' property",
				"timestamp": "Invalid value for 'timestamp' property"},
		},
		{
			name: "account-message", must: []string{"account", "uri", "message_id", "content", "content_type", "timestamp"},
			ready: account(with(map[string]any{"uri": bob})),
			error: map[string]string{"account": noAOR, "uri": noAOR, "content_type": "Invalid value for 'content_type' property",
				"timestamp": "Invalid value for 'timestamp' property"},
		},
		{
			name: "account-disposition-notification", must: []string{"account", "uri", "message_id", "state", "timestamp"},
			ready: account(map[string]any{"uri": bob, "message_id": "m1", "state": "delivered", "timestamp": someTime}),
			error: map[string]string{"account": noAOR, "uri": noAOR, "state": "Invalid value for 'state' property",
				"timestamp": "Invalid value for 'timestamp' property"},
		},
		{
			name: "account-sync-conversations", must: []string{"account"}, may: []string{"message_id", "since", "limit"},
			ready: account(map[string]any{"message_id": "m1", "since": someTime, "limit": 7}),
			wrong: map[string]any{"limit": "7"}, error: map[string]string{"account": noAOR},
		},
		{
			name: "account-mark-conversation-read", must: []string{"account", "contact"},
			ready: account(map[string]any{"contact": bob}), error: map[string]string{"account": noAOR, "contact": noAOR},
		},
		{
			name: "account-remove-conversation", must: []string{"account", "contact"},
			ready: account(map[string]any{"contact": bob}), error: map[string]string{"account": noAOR, "contact": noAOR},
		},
		{
			name: "account-remove-message", must: []string{"account", "message_id", "contact"},
			ready: account(map[string]any{"contact": bob, "message_id": "m1"}), error: map[string]string{"account": noAOR, "contact": noAOR},
		},
		{name: "account-fetch-addressbook", must: []string{"account"}, ready: account(nil), error: map[string]string{"account": noAOR}},
		{
			name: "account-update-addressbook", must: []string{"account", "action", "type", "data"},
			ready: account(map[string]any{"action": "add", "type": "contact", "data": contactOf("c1", bob)}),
			error: map[string]string{"account": noAOR, "action": "Invalid value for 'action' property",
				"type": "Invalid value for 'type' property", "data": "Invalid value for 'data' property"},
		},
		{
			name: "lookup-public-key", must: []string{"uri"},
			ready: func(c *client) map[string]any {
				c.ok(c.AddAccount(within(c.t), alice, sylkrtctest.HA1(alice, "secret")))
				return map[string]any{"uri": bob}
			},
			error: map[string]string{"uri": noAOR},
		},
	}
}
