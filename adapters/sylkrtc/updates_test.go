package sylkrtc

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Updates of a session, both ways, and what comes before an answer.

// described is a description with m-lines and a DTLS role.
func described(setup string, kinds ...string) string {
	var b strings.Builder
	b.WriteString("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n")
	for _, k := range kinds {
		b.WriteString("m=" + k + " 9 UDP/TLS/RTP/SAVPF 96\r\na=setup:" + setup + "\r\n")
	}
	return b.String()
}

func reofferEvent(sdp string) *callv1.Event {
	return &callv1.Event{Body: &callv1.Event_Reoffer{Reoffer: &callv1.Reoffer{Sdp: sdp}}}
}

func earlyEvent(sdp string) *callv1.Event {
	return &callv1.Event{Body: &callv1.Event_Alerting{Alerting: &callv1.Alerting{Sdp: sdp}}}
}

// talking has a client in an established call, which it placed.
func (c *client) talking(session string) *leg {
	c.t.Helper()
	l := c.place(c.signIn("alice"), session, "bob@example.com")
	l.deliver(c.t, answeredEvent())
	c.state(session, "accepted")
	l.deliver(c.t, establishedEvent())
	c.state(session, "established")
	return l
}

// sent sends an update without waiting for its answer.
func (c *client) sent(session, sdp string) (transaction string) {
	c.t.Helper()
	tr, err := c.Send(within(c.t), map[string]any{"sylkrtc": "session-update", "session": session, "sdp": sdp,
		"headers": []any{map[string]any{"name": "X-One", "value": "1"}}})
	c.ok(err)
	return tr
}

// acked requires that the next message is an ack.
func (c *client) acked(transaction string) {
	c.t.Helper()
	if m := c.next(); m.Type != "ack" || m.Transaction != transaction {
		c.t.Fatalf("heard %s, want the ack", m.Raw)
	}
}

// updated requires that the next message is an event of an update, in full.
func (c *client) updated(session, state, sdp, reason string) {
	c.t.Helper()
	m := c.next()
	if m.Event != "update" || m.Session != session || m.State != state || m.SDP != sdp || m.Reason != reason {
		c.t.Fatalf("heard %s, want update %s %q %q", m.Raw, state, sdp, reason)
	}
}

func TestUpdateOffered(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	l := c.talking("s1")
	s.host.with(func() {
		s.host.accept = func(*callv1.Command) (*callv1.Reply, error) {
			return &callv1.Reply{LegState: callv1.LegState_LEG_STATE_ESTABLISHED, Sdp: "our answer"}, nil
		}
	})
	offer := described("actpass", "audio", "video")
	tr := c.sent("s1", offer)
	c.acked(tr)
	c.updated("s1", "accepted", "our answer", "")
	if r := s.host.command(t); r.GetReoffer().GetSdp() != offer || r.GetLegId() != l.id || r.GetPrincipal() != "alice" {
		t.Errorf("the command is %v", r)
	}
	c.nothing()
}

// An update may come as soon as the call is answered, of a called terminal too.
func TestUpdateOfferedByCalled(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	id := c.rings(s.leg(c.signIn("bob")))
	c.refused(c.Update(within(t), id, "x"), "Invalid state for updating session "+id+": connecting")
	c.ok(c.Answer(within(t), id, "x"))
	s.host.command(t)
	c.state(id, "accepted")
	c.sent(id, described("actpass", "audio"))
	if r := s.host.command(t); r.GetReoffer() == nil {
		t.Errorf("the command is %v", r)
	}
}

// What is the request's fault is an error, and what the exchange refuses a failed
// update; the call stays as it was.
func TestUpdateRefused(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	c.talking("s1")
	fails := map[callv1.Code]string{
		callv1.Code_CODE_NOT_ACCEPTABLE:  "488 Not Acceptable Here",
		callv1.Code_CODE_CONFLICT:        "491 Request Pending",
		callv1.Code_CODE_REJECTED:        "491 Request Pending",
		callv1.Code_CODE_BUSY:            "491 Request Pending",
		callv1.Code_CODE_UNSUPPORTED:     "501 Not Implemented",
		callv1.Code_CODE_FORBIDDEN:       "403 Forbidden",
		callv1.Code_CODE_UNAUTHENTICATED: "403 Forbidden",
		callv1.Code_CODE_RATE_LIMITED:    "429 Too Many Requests",
		callv1.Code_CODE_INTERNAL:        "500 Server Internal Error",
		callv1.Code_CODE_RETRY:           "503 Service Unavailable",
		callv1.Code_CODE_OVERLOAD:        "503 Service Unavailable",
		callv1.Code_CODE_GONE:            "503 Service Unavailable",
		callv1.Code_CODE_REDIRECTED:      "503 Service Unavailable", // the host follows those
	}
	errs := map[callv1.Code]string{
		callv1.Code_CODE_INVALID: "Invalid value for 'sdp' property",
		callv1.Code_CODE_ENDED:   "Session s1 is terminated",
		// Tried last: it ends the session.
		callv1.Code_CODE_NOT_FOUND: "Unknown session s1",
	}
	refuse := func(code callv1.Code) {
		s.host.with(func() {
			s.host.accept = func(*callv1.Command) (*callv1.Reply, error) { return nil, schema.Errorf(code, "no") }
		})
	}
	for n := range callv1.Code_name {
		code := callv1.Code(n)
		refuse(code)
		switch text, ok := fails[code]; {
		case ok:
			c.acked(c.sent("s1", "x"))
			c.updated("s1", "failed", "", text)
		case code == callv1.Code_CODE_UNSPECIFIED || code == callv1.Code_CODE_NOT_FOUND:
		case errs[code] != "":
			c.refused(c.Update(within(t), "s1", "x"), errs[code])
		default:
			t.Errorf("nothing said of %s", code)
		}
	}
	refuse(callv1.Code_CODE_NOT_FOUND)
	c.refused(c.Update(within(t), "s1", "x"), errs[callv1.Code_CODE_NOT_FOUND])
	c.terminated("s1", "200 Session Terminated")
	c.refused(c.Update(within(t), "s1", "x"), "Session s1 is terminated")
	c.refused(c.Update(within(t), "s2", "x"), "Unknown session s2")
	c.nothing()
}

func TestUpdateReceived(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	l := c.talking("s1")
	offer := described("active", "audio", "video")
	l.deliver(t, reofferEvent(offer))
	c.updated("s1", "received", offer, "")
	answer := described("passive", "audio", "video")
	tr := c.sent("s1", answer)
	c.acked(tr)
	if a := s.host.command(t); a.GetAnswer().GetSdp() != answer || a.GetLegId() != l.id ||
		len(a.GetAnswer().GetHeaders()) != 1 {
		t.Errorf("the command is %v", a)
	}
	c.nothing() // an answer is acked, and no more
	c.acked(c.sent("s1", answer))
	if r := s.host.command(t); r.GetReoffer() == nil { // nothing is waited for any more
		t.Errorf("the command is %v", r)
	}
	c.updated("s1", "accepted", "", "")
}

// An offer that crosses ours is an offer: call state serves the terminal's. So it
// is told from an answer by what it says.
func TestUpdateCrosses(t *testing.T) {
	ours := described("active", "audio", "video")
	for name, row := range map[string]struct {
		sdp    string
		answer bool
	}{
		"an answer":                      {described("passive", "audio", "video"), true},
		"an active answer":               {described("active", "audio", "video"), true},
		"an answer without a role":       {strings.ReplaceAll(described("passive", "audio", "video"), "a=setup:passive\r\n", ""), true},
		"a browser's offer":              {described("actpass", "audio", "video"), false},
		"an offer that keeps its role":   {described("passive", "audio", "video", "video"), false},
		"an offer with fewer m-lines":    {described("passive", "audio"), false},
		"an offer with other m-lines":    {described("passive", "video", "audio"), false},
		"an offer with one new m-line":   {described("passive", "audio", "video") + described("actpass", "video"), false},
		"a text that is no description":  {"hello", false},
		"an answer with bare line feeds": {strings.ReplaceAll(described("passive", "audio", "video"), "\r\n", "\n"), true},
	} {
		if got := answers(row.sdp, ours); got != row.answer {
			t.Errorf("%s: an answer %v, want %v", name, got, row.answer)
		}
	}
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	l := c.talking("s1")
	l.deliver(t, reofferEvent(ours))
	c.updated("s1", "received", ours, "")
	c.acked(c.sent("s1", described("actpass", "audio")))
	c.updated("s1", "accepted", "", "")
	if r := s.host.command(t); r.GetReoffer() == nil {
		t.Errorf("the command is %v", r)
	}
	l.deliver(t, reofferEvent(ours)) // ours again
	c.updated("s1", "received", ours, "")
	c.acked(c.sent("s1", described("passive", "audio", "video")))
	if a := s.host.command(t); a.GetAnswer() == nil {
		t.Errorf("the command is %v", a)
	}
	c.nothing()
}

// A client that did not answer an update takes no other before it knows that the
// first has failed.
func TestUpdateReceivedTwice(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	l := c.talking("s1")
	l.deliver(t, reofferEvent("one"))
	c.updated("s1", "received", "one", "")
	l.deliver(t, reofferEvent("two"))
	c.updated("s1", "failed", "", "408 Request Timeout")
	c.updated("s1", "received", "two", "")
}

func TestUpdateAnswerRefused(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	l := c.talking("s1")
	offer, answer := described("active", "audio"), described("passive", "audio")
	for code, text := range map[callv1.Code]string{
		callv1.Code_CODE_CONFLICT:       "Invalid state for updating session s1: established", // it was withdrawn
		callv1.Code_CODE_REJECTED:       "Invalid state for updating session s1: established",
		callv1.Code_CODE_NOT_ACCEPTABLE: "488 Not Acceptable Here",
		callv1.Code_CODE_INVALID:        "Invalid value for 'sdp' property",
		callv1.Code_CODE_RETRY:          "503 Service Unavailable",
		callv1.Code_CODE_ENDED:          "Session s1 is terminated",
	} {
		l.deliver(t, reofferEvent(offer))
		for m := c.next(); m.State != "received"; m = c.next() {
			if m.State != "failed" {
				t.Fatalf("heard %s", m.Raw)
			}
		}
		s.host.with(func() {
			s.host.accept = func(*callv1.Command) (*callv1.Reply, error) { return nil, schema.Errorf(code, "no") }
		})
		c.refused(c.Update(within(t), "s1", answer), text)
		if a := s.host.command(t); a.GetAnswer() == nil {
			t.Errorf("the command is %v", a)
		}
	}
	l.deliver(t, reofferEvent(offer))
	s.host.with(func() {
		s.host.accept = func(*callv1.Command) (*callv1.Reply, error) {
			return &callv1.Reply{LegState: callv1.LegState_LEG_STATE_ENDED, Reason: callv1.Reason_REASON_NOT_ACCEPTABLE}, nil
		}
	})
	c.ok(c.Update(within(t), "s1", answer))
	c.terminated("s1", "488 Not Acceptable Here")
}

// A client that remembers a session of an earlier connection takes it up by
// updating it.
func TestUpdateTakesUp(t *testing.T) {
	s := serve(t, nil)
	first := s.client(t, sylkrtctest.V2)
	l := first.talking("s1")
	first.Close()
	s.host.wait(t, "the loss", func() bool { return len(s.host.terminals) == 0 })

	c := s.client(t, sylkrtctest.V2)
	c.refused(c.Update(within(t), "s1", "x"), "Unknown session s1") // nobody's yet
	l.terminal = c.signIn("alice")
	s.host.with(func() {
		s.host.accept = func(cmd *callv1.Command) (*callv1.Reply, error) {
			if cmd.GetLegId() != l.id {
				return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such leg")
			}
			return &callv1.Reply{LegState: callv1.LegState_LEG_STATE_ESTABLISHED, Sdp: "our answer"}, nil
		}
	})
	c.refused(c.Update(within(t), "s2", "x"), "Unknown session s2")
	s.host.command(t)
	c.acked(c.sent("s1", described("actpass", "audio")))
	c.updated("s1", "accepted", "our answer", "")
	if r := s.host.command(t); r.GetReoffer() == nil || r.GetLegId() != l.id {
		t.Errorf("the command is %v", r)
	}
	l.deliver(t, establishedEvent()) // of before the loss, whose delivery was not noted
	c.nothing()
	l.deliver(t, reofferEvent("theirs"))
	c.updated("s1", "received", "theirs", "")
	c.refused(c.Answer(within(t), "s1", "x"), "Cannot answer outgoing session s1")
	c.ok(c.Terminate(within(t), "s1"))
	c.terminated("s1", "200 to BYE")
}

// A re-offer is the first that a new connection hears of a leg that was taken up
// there.
func TestUpdateOfUnknownSession(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	l := s.leg(c.signIn("alice"))
	l.deliver(t, reofferEvent(described("active", "audio")))
	id := schema.CompactUUID(l.id)
	c.updated(id, "received", described("active", "audio"), "")
	c.ok(c.Update(within(t), id, described("passive", "audio")))
	if a := s.host.command(t); a.GetAnswer() == nil {
		t.Errorf("the command is %v", a)
	}
}

// sylkRTC-1 has no updates, and says so.
func TestUpdateFirstProtocol(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V1)
	l := c.talking("s1")
	if l.terminal.GetFeatures().GetRenegotiates() {
		t.Error("a terminal that cannot be offered anew says it can")
	}
	c.refused(c.Update(within(t), "s1", "x"), "session-update is not supported by sylkRTC-1")
	l.deliver(t, reofferEvent("x"))
	c.nothing()
}

// The answer comes before the call is accepted. A second one would end the call:
// the client's connection is stable by then.
func TestEarlyMedia(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		l := c.place(c.signIn("alice"), "s1", "bob@example.com")
		l.deliver(t, alertingEvent())
		l.deliver(t, earlyEvent("the answer"))
		l.deliver(t, answeredEvent())
		if v == sylkrtctest.V1 {
			if m := c.state("s1", "accepted"); m.SDP != "the answer" {
				t.Errorf("accepted is %s", m.Raw)
			}
			c.nothing()
			return
		}
		for _, want := range []sylkrtctest.Message{
			{State: "proceeding", Code: 180}, {State: "ringing"},
			{State: "proceeding", Code: 183}, {State: "early-media", SDP: "the answer", CallID: l.call},
			{State: "accepted", CallID: l.call},
		} {
			m := c.next()
			if m.Event != "state" || m.State != want.State || m.Code != want.Code || m.SDP != want.SDP || m.CallID != want.CallID {
				t.Fatalf("heard %s, want %+v", m.Raw, want)
			}
		}
		c.nothing()
	})
}

// Before the answer a caller with early media can send digits and cancel.
func TestEarlyMediaState(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	l := c.place(c.signIn("alice"), "s1", "bob@example.com")
	l.deliver(t, earlyEvent("the answer"))
	c.state("s1", "early-media")
	c.ok(c.DTMF(within(t), "s1", "5", 0))
	c.refused(c.Update(within(t), "s1", "x"), "Invalid state for updating session s1: early-media")
	c.ok(c.Terminate(within(t), "s1"))
	c.terminated("s1", "487 Request Terminated")
	c.nothing()
}

// What the protocol has no word for is told to nobody and makes no session.
func TestEventsWithoutWords(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		l := s.leg(c.signIn("alice"))
		for _, e := range []*callv1.Event{
			{Body: &callv1.Event_InCall{InCall: &callv1.InCall{Peer: party("bob")}}},
			{Body: &callv1.Event_Idle{Idle: &callv1.Idle{}}},
			{Body: &callv1.Event_PushFailed{PushFailed: &callv1.PushFailed{Reason: callv1.Reason_REASON_NO_ANSWER}}},
		} {
			l.deliver(t, e)
		}
		c.nothing()
		s.adapter.mu.Lock()
		defer s.adapter.mu.Unlock()
		for p := range s.adapter.peers {
			if len(p.sessions) != 0 {
				t.Errorf("%d sessions", len(p.sessions))
			}
		}
	})
}

// A terminal has one leg in a call: what it was offered anew of a call that it goes
// on with by the old name is given back, whichever came first.
func TestUpdateGivesBackWhatIsOfferedAnew(t *testing.T) {
	s := serve(t, nil)
	first := s.client(t, sylkrtctest.V2)
	l := first.talking("s1")
	first.Close()
	s.host.wait(t, "the loss", func() bool { return len(s.host.terminals) == 0 })
	c := s.client(t, sylkrtctest.V2)
	l.terminal = c.signIn("alice")
	offeredAnew := func(n uint32) *leg {
		return &leg{s: s, terminal: l.terminal, call: l.call, id: schema.LegID(l.call, n)}
	}
	other := s.leg(l.terminal)
	another := c.rings(other)
	anew := c.rings(offeredAnew(3))
	c.sent("s1", described("actpass", "audio"))
	c.terminated(anew, "487 Request Terminated")
	if m := c.next(); m.Type != "ack" {
		t.Errorf("heard %s", m.Raw)
	}
	c.updated("s1", "accepted", "", "")
	if h := s.host.command(t); h.GetLegId() != schema.LegID(l.call, 3) || h.GetHangUp().GetReason() != callv1.Reason_REASON_DECLINED {
		t.Errorf("the command is %v", h)
	}
	if r := s.host.command(t); r.GetLegId() != l.id || r.GetReoffer() == nil {
		t.Errorf("the command is %v", r)
	}

	offeredAnew(4).deliver(t, incomingEvent()) // its owner had not heard of it
	if h := s.host.command(t); h.GetLegId() != schema.LegID(l.call, 4) || h.GetHangUp().GetReason() != callv1.Reason_REASON_DECLINED {
		t.Errorf("the command is %v", h)
	}
	if r := s.host.command(t); r.GetLegId() != l.id || r.GetRefuseReoffer() == nil {
		t.Errorf("the command is %v", r)
	}
	c.nothing()
	c.ok(c.Answer(within(t), another, "x")) // another call rings on
	c.state(another, "accepted")
}

// A claim that its owner does not confirm ends nobody's connection.
func TestUpdateOfOthersSessionEndsNothing(t *testing.T) {
	s := serve(t, nil)
	bob, mallory := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	id := bob.rings(s.leg(bob.signIn("bob")))
	bob.ok(bob.Answer(within(t), id, "x"))
	bob.state(id, "accepted")
	mallory.signIn("alice")
	for _, code := range []callv1.Code{callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_RETRY, callv1.Code_CODE_UNSPECIFIED} {
		s.host.with(func() {
			s.host.accept = func(c *callv1.Command) (*callv1.Reply, error) {
				if code != callv1.Code_CODE_UNSPECIFIED && c.GetPrincipal() != "bob" {
					return nil, schema.Errorf(code, "no")
				}
				return carriedOut(c)
			}
		})
		_ = mallory.Update(within(t), id, described("actpass", "audio")) // whatever it is told
		bob.ok(bob.request("ping", nil))
	}
}

// A client whose own update was just accepted is left alone for a moment before it
// is offered anew: the vendor's takes no offer while it applies an answer.
func TestUpdateReceivedWaitsForTheAcceptedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &session{updates: 1, updated: time.Now()}
		p := &peer{legs: map[string]*session{"leg": s}}
		began := time.Now()
		for range 2 {
			if withdrawn, err := p.awaitCalm(t.Context(), "leg"); withdrawn || err != nil || time.Since(began) != respite {
				t.Errorf("withdrawn %v, %v, after %v", withdrawn, err, time.Since(began))
			}
		}
		s.updated = time.Now()
		time.AfterFunc(respite/2, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			s.updates++
		})
		if withdrawn, err := p.awaitCalm(t.Context(), "leg"); !withdrawn || err != nil {
			t.Errorf("after the client's own offer: withdrawn %v, %v", withdrawn, err)
		}
	})
}
