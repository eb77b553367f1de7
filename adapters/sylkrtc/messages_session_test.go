package sylkrtc

import (
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// inCallTogether sets a call up between two clients; it gives both sessions.
func inCallTogether(t *testing.T, s *server, from, to *client, caller, called string) (string, string) {
	t.Helper()
	out := from.place(from.signIn(caller), "s1", called+"@"+domain)
	in := &leg{s: s, terminal: to.signIn(called), call: out.call, id: schema.LegID(out.call, 2)}
	e := incomingEvent()
	e.GetIncoming().Caller = party(caller)
	in.deliver(t, e)
	m, err := to.Incoming(within(t), called+"@"+domain)
	to.ok(err)
	s.host.command(t)
	to.ok(to.Answer(within(t), m.Session, "x"))
	s.host.command(t)
	out.deliver(t, &callv1.Event{Body: &callv1.Event_Answered{Answered: &callv1.Answered{Sdp: "x", Callee: party(called)}}})
	for _, l := range []*leg{out, in} {
		l.deliver(t, establishedEvent())
	}
	_, err = from.Await(within(t), "s1", "established")
	from.ok(err)
	_, err = to.Await(within(t), m.Session, "established")
	to.ok(err)
	return "s1", m.Session
}

func dialogText(session, id string) map[string]any {
	return map[string]any{"session": session, "message_id": id, "content": "hello", "content_type": "text/plain", "timestamp": someTime}
}

func TestRequestSessionMessage(t *testing.T) {
	s := serve(t, calm)
	from, to, bystander := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	a, b := inCallTogether(t, s, from, to, "alice", "bob")
	bystander.signsIn("bob") // signed in too, and not in the call
	for _, way := range []struct {
		from, to *client
		out, in  string
		sender   string
	}{{from, to, a, b, alice}, {to, from, b, a, bob}} {
		tr, err := way.from.Send(within(t), with(dialogText(way.out, "d1"), "sylkrtc", "session-message"))
		way.from.ok(err)
		if m := way.from.next(); m.Type != "ack" || m.Transaction != tr {
			t.Fatalf("first comes %s", m.Raw)
		}
		e := way.from.hears("disposition-notification")
		if e.str("sylkrtc") != "session-event" || e.str("session") != way.out || e.str("state") != "accepted" || e.str("code") != "200" ||
			e.str("message_timestamp") != someTime {
			t.Errorf("the notification is %v", e)
		}
		e = way.to.hears("message")
		for path, want := range map[string]string{
			"sylkrtc": "session-event", "session": way.in, "sender.uri": way.sender, "content": "hello", "content_type": "text/plain",
			"message_id": "d1", "timestamp": someTime, "disposition_notification": "[positive-delivery display]",
		} {
			if got := e.str(path); got != want {
				t.Errorf("%s is %q, want %q", path, got, want)
			}
		}
	}
	// Clients say what became of it as of any message.
	to.ok(to.request("account-disposition-notification", map[string]any{
		"account": bob, "uri": alice, "message_id": "d1", "state": "displayed", "timestamp": someTime}))
	if e := from.hears("disposition-notification"); e.str("session") != a || e.str("state") != "displayed" {
		t.Errorf("heard %v", e)
	}
	if list := from.history(alice, nil); len(list) != 0 {
		t.Errorf("a message within a call is in the history: %v", list)
	}
	bystander.nothing()
}

func TestRequestSessionMessageFails(t *testing.T) {
	s := serve(t, calm)
	c := s.client(t, sylkrtctest.V2)
	c.refused(c.request("session-message", dialogText("s9", "d0")), "Unknown session s9")
	l := c.place(c.signIn("alice"), "s1", "bob@example.com")
	c.refused(c.request("session-message", dialogText("s1", "d0")), "Invalid state session s1: progress for sending messages")
	l.deliver(t, answeredEvent()) // by a terminal that is no sylkRTC client
	c.state("s1", "accepted")
	c.ok(c.request("session-message", dialogText("s1", "d1")))
	if e := c.hears("disposition-notification"); e.str("state") != "failed" || e.str("code") != "480" || e.str("session") != "s1" {
		t.Errorf("heard %v", e)
	}
	c.refused(c.request("session-message", with(dialogText("s1", "d1"), "content_type", "message/imdn")), "Invalid value for 'content_type' property")
	c.refused(c.request("session-message", with(dialogText("s1", "d1"), "content", strings.Repeat("x", 64<<10+1))), "Message is too long")
	c.refused(c.request("session-message", with(dialogText("s1", "d1"), "content", 7)), "Invalid value for 'content' property")
	l.deliver(t, endedEvent(callv1.Reason_REASON_NORMAL, false))
	c.terminated("s1", "200 Session Terminated")
	c.refused(c.request("session-message", dialogText("s1", "d2")), "Session s1 is terminated")
}

// undelivered requires that a message within a call fails, and that the session
// can be used all the same.
func (c *client) undelivered(session string) {
	c.t.Helper()
	c.ok(c.request("session-message", dialogText(session, "lost")))
	if e := c.hears("disposition-notification"); e.str("message_id") != "lost" || e.str("session") != session ||
		e.str("state") != "failed" || e.str("code") != "480" || e.str("reason") != "Temporarily Unavailable" {
		c.t.Errorf("heard %v", e)
	}
	c.ok(c.DTMF(within(c.t), session, "5", 0))
	c.acked(c.sent(session, described("actpass", "audio")))
	c.updated(session, "accepted", "", "")
	c.nothing()
	c.ok(c.Terminate(within(c.t), session))
	c.terminated(session, textOwn)
}

// With whom a session is that was taken up, its new connection was not told.
func TestRequestSessionMessageAfterTakeUp(t *testing.T) {
	s := serve(t, calm)
	first := s.client(t, sylkrtctest.V2)
	first.talking("s1")
	first.Close()
	s.host.wait(t, "the loss", func() bool { return len(s.host.terminals) == 0 })
	c := s.client(t, sylkrtctest.V2)
	c.signsIn("alice")
	c.acked(c.sent("s1", described("actpass", "audio")))
	c.updated("s1", "accepted", "", "")
	c.undelivered("s1")
}

// The other side's call goes on at a terminal that takes no messages.
func TestRequestSessionMessageAfterTransfer(t *testing.T) {
	s := serve(t, calm)
	s.adapter.mu.Lock()
	s.adapter.messaging.dialogTimeout = 50 * time.Millisecond
	s.adapter.mu.Unlock()
	from, to := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	a, b := inCallTogether(t, s, from, to, "alice", "bob")
	out := s.leg(s.host.terminal(t, "bob", true))
	to.s.adapter.mu.Lock()
	for p := range s.adapter.peers {
		p.mu.Lock()
		if far := p.sessions[b]; far != nil {
			out.id, out.number = far.leg, far.seen
			out.call, _, _ = schema.SplitLegID(far.leg)
		}
		p.mu.Unlock()
	}
	to.s.adapter.mu.Unlock()
	out.deliver(t, endedEvent(callv1.Reason_REASON_TRANSFERRED, false))
	to.terminated(b, "200 Call Transferred")
	from.undelivered(a)
	to.nothing()
}
