package sylkrtc

import (
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Every row of the protocol's table of errors, and its error texts.

func TestErrorTexts(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, func(c *Config) { c.MaxSessions = 2 })
		c := s.client(t, v)
		term := c.signIn("alice")
		c.place(term, "s1", "bob@example.com")
		create := func(fields map[string]any) error {
			m := map[string]any{"session": "s2", "account": "alice@example.com", "uri": "bob@example.com", "sdp": "offer"}
			for k, v := range fields {
				if m[k] = v; v == "missing" {
					delete(m, k)
				}
			}
			return c.request("session-create", m)
		}
		c.refused(create(map[string]any{"session": "s1"}), "Session ID s1 already in use")
		c.refused(create(map[string]any{"account": "bob@example.com"}), "Unknown account specified: bob@example.com")
		for _, name := range []string{"session", "account", "uri", "sdp"} {
			c.refused(create(map[string]any{name: "missing"}), "Mandatory property '"+name+"' of 'SessionCreateRequest' object is missing")
			c.refused(create(map[string]any{name: nil}), "Invalid value for '"+name+"' property")
			c.refused(create(map[string]any{name: 42}), "Invalid value for '"+name+"' property")
		}
		c.refused(create(map[string]any{"session": ""}), "Invalid value for 'session' property")
		c.refused(create(map[string]any{"account": "alice"}), "invalid SIP URI: alice")
		c.refused(create(map[string]any{"uri": "12025550103"}), "invalid SIP URI: 12025550103")
		c.refused(create(map[string]any{"headers": []any{map[string]any{"name": "X"}}}), "Mandatory property 'value' of 'Header' object is missing")
		c.refused(create(map[string]any{"headers": map[string]any{"X": "1"}}), "Invalid value for 'headers' property")
		ours := schema.CompactUUID(s.leg(term).id)
		c.refused(create(map[string]any{"session": ours}), "Session ID "+ours+" already in use")

		c.refused(c.Answer(within(t), "s1", "x"), "Cannot answer outgoing session s1")
		s.host.with(func() {
			s.host.accept = func(*callv1.Command) (*callv1.Reply, error) {
				return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such leg")
			}
		})
		for _, id := range []string{"nothing", ours, strings.ToUpper(ours)} {
			c.refused(c.Answer(within(t), id, "x"), "Unknown session "+id)
			c.refused(c.Terminate(within(t), id), "Unknown session "+id)
		}
		s.host.with(func() { s.host.accept = nil })
		for len(s.host.commands) > 0 {
			<-s.host.commands
		}
		c.refused(c.request("session-trickle", map[string]any{"session": "s1"}),
			"Mandatory property 'candidates' of 'SessionTrickleRequest' object is missing")
		for _, bad := range []any{nil, "x", 1, map[string]any{}, []any{nil}, []any{"x"}} {
			c.refused(c.request("session-trickle", map[string]any{"session": "s1", "candidates": bad}), "Invalid value for 'candidates' property")
		}
		candidate := func(k string, v any) error {
			m := map[string]any{"candidate": "candidate:0", "sdpMLineIndex": 0, "sdpMid": ""}
			if m[k] = v; v == "missing" {
				delete(m, k)
			}
			return c.request("session-trickle", map[string]any{"session": "s1", "candidates": []any{m}})
		}
		for _, k := range []string{"candidate", "sdpMLineIndex", "sdpMid"} {
			c.refused(candidate(k, "missing"), "Mandatory property '"+k+"' of 'ICECandidate' object is missing")
			c.refused(candidate(k, nil), "Invalid value for '"+k+"' property")
		}
		c.refused(candidate("sdpMLineIndex", 1.5), "Invalid value for 'sdpMLineIndex' property")
		c.refused(candidate("sdpMLineIndex", -1), "Invalid value for 'sdpMLineIndex' property")
		c.ok(candidate("extra", "ignored"))

		c.refused(c.request("account-add", map[string]any{"account": "bob@example.com", "password": ""}),
			"the value's length must be between 1 and 9999 inclusive")
		c.refused(c.request("account-add", map[string]any{"account": "bob@example.com"}),
			"Mandatory property 'password' of 'AccountAddRequest' object is missing")

		c.rings(s.leg(term))
		c.refused(create(nil), "Too many sessions")
		c.nothing()
	})
}

// Calls that are refused are acked and end; what is the request's fault is an
// error.
func TestErrorRefusedCalls(t *testing.T) {
	s := serve(t, func(c *Config) { c.MaxSessions = 100 })
	c := s.client(t, sylkrtctest.V2)
	c.signIn("alice")
	ends := map[callv1.Code]string{
		callv1.Code_CODE_NOT_FOUND:       "404 Not Found",
		callv1.Code_CODE_GONE:            "480 Temporarily Unavailable",
		callv1.Code_CODE_REJECTED:        "480 Temporarily Unavailable",
		callv1.Code_CODE_UNSUPPORTED:     "480 Temporarily Unavailable",
		callv1.Code_CODE_BUSY:            "486 Busy Here",
		callv1.Code_CODE_FORBIDDEN:       "403 Forbidden",
		callv1.Code_CODE_NOT_ACCEPTABLE:  "488 Not Acceptable Here",
		callv1.Code_CODE_OVERLOAD:        "503 Service Unavailable",
		callv1.Code_CODE_RATE_LIMITED:    "429 Too Many Requests",
		callv1.Code_CODE_UNAUTHENTICATED: "904 Operation has no matching challenge ",
	}
	errs := map[callv1.Code]string{
		callv1.Code_CODE_CONFLICT:   "Session ID X already in use",
		callv1.Code_CODE_ENDED:      "Session ID X already in use",
		callv1.Code_CODE_INVALID:    "Invalid value for 'sdp' property",
		callv1.Code_CODE_RETRY:      "503 Service Unavailable",
		callv1.Code_CODE_INTERNAL:   "Internal error",
		callv1.Code_CODE_REDIRECTED: "Internal error", // the host follows those
	}
	for n := range callv1.Code_name {
		code := callv1.Code(n)
		if code == callv1.Code_CODE_UNSPECIFIED {
			continue
		}
		id := "call-" + code.String()
		s.host.with(func() {
			s.host.accept = func(*callv1.Command) (*callv1.Reply, error) { return nil, schema.Errorf(code, "no") }
		})
		err := c.Create(within(t), id, "alice@example.com", "bob@example.com", "offer")
		if text, ok := ends[code]; ok {
			c.ok(err)
			c.terminated(id, text)
			c.ok(c.Trickle(within(t), id))
			continue
		}
		c.refused(err, strings.ReplaceAll(errs[code], "X", id))
	}
	s.host.with(func() {
		s.host.accept = func(*callv1.Command) (*callv1.Reply, error) {
			return nil, schema.Invalid("offer.headers[0].name", "no")
		}
	})
	c.refused(c.Create(within(t), "h", "alice@example.com", "bob@example.com", "offer"), "Invalid value for 'headers' property")
	c.nothing()
}

// A session-answer that lost the race is acked and then terminated with 487.
func TestErrorAnswerLostRace(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		term := c.signIn("bob")
		for _, code := range []callv1.Code{callv1.Code_CODE_ENDED, callv1.Code_CODE_CONFLICT, callv1.Code_CODE_GONE} {
			l := s.leg(term)
			id := c.rings(l)
			s.host.with(func() {
				s.host.accept = func(*callv1.Command) (*callv1.Reply, error) { return nil, schema.Errorf(code, "too late") }
			})
			c.ok(c.Answer(within(t), id, "x"))
			s.host.command(t)
			c.terminated(id, "487 Request Terminated")
			l.deliver(t, endedEvent(callv1.Reason_REASON_ANSWERED_ELSEWHERE, false)) // not told again
			s.host.with(func() { s.host.accept = nil })
		}
		l := s.leg(term) // the end came before the answer was sent
		id := c.rings(l)
		l.deliver(t, endedEvent(callv1.Reason_REASON_ANSWERED_ELSEWHERE, false))
		c.ok(c.Answer(within(t), id, "x"))
		c.terminated(id, "487 Request Terminated")
		c.nothing()
		s.host.noCommand(t)
	})
}

func TestErrorAnswerRefused(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	term := c.signIn("bob")
	for code, text := range map[callv1.Code]string{
		callv1.Code_CODE_INVALID: "Invalid value for 'sdp' property", callv1.Code_CODE_RETRY: "503 Service Unavailable",
		callv1.Code_CODE_INTERNAL: "Internal error", callv1.Code_CODE_RATE_LIMITED: "Too many requests",
	} {
		l := s.leg(term)
		id := c.rings(l)
		s.host.with(func() {
			s.host.accept = func(*callv1.Command) (*callv1.Reply, error) { return nil, schema.Errorf(code, "no") }
		})
		c.refused(c.Answer(within(t), id, "x"), text)
		s.host.command(t)
		s.host.with(func() { s.host.accept = nil })
		c.ok(c.Terminate(within(t), id)) // it lives on
		s.host.command(t)
		c.terminated(id, "486 Busy Here")
	}
	id := c.rings(s.leg(term))
	s.host.with(func() {
		s.host.accept = func(*callv1.Command) (*callv1.Reply, error) {
			return nil, schema.Errorf(callv1.Code_CODE_NOT_ACCEPTABLE, "no")
		}
	})
	c.ok(c.Answer(within(t), id, "x"))
	c.terminated(id, "488 Not Acceptable Here")
}

// Messages that are no requests are answered when their transaction can be
// read, and counted; none disturbs the connection.
func TestErrorBadMessages(t *testing.T) {
	deep := strings.Repeat("[", 20000) + strings.Repeat("]", 20000)
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		for name, m := range map[string]struct{ text, want string }{
			"malformed":             {`{"sylkrtc"`, ""},
			"malformed, readable":   {`{"transaction":"T","sylkrtc":"ping"`, "malformed JSON message"},
			"garbage after":         {`{"transaction":"T","sylkrtc":"ping"}}`, "malformed JSON message"},
			"empty":                 {``, ""},
			"missing sylkrtc":       {`{"transaction":"T"}`, "could not get WebSocket message type"},
			"sylkrtc of other type": {`{"transaction":"T","sylkrtc":1}`, "could not get WebSocket message type"},
			"unknown, no answer":    {`{"sylkrtc":"no-such"}`, ""},
			"array":                 {`["transaction","T"]`, ""},
			"number":                {`42`, ""},
			"text":                  {`"ping"`, ""},
			"null":                  {`null`, ""},
			"transaction number":    {`{"transaction":7,"sylkrtc":"account-remove","account":"a@b"}`, ""},
			"transaction null":      {`{"transaction":null,"sylkrtc":"account-remove","account":"a@b"}`, ""},
			"transaction missing":   {`{"sylkrtc":"account-remove","account":"a@b"}`, ""},
			"transaction too long":  {`{"transaction":"` + strings.Repeat("x", 300) + `","sylkrtc":"ping"}`, ""},
			"deep":                  {`{"transaction":"T","sylkrtc":"ping","x":` + deep + `}`, "malformed JSON message"},
		} {
			c.ok(c.SendText(within(t), m.text))
			select {
			case got := <-s.host.counts:
				if got != "bad_messages" {
					t.Errorf("%s: counted as %s", name, got)
				}
			case <-within(t).Done():
				t.Fatalf("%s: not counted", name)
			}
			if m.want != "" {
				c.refused(c.Reply(within(t), "T"), m.want)
			}
			c.nothing() // one answer, and the connection serves on
		}
		c.ok(c.SendBinary(within(t), []byte(`{"transaction":"B","sylkrtc":"ping"}`)))
		c.refused(c.Reply(within(t), "B"), "invalid binary message")
		c.ok(c.SendBinary(within(t), []byte{0, 1, 2}))
		c.nothing()
	})
}

func TestErrorTooManyBadMessages(t *testing.T) {
	s := serve(t, func(c *Config) { c.MaxBad = 3 })
	c := s.client(t, sylkrtctest.V2)
	other := s.client(t, sylkrtctest.V2)
	for range 2 {
		c.ok(c.SendText(within(t), "[]"))
	}
	c.nothing()
	c.ok(c.SendText(within(t), `{"transaction":"T"}`))
	c.refused(c.Reply(within(t), "T"), "could not get WebSocket message type")
	if got := sylkrtctest.Status(c.Ended(within(t))); got != 1008 {
		t.Errorf("closed with %d, want 1008", got)
	}
	other.nothing()
}

// What a newer client may ask is refused, whatever it is, and held against
// nobody.
func TestErrorUnknownRequest(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, func(c *Config) { c.MaxBad = 1 })
		c := s.client(t, v)
		for range 3 {
			c.refused(c.request("no-such", nil), "unknown WebSocket request: no-such")
		}
		c.ok(c.SendText(within(t), "{\"transaction\":\"T\",\"sylkrtc\":\"\xff\"}")) // not UTF-8
		c.refused(c.Reply(within(t), "T"), "unknown WebSocket request: \ufffd")
		c.nothing()
		if n := len(s.host.counts); n != 0 {
			t.Errorf("%d counted, first %s", n, <-s.host.counts)
		}
	})
}

// Bad messages are forgiven one by one.
func TestErrorBadMessagesForgiven(t *testing.T) {
	var s strikes
	now := time.Now()
	for i, row := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {0, 2}, {9 * time.Second, 3}, {time.Second, 3}, {25 * time.Second, 2}, {5 * time.Second, 2}, {time.Hour, 1}, {0, 2}} {
		now = now.Add(row.after)
		if got := s.add(now); got != row.want {
			t.Errorf("step %d: %d, want %d", i, got, row.want)
		}
	}
}

// A session of another account is one that is not there.
func TestErrorOthersSession(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		bob, mallory := s.client(t, v), s.client(t, v)
		l := s.leg(bob.signIn("bob"))
		id := bob.rings(l)
		s.host.with(func() {
			s.host.accept = func(c *callv1.Command) (*callv1.Reply, error) {
				if c.GetPrincipal() != "bob" { // as every owner does
					return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such leg")
				}
				return carriedOut(c)
			}
		})
		for i := range 2 { // before and after mallory has signed in
			mallory.refused(mallory.Answer(within(t), id, "x"), "Unknown session "+id)
			mallory.refused(mallory.Terminate(within(t), id), "Unknown session "+id)
			if i == 0 {
				mallory.signIn("alice")
			}
		}
		for len(s.host.commands) > 0 {
			if c := <-s.host.commands; c.GetPrincipal() == "bob" {
				t.Errorf("a command on bob's behalf: %v", c)
			}
		}
		bob.ok(bob.Answer(within(t), id, "x"))
		bob.state(id, "accepted")
	})
}
