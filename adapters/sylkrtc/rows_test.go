package sylkrtc

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// The protocol's table of what its two versions differ in, and its tables of errors:
// a subtest is named after each row.

var tooManyCalls = schema.Errorf(callv1.Code_CODE_RATE_LIMITED, "too many calls")

// raw gives a message as both versions write it; "" where one cannot say it.
func raw(name string) (first, second string) {
	one, _ := encode(v1, golden()[name], false)
	two, _ := encode(v2, golden()[name], false)
	return string(one), string(two)
}

func TestRowsOfDifferences(t *testing.T) {
	begins := func(t *testing.T, name, first, second string) {
		t.Helper()
		one, two := raw(name)
		if !strings.HasPrefix(one, first) || !strings.HasPrefix(two, second) || first == "" && one != "" || second == "" && two != "" {
			t.Errorf("%s is\n%s\n%s", name, one, two)
		}
	}
	t.Run("ready", func(t *testing.T) {
		begins(t, "ready", `{"sylkrtc":"event","event":"ready"}`, `{"sylkrtc":"ready-event"}`)
	})
	t.Run("envelopes", func(t *testing.T) {
		begins(t, "registered", `{"sylkrtc":"account_event",`, `{"sylkrtc":"account-event",`)
		begins(t, "established", `{"sylkrtc":"session_event",`, `{"sylkrtc":"session-event",`)
	})
	t.Run("payload", func(t *testing.T) { // nested in data but for session; flat
		begins(t, "established", `{"sylkrtc":"session_event","event":"state","session":"s1","data":{"state":"established"}}`,
			`{"sylkrtc":"session-event","session":"s1","event":"state","state":"established"}`)
	})
	t.Run("event names", func(t *testing.T) {
		for name, event := range map[string]string{
			"registered": "registration_state", "incoming-session": "incoming_session", "missed-session": "missed_session",
		} {
			one, two := raw(name)
			if !strings.Contains(one, `"event":"`+event+`"`) || !strings.Contains(two, `"event":"`+strings.ReplaceAll(event, "_", "-")+`"`) {
				t.Errorf("%s is\n%s\n%s", name, one, two)
			}
		}
	})
	t.Run("ack and error", func(t *testing.T) {
		for _, name := range []string{"ack", "error"} {
			if one, two := raw(name); one != two {
				t.Errorf("%s is\n%s\n%s", name, one, two)
			}
		}
	})
	t.Run("originator", func(t *testing.T) { // an object; a bare text by configuration
		one, _ := raw("incoming-session")
		bare, _ := encode(v1, golden()["incoming-session"], true)
		if !strings.Contains(one, `"originator":{"uri":"carol@example.com","display_name":"The carol"}`) ||
			!strings.Contains(string(bare), `"originator":"carol@example.com"`) {
			t.Errorf("originators:\n%s\n%s", one, bare)
		}
	})
	t.Run("incoming session ids", func(t *testing.T) {
		both(t, func(t *testing.T, v string) {
			c, l := called(t, v)
			if id := c.rings(l); len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
				t.Errorf("the session is %q", id)
			}
		})
	})
	t.Run("accepted with sdp to the outgoing side only", func(t *testing.T) {
		both(t, func(t *testing.T, v string) {
			c, l := called(t, v)
			id := c.rings(l)
			c.ok(c.Answer(within(t), id, "x"))
			if m := c.state(id, "accepted"); m.SDP != "" {
				t.Errorf("heard %s", m.Raw)
			}
		})
	})
	t.Run("what sylkRTC-1 does not have", func(t *testing.T) {
		for _, name := range []string{"proceeding", "ringing", "early-media", "update-received", "update-accepted", "update-failed"} {
			if one, two := raw(name); one != "" || two == "" {
				t.Errorf("%s is\n%s\n%s", name, one, two)
			}
		}
		c := serve(t, nil).client(t, sylkrtctest.V1)
		for _, name := range []string{"ping", "session-update", "session-dtmf-info"} {
			c.refused(c.request(name, nil), name+" is not supported by sylkRTC-1")
		}
	})
}

func TestRowsOfHandshake(t *testing.T) {
	s := serve(t, nil)
	for _, row := range []struct {
		name, protocol, origin string
		status                 int
	}{
		{"sylkRTC-1", "sylkRTC-1", "", 101},
		{"sylkRTC-2", "sylkRTC-2", "", 101},
		{"required subprotocol not offered", "sip", "", 406},
		{"Origin not allowed", "sylkRTC-2", "https://evil.example", 403},
		{"no Origin header is allowed", "sylkRTC-2", "", 101},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := http.Header{}
			if row.origin != "" {
				h.Set("Origin", row.origin)
			}
			if got := dialStatus(t, s.url, row.protocol, h); got != row.status {
				t.Errorf("HTTP %d, want %d", got, row.status)
			}
		})
	}
	t.Run("backend gone", func(t *testing.T) {
		s := serve(t, nil)
		s.host.with(func() { s.host.directory = schema.Errorf(callv1.Code_CODE_RETRY, "no bus") })
		if got := dialStatus(t, s.url, "sylkRTC-2", nil); got != 503 {
			t.Errorf("HTTP %d, want 503", got)
		}
	})
}

func TestRowsOfBadInput(t *testing.T) {
	for _, row := range []struct{ name, text, error string }{
		{"malformed JSON", `{"sylkrtc":"ping"`, ""},
		{"malformed JSON with a transaction", `{"transaction":"T","sylkrtc":"ping"`, "malformed JSON message"},
		{"missing sylkrtc", `{"transaction":"T"}`, "could not get WebSocket message type"},
		{"unknown type", `{"transaction":"T","sylkrtc":"fly"}`, "unknown WebSocket request: fly"},
		{"JSON non-object", `[1]`, ""},
		{"non-string transaction", `{"transaction":1,"sylkrtc":"ping"}`, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			both(t, func(t *testing.T, v string) {
				c := serve(t, nil).client(t, v)
				c.ok(c.SendText(within(t), row.text))
				if row.error != "" {
					c.refused(c.Reply(within(t), "T"), row.error)
				}
				c.nothing() // and the connection stays open
			})
		})
	}
	t.Run("binary frame", func(t *testing.T) {
		c := serve(t, nil).client(t, sylkrtctest.V2)
		c.ok(c.SendBinary(within(t), []byte(`{"transaction":"T","sylkrtc":"ping"}`)))
		c.refused(c.Reply(within(t), "T"), "invalid binary message")
	})
	t.Run("closed after a configured number", func(t *testing.T) {
		c := serve(t, func(c *Config) { c.MaxBad = 2 }).client(t, sylkrtctest.V2)
		c.ok(c.SendText(within(t), "1"))
		c.ok(c.SendText(within(t), "2"))
		if got := sylkrtctest.Status(c.Ended(within(t))); got != 1008 {
			t.Errorf("closed with %d", got)
		}
	})
}

// Every error text of the document, word for word.
func TestRowsOfErrorTexts(t *testing.T) {
	const x = "nobody@example.com"
	create := func(c *client, session, account string) error {
		return c.Create(within(c.t), session, account, "bob@example.com", "x")
	}
	rows := []struct {
		text string
		does func(c *client) error
	}{
		{"Account alice@example.com already added", func(c *client) error {
			c.signIn("alice")
			return c.AddAccount(within(c.t), "alice@example.com", "x")
		}},
		{"SIP domain not allowed: elsewhere.org", func(c *client) error { return c.AddAccount(within(c.t), "a@elsewhere.org", "x") }},
		{"Unknown account specified: " + x, func(c *client) error { return create(c, "s1", x) }},
		{"Session ID s1 already in use", func(c *client) error {
			c.place(c.signIn("alice"), "s1", "bob@example.com")
			return create(c, "s1", "alice@example.com")
		}},
		{"Unknown session s1", func(c *client) error { return c.Terminate(within(c.t), "s1") }},
		{"Cannot answer outgoing session s1", func(c *client) error {
			c.place(c.signIn("alice"), "s1", "bob@example.com")
			return c.Answer(within(c.t), "s1", "x")
		}},
		{"Invalid state for answering session ID: accepted", func(c *client) error {
			id := c.rings(c.s.leg(c.signIn("alice")))
			c.ok(c.Answer(within(c.t), id, "x"))
			return c.Answer(within(c.t), id, "x")
		}},
		{"Invalid state for updating session s1: progress", func(c *client) error {
			c.place(c.signIn("alice"), "s1", "bob@example.com")
			return c.Update(within(c.t), "s1", "x")
		}},
		{"Invalid state session s1: progress for DTMF info", func(c *client) error {
			c.place(c.signIn("alice"), "s1", "bob@example.com")
			return c.DTMF(within(c.t), "s1", "1", 0)
		}},
		{"Session s1 is terminated", func(c *client) error {
			c.place(c.signIn("alice"), "s1", "bob@example.com")
			c.ok(c.Terminate(within(c.t), "s1"))
			c.state("s1", "terminated")
			return c.Terminate(within(c.t), "s1")
		}},
		{"Mandatory property 'sdp' of 'SessionCreateRequest' object is missing", func(c *client) error {
			return c.request("session-create", map[string]any{"session": "s1", "account": x, "uri": x})
		}},
	}
	for _, row := range rows {
		t.Run(row.text, func(t *testing.T) {
			both(t, func(t *testing.T, v string) {
				c := serve(t, nil).client(t, v)
				if v == sylkrtctest.V1 && slices.ContainsFunc([]string{"updating", "DTMF"}, func(w string) bool { return strings.Contains(row.text, w) }) {
					return // see TestRowsOfDifferences
				}
				err := row.does(c)
				if err == nil {
					t.Fatal("it was not refused")
				}
				if text := strings.TrimPrefix(err.Error(), "sylkrtc: "); !matches(row.text, text) {
					t.Errorf("the error is %q", text)
				}
			})
		})
	}
	t.Run("Account not authenticated", func(t *testing.T) { // of requests that are no calls
		if got := errorText(schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "x")); got != "Account not authenticated" {
			t.Errorf("the error is %q", got)
		}
	})
}

// matches compares an error text, in which ID is a session's name that the server
// has chosen.
func matches(want, got string) bool {
	before, after, has := strings.Cut(want, "ID: ")
	if !has {
		return want == got
	}
	return strings.HasPrefix(got, before) && strings.HasSuffix(got, ": "+after)
}

// Digits come one or more at a time, of every kind that a keypad can have.
func TestRowsOfDigits(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	c.talking("s1")
	for _, digit := range strings.Split("0123456789*#ABCDabcd", "") {
		t.Run("digit "+digit, func(t *testing.T) {
			c.ok(c.DTMF(within(t), "s1", digit, 0))
			if g := (<-s.host.signals).GetDtmf(); g.GetDigit() != strings.ToUpper(digit) || g.GetDurationMs() != 0 {
				t.Errorf("the signal is %v", g)
			}
		})
	}
	for name, row := range map[string]struct {
		duration any
		ms       uint32
		error    string
	}{
		"none":            {nil, 0, ""},
		"0, the default":  {0, 0, ""},
		"1 ms":            {1, 1, ""},
		"10 s":            {10_000, 10_000, ""},
		"more than 10 s":  {10_001, 0, "Invalid value for 'duration' property"},
		"negative":        {-1, 0, "Invalid value for 'duration' property"},
		"a fraction":      {1.5, 0, "Invalid value for 'duration' property"},
		"a text":          {"100", 0, "Invalid value for 'duration' property"},
		"beyond a number": {1e300, 0, "Invalid value for 'duration' property"},
	} {
		t.Run("duration "+name, func(t *testing.T) {
			c := &client{t: t, Client: c.Client, s: s}
			err := c.request("session-dtmf-info", map[string]any{"session": "s1", "digit": "1", "duration": row.duration})
			if row.error != "" {
				c.refused(err, row.error)
				return
			}
			c.ok(err)
			if g := (<-s.host.signals).GetDtmf(); g.GetDurationMs() != row.ms {
				t.Errorf("the signal is %v", g)
			}
		})
	}
}
