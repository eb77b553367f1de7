package sylkrtc

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// golden are all messages that the server sends, in every form they have.
func golden() map[string]any {
	alice := "alice@example.com"
	carol := identity{URI: "carol@example.com", DisplayName: "The carol"}
	return map[string]any{
		"ready":                 ready{},
		"ack":                   ack{"t1"},
		"error":                 failure{"t1", "Unknown session s1"},
		"registering":           registrationState{account: alice, state: registering},
		"registered":            registrationState{account: alice, state: registered},
		"registration-failed":   registrationState{account: alice, state: failed, reason: textCredentials},
		"incoming-session":      incomingSession{account: alice, session: "509b256aa6a14540a2a37553e6bd33e1", originator: carol, sdp: "v=0\r\n", callID: "call-1"},
		"incoming-with-headers": incomingSession{account: alice, session: "509b256aa6a14540a2a37553e6bd33e1", originator: carol, sdp: "v=0\r\n", callID: "call-1", headers: map[string]string{"x-one": "1"}},
		"missed-session":        missedSession{account: alice, originator: carol},
		"progress":              sessionState{session: "s1", state: progress},
		"ringing":               sessionState{session: "s1", state: ringing},
		"accepted-outgoing":     sessionState{session: "s1", state: accepted, sdp: "v=0\r\n", callID: "call-1"},
		"accepted-incoming":     sessionState{session: "s1", state: accepted},
		"proceeding":            sessionState{session: "s1", state: proceeding, code: 180},
		"early-media":           sessionState{session: "s1", state: earlyMedia, sdp: "v=0\r\n", callID: "call-1"},
		"accepted-with-headers": sessionState{session: "s1", state: accepted, sdp: "v=0\r\n", callID: "call-1", headers: map[string]string{"X-One": "1"}},
		"accepted-after-early":  sessionState{session: "s1", state: accepted, callID: "call-1"},
		"update-received":       sessionUpdated{session: "s1", state: updateReceived, sdp: "v=0\r\n"},
		"update-accepted":       sessionUpdated{session: "s1", state: updateAccepted, sdp: "v=0\r\n"},
		"update-failed":         sessionUpdated{session: "s1", state: updateFailed, reason: "488 Not Acceptable Here"},
		"established":           sessionState{session: "s1", state: established},
		"terminated":            sessionState{session: "s1", state: terminated, reason: textOwn},
	}
}

func TestGoldenMessages(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(golden())) {
		for _, v := range []version{v1, v2} {
			text, ok := encode(v, golden()[name], false)
			unsaid := v == v1 && slices.Contains([]string{
				"ringing", "proceeding", "early-media", "update-received", "update-accepted", "update-failed"}, name)
			if want := !unsaid; ok != want {
				t.Errorf("%s in %s: said %v, want %v", name, v, ok, want)
			}
			if !ok {
				continue
			}
			file := filepath.Join("testdata", "golden", string(v), name+".json")
			if *update {
				if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(text)+"\n" != string(want) {
				t.Errorf("%s in %s is\n%s, want\n%s", name, v, text, want)
			}
		}
	}
}

// Every row of the protocol's table of events, and of reasons.

func TestEventCaller(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		l := c.place(c.signIn("alice"), "s1", "bob@example.com")
		l.deliver(t, alertingEvent())
		if v == sylkrtctest.V2 {
			c.state("s1", "ringing")
		}
		l.deliver(t, answeredEvent())
		m := c.state("s1", "accepted")
		if m.SDP != "the answer" || (m.CallID != "") != (v == sylkrtctest.V2) {
			t.Errorf("accepted is %s", m.Raw)
		}
		l.deliver(t, establishedEvent())
		c.state("s1", "established")
		l.deliver(t, endedEvent(callv1.Reason_REASON_NORMAL, false))
		c.terminated("s1", "200 Session Terminated")
		l.deliver(t, establishedEvent()) // nothing comes after the end
		c.nothing()
	})
}

func TestEventIncomingSession(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		c.ok(c.request("account-add", map[string]any{
			"account": "sip:bob@example.com", "password": sylkrtctest.HA1("bob@example.com", "secret"),
			"incoming_header_prefixes": []string{"X-"},
		}))
		c.ok(c.Register(within(t), "sip:bob@example.com"))
		l := s.leg(s.host.terminal(t, "bob", true))
		l.deliver(t, incomingEvent())
		m, err := c.Incoming(within(t), "sip:bob@example.com")
		c.ok(err)
		if m.Session != schema.CompactUUID(l.id) || len(m.Session) != 32 || m.SDP != "the offer" || m.Bare ||
			m.Originator != (sylkrtctest.Identity{URI: "carol@example.com", DisplayName: "The carol"}) {
			t.Errorf("incoming session is %s", m.Raw)
		}
		if v == sylkrtctest.V2 && (m.CallID != l.call || len(m.Headers) != 1 || m.Headers["x-one"] != "1") {
			t.Errorf("incoming session is %s", m.Raw)
		}
		if r := s.host.command(t); r.GetRinging() == nil || r.GetLegId() != l.id || r.GetPrincipal() != "bob" {
			t.Errorf("the caller is not told that it rings: %v", r)
		}
	})
}

func TestEventIncomingSessionBareOriginator(t *testing.T) {
	s := serve(t, func(c *Config) { c.BareOriginator = true })
	for v, name := range map[string]string{sylkrtctest.V1: "bob", sylkrtctest.V2: "alice"} {
		c := s.client(t, v)
		s.leg(c.signIn(name)).deliver(t, incomingEvent())
		m, err := c.Incoming(within(t), name+"@example.com")
		c.ok(err)
		if m.Bare != (v == sylkrtctest.V1) || m.Originator.URI != "carol@example.com" {
			t.Errorf("originator in %s", m.Raw)
		}
	}
}

func TestEventMissedSession(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		term := c.signIn("bob")
		for reason, missed := range map[callv1.Reason]bool{
			callv1.Reason_REASON_CANCELLED: true, callv1.Reason_REASON_NO_ANSWER: true,
			callv1.Reason_REASON_ANSWERED_ELSEWHERE: false, // a lost fork is not a missed call
		} {
			l := s.leg(term)
			id := c.rings(l)
			l.deliver(t, endedEvent(reason, missed))
			c.terminated(id, "487 Request Terminated")
			if !missed {
				c.nothing()
				continue
			}
			if m := c.next(); m.Event != "missed-session" || m.Account != "bob@example.com" ||
				m.Originator.URI != "carol@example.com" {
				t.Errorf("heard %s, want missed-session", m.Raw)
			}
		}
	})
}

func TestEventReasons(t *testing.T) {
	want := map[callv1.Reason][2]string{ // to the caller, to the called
		callv1.Reason_REASON_NORMAL:             {"200 Session Terminated", "200 Session Terminated"},
		callv1.Reason_REASON_BUSY:               {"486 Busy Here", "486 Busy Here"},
		callv1.Reason_REASON_DECLINED:           {"486 Busy Here", "486 Busy Here"},
		callv1.Reason_REASON_CANCELLED:          {"487 Request Terminated", "487 Request Terminated"},
		callv1.Reason_REASON_NO_ANSWER:          {"408 Request Timeout", "487 Request Terminated"},
		callv1.Reason_REASON_ANSWERED_ELSEWHERE: {"487 Request Terminated", "487 Request Terminated"},
		callv1.Reason_REASON_NOT_FOUND:          {"404 Not Found", "404 Not Found"},
		callv1.Reason_REASON_UNREACHABLE:        {"480 Temporarily Unavailable", "480 Temporarily Unavailable"},
		callv1.Reason_REASON_NOT_ACCEPTABLE:     {"488 Not Acceptable Here", "488 Not Acceptable Here"},
		callv1.Reason_REASON_FORBIDDEN:          {"403 Forbidden", "403 Forbidden"},
		callv1.Reason_REASON_MEDIA_FAILED:       {"500 Media Failed", "500 Media Failed"},
		callv1.Reason_REASON_OVERLOAD:           {"503 Service Unavailable", "503 Service Unavailable"},
		callv1.Reason_REASON_TERMINAL_LOST:      {"480 Temporarily Unavailable", "480 Temporarily Unavailable"},
		callv1.Reason_REASON_EXPIRED:            {"200 Session Terminated", "200 Session Terminated"},
		callv1.Reason_REASON_INTERNAL:           {"500 Server Internal Error", "500 Server Internal Error"},
		callv1.Reason_REASON_TRANSFERRED:        {"200 Call Transferred", "200 Call Transferred"},
		callv1.Reason_REASON_UNSPECIFIED:        {"200 Session Terminated", "200 Session Terminated"},
	}
	for n, name := range callv1.Reason_name {
		texts, ok := want[callv1.Reason(n)]
		if !ok {
			t.Errorf("no text for %s", name)
			continue
		}
		for i, s := range []side{outgoing, incoming} {
			if got := endedText(callv1.Reason(n), s); got != texts[i] {
				t.Errorf("%s to side %d: %q, want %q", name, i, got, texts[i])
			}
		}
	}
	if got := endedText(99, outgoing); got != "500 Server Internal Error" {
		t.Errorf("a reason of a newer version: %q", got)
	}
}

// An event that comes again is told once, also when the first was not yet on
// the wire.
func TestEventRepeated(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	l := c.place(c.signIn("alice"), "s1", "bob@example.com")
	e := l.event(answeredEvent())
	for range 3 {
		if err := s.adapter.Deliver(within(t), e); err != nil {
			t.Fatal(err)
		}
	}
	c.state("s1", "accepted")
	c.nothing()
}

// A leg that was taken up on a new connection is told, and spoken to, by the
// name that it had.
func TestEventOfEarlierConnection(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		first := s.client(t, v)
		placed := first.place(first.signIn("alice"), "s1", "bob@example.com")
		rung := s.leg(placed.terminal)
		session := first.rings(rung)
		first.Close()
		s.host.wait(t, "the loss", func() bool { return len(s.host.terminals) == 0 })

		c := s.client(t, v)
		term := c.signIn("alice")
		placed.terminal, rung.terminal = term, term
		placed.deliver(t, answeredEvent())
		c.state("s1", "accepted")
		c.ok(c.Terminate(within(t), "s1"))
		c.terminated("s1", "200 to BYE")
		if h := s.host.command(t); h.GetHangUp() == nil || h.GetLegId() != placed.id {
			t.Errorf("the command is %v", h)
		}
		c.ok(c.Terminate(within(t), session)) // no event of it has come
		if h := s.host.command(t); h.GetHangUp() == nil || h.GetLegId() != rung.id {
			t.Errorf("the command is %v", h)
		}
		c.terminated(session, "200 to BYE")
	})
}
