package sylkrtc

import (
	"maps"
	"slices"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// The protocol's table of requests, field by field: a subtest is named after each
// row, and one below it after each field.

// requestRow is one row of the table.
type requestRow struct {
	name string
	// ready makes what the request is about and gives a request with every field.
	ready func(c *client) map[string]any
	// must are fields that cannot be missing, may those that can; wrong gives a
	// value that a field cannot have, where a number is one it can.
	must, may []string
	wrong     map[string]any
	// error gives what a mandatory text that is not what it should be is refused
	// with; the default is the protocol's for a value of the wrong type.
	error map[string]string
}

func requestRows() []requestRow {
	headers := []any{map[string]any{"name": "X-One", "value": "1"}}
	added := func(c *client) map[string]any {
		c.ok(c.AddAccount(within(c.t), "alice@example.com", sylkrtctest.HA1("alice@example.com", "secret")))
		return map[string]any{"account": "alice@example.com"}
	}
	rung := func(c *client) string { return c.rings(c.s.leg(c.signIn("alice"))) }
	talks := func(c *client) map[string]any {
		c.talking("s1")
		return map[string]any{"session": "s1", "sdp": "x", "headers": headers}
	}
	return []requestRow{
		{name: "ping", ready: func(*client) map[string]any { return map[string]any{} }},
		{
			name: "account-add", must: []string{"account", "password"},
			may: []string{"display_name", "user_agent", "incoming_header_prefixes"},
			ready: func(*client) map[string]any {
				return map[string]any{"account": "alice@example.com", "password": "x", "display_name": "Alice",
					"user_agent": "test", "incoming_header_prefixes": []string{"X-"}}
			},
			error: map[string]string{"account": "invalid SIP URI: wrong"},
		},
		{name: "account-remove", must: []string{"account"}, ready: added, error: map[string]string{"account": "invalid SIP URI: wrong"}},
		{name: "account-register", must: []string{"account"}, ready: added, error: map[string]string{"account": "invalid SIP URI: wrong"}},
		{name: "account-unregister", must: []string{"account"}, ready: added, error: map[string]string{"account": "invalid SIP URI: wrong"}},
		{
			name: "session-create", must: []string{"session", "account", "uri", "sdp"}, may: []string{"headers"},
			ready: func(c *client) map[string]any {
				added(c)
				return map[string]any{"session": "s1", "account": "alice@example.com", "uri": "bob@example.com", "sdp": "x", "headers": headers}
			},
			error: map[string]string{"account": "invalid SIP URI: wrong"},
		},
		{
			name: "session-answer", must: []string{"session", "sdp"}, may: []string{"headers"},
			ready: func(c *client) map[string]any {
				return map[string]any{"session": rung(c), "sdp": "x", "headers": headers}
			},
			error: map[string]string{"session": "Unknown session wrong"},
		},
		{
			name: "session-trickle", must: []string{"session", "candidates"},
			ready: func(c *client) map[string]any {
				c.talking("s1")
				return map[string]any{"session": "s1", "candidates": []any{
					map[string]any{"candidate": "candidate:1", "sdpMLineIndex": 0, "sdpMid": ""}}}
			},
		},
		{
			name: "session-terminate", must: []string{"session"},
			ready: func(c *client) map[string]any { return map[string]any{"session": rung(c)} },
			error: map[string]string{"session": "Unknown session wrong"},
		},
		{name: "session-update", must: []string{"session", "sdp"}, may: []string{"headers"}, ready: talks,
			error: map[string]string{"session": "Unknown session wrong"}},
		{
			name: "session-dtmf-info", must: []string{"session", "digit"}, may: []string{"duration"},
			ready: func(c *client) map[string]any {
				c.talking("s1")
				return map[string]any{"session": "s1", "digit": "*", "duration": 100}
			},
			wrong: map[string]any{"duration": "100"},
		},
	}
}

func TestRowsOfRequests(t *testing.T) {
	for _, row := range append(requestRows(), messagingRows()...) {
		t.Run(row.name, func(t *testing.T) {
			class := requests[row.name].class
			for _, v := range versions {
				if v == sylkrtctest.V1 && requests[row.name].since == v2 {
					t.Run("not in sylkRTC-1", func(t *testing.T) {
						c := serve(t, nil).client(t, v)
						c.refused(c.request(row.name, nil), row.name+" is not supported by sylkRTC-1")
					})
					continue
				}
				// with makes the request with some fields changed; nil removes one.
				with := func(t *testing.T, change map[string]any) (*client, error) {
					c := serve(t, nil).client(t, v)
					m := row.ready(c)
					for k, v := range change {
						if m[k] = v; v == removed {
							delete(m, k)
						}
					}
					return c, c.request(row.name, m)
				}
				fine := func(t *testing.T, change map[string]any) {
					t.Helper()
					c, err := with(t, change)
					c.ok(err)
				}
				bad := func(t *testing.T, change map[string]any, text string) {
					t.Helper()
					c, err := with(t, change)
					c.refused(err, text)
				}
				t.Run(v+" in full, with more", func(t *testing.T) { fine(t, map[string]any{"no-such-field": 1}) })
				for _, f := range row.must {
					t.Run(v+" "+f, func(t *testing.T) {
						bad(t, map[string]any{f: removed}, "Mandatory property '"+f+"' of '"+class+"' object is missing")
						bad(t, map[string]any{f: nil}, "Invalid value for '"+f+"' property")
						bad(t, map[string]any{f: 7}, "Invalid value for '"+f+"' property")
						if text := row.error[f]; text != "" {
							// An id that nobody has may be a leg's of an earlier connection.
							c := serve(t, nil).client(t, v)
							m := row.ready(c)
							m[f] = "wrong"
							c.s.host.with(func() {
								c.s.host.accept = func(*callv1.Command) (*callv1.Reply, error) {
									return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such leg")
								}
							})
							c.refused(c.request(row.name, m), text)
						}
					})
				}
				for _, f := range row.may {
					t.Run(v+" "+f+", optional", func(t *testing.T) {
						fine(t, map[string]any{f: removed})
						fine(t, map[string]any{f: nil})
						wrong, ok := row.wrong[f]
						if !ok {
							wrong = 7
						}
						bad(t, map[string]any{f: wrong}, "Invalid value for '"+f+"' property")
					})
				}
			}
		})
	}
}

const removed = "\x00removed"

// Conferences are refused one by one, whatever the request says and whoever asks.
func TestRowsOfConferences(t *testing.T) {
	rows := []string{
		"videoroom-join", "videoroom-leave", "videoroom-configure", "videoroom-feed-attach", "videoroom-feed-answer",
		"videoroom-feed-detach", "videoroom-invite", "videoroom-session-trickle", "videoroom-session-update",
		"videoroom-message", "videoroom-composing-indication", "videoroom-mute-audio-participants", "videoroom-toggle-hand",
		// Of other versions of the client than the document's.
		"videoroom-ctl", "videoroom-mute-participant", "videoroom-remove", "videoroom-terminate",
	}
	s := serve(t, nil)
	for _, name := range rows {
		t.Run(name, func(t *testing.T) {
			for _, v := range versions {
				c := s.client(t, v)
				c.refused(c.request(name, nil), name+" is not supported")
				c.refused(c.request(name, map[string]any{"session": "s1", "account": "alice@example.com",
					"uri": "room@example.com", "sdp": "x"}), name+" is not supported")
				c.nothing()
			}
		})
	}
	if known := slices.Sorted(maps.Keys(conferenceRequests())); !slices.Equal(known, slices.Sorted(slices.Values(rows))) {
		t.Errorf("the rows are not the table's: %v", known)
	}
}

// Every request of the table has its row.
func TestRowsOfRequestsAreAll(t *testing.T) {
	tested := map[string]bool{}
	for _, row := range append(requestRows(), messagingRows()...) {
		tested[row.name] = true
		for f := range row.error {
			if !slices.Contains(row.must, f) {
				t.Errorf("%s: %s is not mandatory", row.name, f)
			}
		}
	}
	for name := range requests {
		_, conference := conferenceRequests()[name]
		if !tested[name] && !conference {
			t.Errorf("%s has no row", name)
		}
	}
}

// Headers are tokens with values, in lists that have an end.
func TestRowsOfHeaders(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	c.signIn("alice")
	many := make([]any, maxHeaders+1)
	for i := range many {
		many[i] = map[string]any{"name": "X-One", "value": "1"}
	}
	for name, row := range map[string]struct {
		headers any
		error   string
	}{
		"none":            {nil, ""},
		"an empty list":   {[]any{}, ""},
		"two alike":       {many[:2], ""},
		"as many as fit":  {many[:maxHeaders], ""},
		"too many":        {many, "Invalid value for 'headers' property"},
		"a map":           {map[string]any{"X-One": "1"}, "Invalid value for 'headers' property"},
		"no object":       {[]any{"X-One: 1"}, "Invalid value for 'headers' property"},
		"null in it":      {[]any{nil}, "Invalid value for 'headers' property"},
		"without a name":  {[]any{map[string]any{"value": "1"}}, "Mandatory property 'name' of 'Header' object is missing"},
		"without a value": {[]any{map[string]any{"name": "X"}}, "Mandatory property 'value' of 'Header' object is missing"},
		"a null value":    {[]any{map[string]any{"name": "X", "value": nil}}, "Invalid value for 'value' property"},
		"a number":        {[]any{map[string]any{"name": "X", "value": 1}}, "Invalid value for 'value' property"},
		"more fields":     {[]any{map[string]any{"name": "X", "value": "1", "more": true}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := &client{t: t, Client: c.Client, s: s}
			err := c.request("session-create", map[string]any{"session": name, "account": "alice@example.com",
				"uri": "bob@example.com", "sdp": "x", "headers": row.headers})
			if row.error != "" {
				c.refused(err, row.error)
				return
			}
			c.ok(err)
			list, _ := row.headers.([]any)
			if got := s.host.command(t).GetOffer().GetHeaders(); len(got) != len(list) {
				t.Errorf("%d headers are carried: %v", len(got), got)
			}
		})
	}
}
