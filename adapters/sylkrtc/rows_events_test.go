package sylkrtc

import (
	"slices"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// The protocol's tables of events, states and reasons: a subtest is named after
// each row.

// has requires that a message of sylkRTC-2 has exactly these fields.
func has(t *testing.T, m sylkrtctest.Message, fields ...string) {
	t.Helper()
	slices.Sort(fields)
	if !slices.Equal(m.Keys, fields) {
		t.Errorf("%s has the fields %v, want %v", m.Raw, m.Keys, fields)
	}
}

func TestRowsOfAccountEvents(t *testing.T) {
	t.Run("registration-state", func(t *testing.T) {
		s := serve(t, nil)
		c := s.client(t, sylkrtctest.V2)
		c.ok(c.AddAccount(within(t), "alice@example.com", sylkrtctest.HA1("alice@example.com", "secret")))
		for _, again := range []bool{false, true} {
			c.ok(c.request("account-register", map[string]any{"account": "alice@example.com"}))
			for _, state := range []string{"registering", "registered"} {
				m := c.next()
				has(t, m, "sylkrtc", "account", "event", "state")
				if m.State != state || m.Account != "alice@example.com" {
					t.Errorf("again %v: heard %s, want %s", again, m.Raw, state)
				}
			}
		}
		t.Run("unregister emits none", func(t *testing.T) {
			c.ok(c.Unregister(within(t), "alice@example.com"))
			c.nothing()
		})
		t.Run("failed, with the reason", func(t *testing.T) {
			c.ok(c.AddAccount(within(t), "bob@example.com", "00000000000000000000000000000000"))
			c.ok(c.request("account-register", map[string]any{"account": "bob@example.com"}))
			if m := c.next(); m.State != "registering" {
				t.Errorf("heard %s", m.Raw)
			}
			m := c.next()
			has(t, m, "sylkrtc", "account", "event", "state", "reason")
			if m.State != "failed" || m.Reason != "904 Operation has no matching challenge " {
				t.Errorf("heard %s", m.Raw)
			}
		})
	})
	t.Run("incoming-session", func(t *testing.T) {
		c, l := called(t, sylkrtctest.V2)
		l.deliver(t, incomingEvent())
		m := c.next()
		has(t, m, "sylkrtc", "account", "event", "session", "originator", "sdp", "call_id", "headers")
		if m.Headers == nil || len(m.Headers) != 0 { // a map, also without prefixes
			t.Errorf("headers in %s", m.Raw)
		}
		if m.Originator != (sylkrtctest.Identity{URI: "carol@example.com", DisplayName: "The carol"}) || m.SDP != "the offer" || m.CallID != l.call {
			t.Errorf("heard %s", m.Raw)
		}
	})
	t.Run("missed-session", func(t *testing.T) {
		c, l := called(t, sylkrtctest.V2)
		id := c.rings(l)
		l.deliver(t, endedEvent(callv1.Reason_REASON_CANCELLED, true))
		c.terminated(id, "487 Request Terminated")
		m := c.next()
		has(t, m, "sylkrtc", "account", "event", "originator")
		if m.Event != "missed-session" || m.Originator.URI != "carol@example.com" {
			t.Errorf("heard %s", m.Raw)
		}
	})
}

// called is a client that is signed in and the leg of a call that will ring there.
func called(t *testing.T, v string) (*client, *leg) {
	t.Helper()
	s := serve(t, nil)
	c := s.client(t, v)
	return c, s.leg(c.signIn("bob"))
}

// A client hears of a state in the words of its row, and with its fields only.
func TestRowsOfSessionStates(t *testing.T) {
	s := serve(t, nil)
	withHeaders := answeredEvent()
	withHeaders.GetAnswered().Headers = []*callv1.Header{{Name: "X-Two", Value: "2"}, {Name: "Other", Value: "3"}}
	rows := []struct {
		name   string
		events []*callv1.Event
		before []string // the states before the one of the row
		want   sylkrtctest.Message
		fields []string
	}{
		{"progress", nil, nil, sylkrtctest.Message{State: "progress"}, nil},
		{"proceeding", []*callv1.Event{alertingEvent()}, []string{"progress"}, sylkrtctest.Message{State: "proceeding", Code: 180}, []string{"code"}},
		{"proceeding to early media", []*callv1.Event{earlyEvent("x")}, []string{"progress"}, sylkrtctest.Message{State: "proceeding", Code: 183}, []string{"code"}},
		{"ringing", []*callv1.Event{alertingEvent()}, []string{"progress", "proceeding"}, sylkrtctest.Message{State: "ringing"}, nil},
		{"early-media", []*callv1.Event{earlyEvent("x")}, []string{"progress", "proceeding"}, sylkrtctest.Message{State: "early-media", SDP: "x"}, []string{"sdp", "call_id"}},
		{"accepted", []*callv1.Event{answeredEvent()}, []string{"progress"}, sylkrtctest.Message{State: "accepted", SDP: "the answer"}, []string{"sdp", "call_id"}},
		{"accepted with headers", []*callv1.Event{withHeaders}, []string{"progress"}, sylkrtctest.Message{State: "accepted", SDP: "the answer"}, []string{"sdp", "call_id", "headers"}},
		{"accepted after early media", []*callv1.Event{earlyEvent("x"), answeredEvent()}, []string{"progress", "proceeding", "early-media"}, sylkrtctest.Message{State: "accepted"}, []string{"call_id"}},
		{"established", []*callv1.Event{answeredEvent(), establishedEvent()}, []string{"progress", "accepted"}, sylkrtctest.Message{State: "established"}, nil},
		{"terminated", []*callv1.Event{endedEvent(callv1.Reason_REASON_BUSY, false)}, []string{"progress"}, sylkrtctest.Message{State: "terminated", Reason: "486 Busy Here"}, []string{"reason"}},
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c := s.client(t, sylkrtctest.V2)
			c.ok(c.request("account-add", map[string]any{"account": "alice@example.com",
				"password": sylkrtctest.HA1("alice@example.com", "secret"), "incoming_header_prefixes": []string{"x-"}}))
			id := string(rune('a' + i))
			c.ok(c.Create(within(t), id, "alice@example.com", "bob@example.com", "offer"))
			o := s.host.command(t)
			l := &leg{s: s, terminal: &callv1.Terminal{Id: o.GetOffer().GetTerminal().GetId(), Subscriber: "alice"},
				call: o.GetCallId(), id: o.GetLegId(), ref: id}
			for _, e := range row.events {
				l.deliver(t, e)
			}
			for _, state := range row.before {
				if m := c.next(); m.State != state {
					t.Fatalf("heard %s, want %s", m.Raw, state)
				}
			}
			m := c.next()
			has(t, m, append([]string{"sylkrtc", "session", "event", "state"}, row.fields...)...)
			if m.Event != "state" || m.Session != id || m.State != row.want.State || m.Code != row.want.Code ||
				m.SDP != row.want.SDP || m.Reason != row.want.Reason {
				t.Errorf("heard %s, want %+v", m.Raw, row.want)
			}
			if slices.Contains(row.fields, "headers") && (len(m.Headers) != 1 || m.Headers["X-Two"] != "2") {
				t.Errorf("headers in %s", m.Raw)
			}
		})
	}
	t.Run("incoming is no message", func(t *testing.T) {
		c, l := called(t, sylkrtctest.V2)
		id := c.rings(l)
		c.refused(c.Update(within(t), id, "x"), "Invalid state for updating session "+id+": connecting")
	})
	t.Run("accepted of an incoming session", func(t *testing.T) {
		c, l := called(t, sylkrtctest.V2)
		id := c.rings(l)
		c.ok(c.Answer(within(t), id, "x"))
		m := c.next()
		has(t, m, "sylkrtc", "session", "event", "state")
		if m.State != "accepted" {
			t.Errorf("heard %s", m.Raw)
		}
	})
}

func TestRowsOfSessionUpdates(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	l := c.talking("s1")
	for _, row := range []struct {
		state  string
		does   func()
		fields []string
	}{
		{"received", func() { l.deliver(t, reofferEvent("theirs")) }, []string{"sdp"}},
		{"accepted", func() {
			s.host.with(func() {
				s.host.accept = func(*callv1.Command) (*callv1.Reply, error) {
					return &callv1.Reply{LegState: callv1.LegState_LEG_STATE_ESTABLISHED, Sdp: "ours"}, nil
				}
			})
			c.acked(c.sent("s1", described("actpass", "audio")))
		}, []string{"sdp"}},
		{"failed", func() {
			s.host.with(func() {
				s.host.accept = func(*callv1.Command) (*callv1.Reply, error) { return nil, errGone }
			})
			c.acked(c.sent("s1", described("actpass", "audio")))
		}, []string{"reason"}},
	} {
		t.Run(row.state, func(t *testing.T) {
			row.does()
			m := c.next()
			has(t, m, append([]string{"sylkrtc", "session", "event", "state"}, row.fields...)...)
			if m.Event != "update" || m.State != row.state || m.Session != "s1" {
				t.Errorf("heard %s", m.Raw)
			}
		})
	}
}

// Every reason of the document, as it comes about.
func TestRowsOfReasons(t *testing.T) {
	placed := func(c *client) (*leg, string) {
		return c.place(c.signIn("alice"), "s1", "bob@example.com"), "s1"
	}
	answered := func(c *client) (*leg, string) {
		l, id := placed(c)
		l.deliver(c.t, answeredEvent())
		c.state(id, "accepted")
		return l, id
	}
	rung := func(c *client) (*leg, string) {
		l := c.s.leg(c.signIn("bob"))
		return l, c.rings(l)
	}
	terminate := func(c *client, _ *leg, id string) { c.ok(c.Terminate(within(c.t), id)) }
	ends := func(r callv1.Reason, missed bool) func(*client, *leg, string) {
		return func(c *client, l *leg, _ string) { l.deliver(c.t, endedEvent(r, missed)) }
	}
	for _, row := range []struct {
		reason, why string
		ready       func(*client) (*leg, string)
		does        func(*client, *leg, string)
		missed      bool
	}{
		{"200 to BYE", "own hang-up", answered, terminate, false},
		{"200 Session Terminated", "remote hang-up", answered, ends(callv1.Reason_REASON_NORMAL, false), false},
		{"200 Call Transferred", "it goes on at another terminal", answered, ends(callv1.Reason_REASON_TRANSFERRED, false), false},
		{"487 Request Terminated", "own cancel", placed, terminate, false},
		{"487 Request Terminated", "cancelled by the caller, missed", rung, ends(callv1.Reason_REASON_CANCELLED, true), true},
		{"487 Request Terminated", "nobody answered in time, missed", rung, ends(callv1.Reason_REASON_NO_ANSWER, true), true},
		{"487 Request Terminated", "a lost fork, not missed", rung, ends(callv1.Reason_REASON_ANSWERED_ELSEWHERE, false), false},
		{"486 Busy Here", "declined here", rung, terminate, false},
		{"486 Busy Here", "declined there", placed, ends(callv1.Reason_REASON_DECLINED, false), false},
		{"486 Busy Here", "busy", placed, ends(callv1.Reason_REASON_BUSY, false), false},
		{"403 Forbidden", "not allowed", placed, ends(callv1.Reason_REASON_FORBIDDEN, false), false},
		{"404 Not Found", "no such address", placed, ends(callv1.Reason_REASON_NOT_FOUND, false), false},
		{"408 Request Timeout", "nobody answers", placed, ends(callv1.Reason_REASON_NO_ANSWER, false), false},
		{"480 Temporarily Unavailable", "nobody is there", placed, ends(callv1.Reason_REASON_UNREACHABLE, false), false},
		{"480 Temporarily Unavailable", "the other side was lost", answered, ends(callv1.Reason_REASON_TERMINAL_LOST, false), false},
		{"488 Not Acceptable Here", "no media in common", placed, ends(callv1.Reason_REASON_NOT_ACCEPTABLE, false), false},
		{"500 Media Failed", "media never came up", answered, ends(callv1.Reason_REASON_MEDIA_FAILED, false), false},
		{"500 Server Internal Error", "a defect", placed, ends(callv1.Reason_REASON_INTERNAL, false), false},
		{"503 Service Unavailable", "no room", placed, ends(callv1.Reason_REASON_OVERLOAD, false), false},
	} {
		t.Run(row.reason+", "+row.why, func(t *testing.T) {
			both(t, func(t *testing.T, v string) {
				c := serve(t, nil).client(t, v)
				l, id := row.ready(c)
				row.does(c, l, id)
				c.terminated(id, row.reason)
				if row.missed {
					if m := c.next(); m.Event != "missed-session" {
						t.Errorf("heard %s, want missed-session", m.Raw)
					}
				}
				c.nothing()
			})
		})
	}
	// Those of requests that were refused: TestErrorRefusedCalls has the others.
	t.Run("429 Too Many Requests, too many calls", func(t *testing.T) {
		both(t, func(t *testing.T, v string) {
			s := serve(t, nil)
			c := s.client(t, v)
			c.signIn("alice")
			s.host.with(func() {
				s.host.accept = func(*callv1.Command) (*callv1.Reply, error) { return nil, tooManyCalls }
			})
			c.ok(c.Create(within(t), "s1", "alice@example.com", "bob@example.com", "x"))
			c.terminated("s1", "429 Too Many Requests")
		})
	})
	t.Run("904 Operation has no matching challenge, bad credentials", func(t *testing.T) {
		both(t, func(t *testing.T, v string) {
			c := serve(t, nil).client(t, v)
			c.ok(c.AddAccount(within(t), "alice@example.com", strings.Repeat("0", 32)))
			c.ok(c.Create(within(t), "s1", "alice@example.com", "bob@example.com", "x"))
			c.terminated("s1", "904 Operation has no matching challenge ")
		})
	})
}
