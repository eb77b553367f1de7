package sylkrtc

import (
	"slices"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Every row of the protocol's table of requests.

func TestRequestReady(t *testing.T) {
	for v, want := range map[string]string{
		sylkrtctest.V1: `{"sylkrtc":"event","event":"ready"}`,
		sylkrtctest.V2: `{"sylkrtc":"ready-event"}`,
	} {
		s := serve(t, nil)
		c, err := sylkrtctest.Dial(within(t), s.url, v, sylkrtctest.Options{NotReady: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		m, err := c.Next(within(t), func(sylkrtctest.Message) bool { return true })
		if err != nil || m.Raw != want {
			t.Errorf("%s: first message is %s, %v; want %s", v, m.Raw, err, want)
		}
	}
}

func TestRequestPing(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	c.ok(c.request("ping", nil))
	old := s.client(t, sylkrtctest.V1)
	old.refused(old.request("ping", nil), "ping is not supported by sylkRTC-1")
}

func TestRequestAccountAdd(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, func(c *Config) { c.MaxAccounts = 3 })
		c := s.client(t, v)
		add := func(account, password string) error {
			return c.request("account-add", map[string]any{"account": account, "password": password})
		}
		c.ok(add("alice@example.com", "wrong")) // nothing is verified yet
		c.refused(add("alice@example.com", "x"), "Account alice@example.com already added")
		c.refused(add("sip:alice@EXAMPLE.com", "x"), "Account sip:alice@EXAMPLE.com already added")
		c.refused(add("alice@elsewhere.org", "x"), "SIP domain not allowed: elsewhere.org")
		c.refused(add("alice", "x"), "invalid SIP URI: alice")
		c.ok(add("sips:bob@example.com", "x"))
		c.ok(add("carol@example.com", "x"))
		c.refused(add("dave@example.com", "x"), "Too many accounts")
		c.nothing()
	})
}

func TestRequestAccountRegister(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		const account = "sip:alice@example.com" // echoed exactly
		c.ok(c.AddAccount(within(t), account, sylkrtctest.HA1("alice@example.com", "secret")))
		tr, err := c.Send(within(t), map[string]any{"sylkrtc": "account-register", "account": account})
		c.ok(err)
		for i, want := range []string{"", "registering", "registered"} {
			m := c.next()
			if i == 0 && (m.Type != "ack" || m.Transaction != tr) ||
				i > 0 && (m.Event != "registration-state" || m.State != want || m.Account != account) {
				t.Fatalf("message %d is %s", i, m.Raw)
			}
		}
		term := s.host.terminal(t, "alice", true)
		if !term.GetFeatures().GetResumes() || term.GetFeatures().GetTakesCandidates() {
			t.Errorf("features: %v", term.GetFeatures())
		}
		c.nothing()
		c.ok(c.Register(within(t), account)) // again: the same terminal
		if again := s.host.terminal(t, "alice", true); again.GetId() != term.GetId() {
			t.Errorf("registered twice, as %s and %s", term.GetId(), again.GetId())
		}
	})
}

func TestRequestAccountRegisterFailed(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		c.ok(c.AddAccount(within(t), "alice@example.com", sylkrtctest.HA1("alice@example.com", "wrong")))
		c.refused(c.Register(within(t), "alice@example.com"), "904 Operation has no matching challenge ")
		c.refused(c.Register(within(t), "nobody@example.com"), "Unknown account specified: nobody@example.com")

		c.ok(c.AddAccount(within(t), "bob@example.com", sylkrtctest.HA1("bob@example.com", "secret")))
		for code, want := range map[callv1.Code]string{
			callv1.Code_CODE_FORBIDDEN: "403 Forbidden",
			callv1.Code_CODE_RETRY:     "503 Service Unavailable",
			callv1.Code_CODE_INTERNAL:  "500 Server Internal Error",
		} {
			s.host.with(func() { s.host.directory = schema.Errorf(code, "no") })
			c.refused(c.Register(within(t), "bob@example.com"), want)
			s.host.with(func() { s.host.directory = nil })
		}
		s.host.with(func() { s.host.attach = schema.Errorf(callv1.Code_CODE_OVERLOAD, "full") })
		c.refused(c.Register(within(t), "bob@example.com"), "503 Service Unavailable")
		s.host.with(func() { s.host.attach = nil })
		c.ok(c.Register(within(t), "bob@example.com"))
	})
}

func TestRequestAccountRegisterWithToken(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	c.ok(c.AddAccount(within(t), "alice@example.com", "token-alice"))
	c.ok(c.Register(within(t), "alice@example.com"))
	c.ok(c.AddAccount(within(t), "bob@example.com", "token-alice")) // proves alice, not bob
	c.refused(c.Register(within(t), "bob@example.com"), "904 Operation has no matching challenge ")
}

func TestRequestAccountUnregister(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		term := c.signIn("alice")
		placed := c.place(term, "s1", "bob@example.com")
		c.ok(c.Unregister(within(t), "alice@example.com"))
		if silent := s.host.terminal(t, "alice", false); silent.GetId() != term.GetId() {
			t.Error("unregistering made another terminal: calls are lost")
		}
		c.nothing() // no event tells it
		err := s.adapter.Deliver(within(t), s.leg(term).event(incomingEvent()))
		if schema.CodeOf(err) != callv1.Code_CODE_GONE {
			t.Errorf("a call still rings: %v", err)
		}
		placed.deliver(t, answeredEvent()) // its calls go on
		c.state("s1", "accepted")
		c.refused(c.Unregister(within(t), "nobody@example.com"), "Unknown account specified: nobody@example.com")
	})
}

func TestRequestAccountRemove(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		term := c.signIn("alice")
		c.place(term, "s1", "bob@example.com")
		c.ok(c.RemoveAccount(within(t), "alice@example.com"))
		c.terminated("s1", "487 Request Terminated")
		s.host.wait(t, "sign-out", func() bool {
			why, ok := s.host.detached[term.GetId()]
			return ok && why == kit.SignedOut
		})
		c.refused(c.RemoveAccount(within(t), "alice@example.com"), "Unknown account specified: alice@example.com")
		c.ok(c.SignIn(within(t), "alice@example.com", "secret"))
	})
}

func TestRequestSessionCreate(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		c.ok(c.AddAccount(within(t), "alice@example.com", sylkrtctest.HA1("alice@example.com", "secret")))
		// Without registering: the terminal places calls and does not ring.
		c.ok(c.request("session-create", map[string]any{
			"session": "s1", "account": "alice@example.com", "uri": "sip:bob@example.com", "sdp": "offer",
			"headers": []any{map[string]any{"name": "X-One", "value": "1"}},
		}))
		o := s.host.command(t)
		term := s.host.terminal(t, "alice", false)
		switch {
		case o.GetPrincipal() != "alice", o.GetOffer().GetTo() != "sip:bob@example.com",
			o.GetOffer().GetSdp() != "offer", o.GetOffer().GetTerminal().GetId() != term.GetId(),
			o.GetOffer().GetRef() != "s1", o.GetOffer().GetCaller().GetDisplayName() != "The alice",
			len(o.GetOffer().GetHeaders()) != 1 || o.GetOffer().GetHeaders()[0].GetName() != "X-One":
			t.Errorf("the offer is %v", o)
		}
		c.state("s1", "progress")
		for uri, want := range map[string]string{
			"+12025550103@example.com": "tel:+12025550103",
			"+1 202 555 0103":          "tel:+12025550103",
			"bob@other.example":        "sip:bob@other.example",
			"@bob:example.org":         "matrix:u/bob:example.org",
			"bob":                      "sip:bob@example.com",
		} {
			id := "to-" + uri
			c.ok(c.Create(within(t), id, "alice@example.com", uri, "offer"))
			if to := s.host.command(t).GetOffer().GetTo(); to != want {
				t.Errorf("dialling %q calls %q, want %q", uri, to, want)
			}
			c.state(id, "progress")
		}
	})
}

func TestRequestSessionAnswer(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		l := s.leg(c.signIn("bob"))
		id := c.rings(l)
		c.ok(c.Answer(within(t), id, "the answer"))
		if a := s.host.command(t); a.GetAnswer().GetSdp() != "the answer" || a.GetLegId() != l.id || a.GetPrincipal() != "bob" {
			t.Errorf("the answer is %v", a)
		}
		if m := c.state(id, "accepted"); m.SDP != "" {
			t.Error("the called side's accepted has a description")
		}
		l.deliver(t, establishedEvent())
		c.state(id, "established")
		c.refused(c.Answer(within(t), id, "again"), "Invalid state for answering session "+id+": established")
	})
}

func TestRequestSessionTrickle(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		term := c.signIn("alice")
		// Candidates are sent before the ack of session-create has come.
		create, err := c.Send(within(t), map[string]any{"sylkrtc": "session-create", "session": "s1",
			"account": "alice@example.com", "uri": "bob@example.com", "sdp": "offer"})
		c.ok(err)
		c.ok(c.Trickle(within(t), "s1", sylkrtctest.Candidate{
			Candidate: "candidate:0 1 UDP 2130379007 192.0.2.4 59051 typ host generation 0 ufrag Ab3d network-cost 50", MLine: 1, Mid: "v"}))
		c.ok(c.Reply(within(t), create))
		o := s.host.command(t)
		got := <-s.host.signals
		cand := got.GetCandidates().GetCandidates()
		if len(cand) != 1 || cand[0].GetMid() != "v" || cand[0].GetMLine() != 1 || cand[0].GetUfrag() != "Ab3d" ||
			got.GetLegId() != o.GetLegId() || got.GetPrincipal() != "alice" || got.GetCandidates().GetEnd() {
			t.Errorf("the signal is %v", got)
		}
		c.ok(c.Trickle(within(t), "s1"))
		if got := <-s.host.signals; !got.GetCandidates().GetEnd() {
			t.Errorf("the end of candidates is %v", got)
		}
		c.ok(c.Trickle(within(t), "s1", sylkrtctest.Candidate{Mid: "0"})) // as browsers end a generation
		if got := <-s.host.signals; !got.GetCandidates().GetEnd() || len(got.GetCandidates().GetCandidates()) != 0 {
			t.Errorf("the empty candidate is %v", got)
		}
		c.state("s1", "progress")
		(&leg{s: s, terminal: term, call: o.GetCallId(), id: o.GetLegId(), ref: "s1"}).deliver(t, endedEvent(callv1.Reason_REASON_BUSY, false))
		c.terminated("s1", "486 Busy Here")
		c.ok(c.Trickle(within(t), "s1"))
	})
}

func TestRequestSessionTerminate(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		term := c.signIn("alice")
		hungUp := func(reason callv1.Reason) {
			t.Helper()
			if h := s.host.command(t); h.GetHangUp() == nil || h.GetHangUp().GetReason() != reason {
				t.Fatalf("the command is %v, want a hang-up with %s", h, reason)
			}
		}

		c.place(term, "cancelled", "bob@example.com")
		c.ok(c.Terminate(within(t), "cancelled"))
		c.terminated("cancelled", "487 Request Terminated")
		hungUp(callv1.Reason_REASON_UNSPECIFIED)

		c.place(term, "hung-up", "bob@example.com").deliver(t, answeredEvent())
		c.state("hung-up", "accepted")
		c.ok(c.Terminate(within(t), "hung-up"))
		c.terminated("hung-up", "200 to BYE")
		hungUp(callv1.Reason_REASON_UNSPECIFIED)

		declined := c.rings(s.leg(term))
		c.ok(c.Terminate(within(t), declined))
		c.terminated(declined, "486 Busy Here")
		hungUp(callv1.Reason_REASON_DECLINED)

		answered := c.rings(s.leg(term))
		c.ok(c.Answer(within(t), answered, "the answer"))
		s.host.command(t)
		c.state(answered, "accepted")
		c.ok(c.Terminate(within(t), answered))
		c.terminated(answered, "200 to BYE")
		hungUp(callv1.Reason_REASON_UNSPECIFIED)

		c.refused(c.Terminate(within(t), answered), "Session "+answered+" is terminated")
		c.nothing()
	})
}

func TestRequestSessionDTMFInfo(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	l := c.place(c.signIn("alice"), "s1", "bob@example.com")
	dtmf := func(digit any, more map[string]any) error {
		m := map[string]any{"session": "s1", "digit": digit}
		for k, v := range more {
			m[k] = v
		}
		return c.request("session-dtmf-info", m)
	}
	c.refused(dtmf("1", nil), "Invalid state session s1: progress for DTMF info")
	l.deliver(t, answeredEvent())
	c.ok(dtmf("#", map[string]any{"duration": 250}))
	if g := (<-s.host.signals).GetDtmf(); g.GetDigit() != "#" || g.GetDurationMs() != 250 {
		t.Errorf("the digit is %v", g)
	}
	c.ok(dtmf("a", map[string]any{"duration": nil}))
	if g := (<-s.host.signals).GetDtmf(); g.GetDigit() != "A" || g.GetDurationMs() != 0 {
		t.Errorf("the digit is %v", g)
	}
	const all = "0123456789*#abcdABCD012345678901" // as clients from 1.8 on send it
	c.ok(dtmf(all, map[string]any{"duration": 60}))
	for _, want := range strings.ToUpper(all) {
		if g := (<-s.host.signals).GetDtmf(); g.GetDigit() != string(want) || g.GetDurationMs() != 60 {
			t.Fatalf("the digit is %v, want %c", g, want)
		}
	}
	for _, bad := range []string{"", "E", "12x", "1 2", all + "1", "é"} {
		c.refused(dtmf(bad, nil), "Invalid value for 'digit' property")
	}
	c.refused(dtmf(5, nil), "Invalid value for 'digit' property")
	c.refused(dtmf("1", map[string]any{"duration": -1}), "Invalid value for 'duration' property")
	old := s.client(t, sylkrtctest.V1)
	old.refused(old.request("session-dtmf-info", map[string]any{"session": "s1", "digit": "1"}),
		"session-dtmf-info is not supported by sylkRTC-1")
}

// Requests that are known and not supported never get silence.
func TestRequestUnsupported(t *testing.T) {
	s := serve(t, nil)
	for _, v := range versions {
		c := s.client(t, v)
		var unsupported []string
		for name, r := range requests {
			if r.parse == nil {
				unsupported = append(unsupported, name)
			}
		}
		for _, name := range []string{"videoroom-ctl", "videoroom-terminate", "videoroom-remove", "videoroom-mute-participant"} {
			if !slices.Contains(unsupported, name) {
				t.Errorf("%s is not known", name)
			}
		}
		slices.Sort(unsupported)
		if len(unsupported) < 17 {
			t.Fatalf("only %d: %v", len(unsupported), unsupported)
		}
		for _, name := range unsupported {
			c.refused(c.request(name, map[string]any{"account": "alice@example.com", "session": "x"}), name+" is not supported")
		}
		c.nothing()
	}
}
