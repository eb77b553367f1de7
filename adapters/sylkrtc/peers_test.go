package sylkrtc

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Connections: their limits, their ends, and that none waits for another.

func TestPeerRateLimit(t *testing.T) {
	s := serve(t, func(c *Config) { c.Rate, c.Burst = 0.001, 5 })
	c := s.client(t, sylkrtctest.V2)
	for range 5 {
		c.ok(c.request("ping", nil))
	}
	c.refused(c.request("ping", nil), "Too many requests")
	other := s.client(t, sylkrtctest.V2)
	other.ok(other.request("ping", nil))
	for range 20 { // who never stops is disconnected
		if c.SendText(within(t), "{}") != nil {
			break
		}
	}
	if got := sylkrtctest.Status(c.Ended(within(t))); got != 1008 {
		t.Errorf("closed with %d, want 1008", got)
	}
}

// Over the rate a trickle is acked and its candidates are dropped, since clients
// end a call whose trickle is refused; answers and hang-ups are carried out.
func TestPeerRateLimitKeepsCalls(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, func(c *Config) { c.Rate, c.Burst = 0.001, 4 })
		c := s.client(t, v)
		term := c.signIn("alice") // two requests
		c.place(term, "s1", "bob@example.com")
		ringing := c.rings(s.leg(term))
		c.ok(c.Trickle(within(t), "s1", sylkrtctest.Candidate{Candidate: "candidate:1"}))
		if g := <-s.host.signals; len(g.GetCandidates().GetCandidates()) != 1 {
			t.Fatalf("the signal is %v", g)
		}
		c.refused(c.Unregister(within(t), "alice@example.com"), "Too many requests")
		s.host.forgetCounts()

		two := []sylkrtctest.Candidate{{Candidate: "candidate:2"}, {Candidate: "candidate:3"}}
		c.ok(c.Trickle(within(t), "s1", two...))
		for _, want := range []string{"rate_limited", "candidates_dropped", "candidates_dropped"} {
			if got := <-s.host.counts; got != want {
				t.Errorf("counted %s, want %s", got, want)
			}
		}
		c.ok(c.Answer(within(t), ringing, "the answer"))
		if a := s.host.command(t); a.GetAnswer() == nil {
			t.Errorf("the command is %v", a)
		}
		c.state(ringing, "accepted")
		for _, id := range []string{"s1", ringing} {
			c.ok(c.Terminate(within(t), id))
			c.state(id, "terminated")
			if h := s.host.command(t); h.GetHangUp() == nil {
				t.Errorf("the command is %v", h)
			}
		}
		// What is no session here waits for its turn and is carried out too.
		c.refused(c.Terminate(within(t), ringing), "Session "+ringing+" is terminated")
		if n := len(s.host.signals); n != 0 {
			t.Errorf("%d signals of dropped trickles", n)
		}
	})
}

func TestPeerMessageTooLarge(t *testing.T) {
	s := serve(t, func(c *Config) { c.MaxMessage = 4096 })
	c := s.client(t, sylkrtctest.V2)
	c.ok(c.request("ping", map[string]any{"x": strings.Repeat("x", 3900)}))
	c.ok(c.SendText(within(t), `{"sylkrtc":"ping","transaction":"T","x":"`+strings.Repeat("x", 5000)+`"}`))
	if got := sylkrtctest.Status(c.Ended(within(t))); got != 1009 {
		t.Errorf("closed with %d, want 1009", got)
	}
}

// With the defaults a large message is read: what it asks for is refused, and
// the connection stays. A session description has a bound of its own.
func TestPeerLargeMessage(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	c.signIn("alice")
	c.refused(c.request("account-message", map[string]any{"account": "alice@example.com", "uri": "bob@example.com",
		"message_id": "m", "content": strings.Repeat("x", 900<<10), "content_type": "text/plain",
		"timestamp": "2026-01-02T03:04:05Z"}), "Message is too long")
	sdp := func(size int) error {
		return c.Create(within(t), "s1", "alice@example.com", "bob@example.com", strings.Repeat("x", size))
	}
	c.refused(sdp(maxSDP+1), "Invalid value for 'sdp' property")
	c.ok(sdp(maxSDP))
	c.state("s1", "progress")
	c.refused(c.Answer(within(t), "s1", strings.Repeat("x", maxSDP+1)), "Invalid value for 'sdp' property")
	c.nothing()
}

// With the defaults one connection carries as many accounts and sessions as a
// load driver puts on it, and the end of all at once is no slow client.
func TestPeerManySessions(t *testing.T) {
	s := serve(t, nil)
	s.host.commands = make(chan *callv1.Command, 4096)
	c := s.client(t, sylkrtctest.V2)
	for n := range 250 {
		c.ok(c.AddAccount(within(t), fmt.Sprintf("u%d@example.com", n), "x"))
	}
	term := c.signIn("alice")
	const sessions = 600
	var creates []string
	for n := range sessions {
		tr, err := c.Send(within(t), map[string]any{"sylkrtc": "session-create", "session": fmt.Sprint("s", n),
			"account": "alice@example.com", "uri": "bob@example.com", "sdp": "offer"})
		c.ok(err)
		creates = append(creates, tr)
	}
	for _, tr := range creates {
		c.ok(c.Reply(within(t), tr))
	}
	var wg sync.WaitGroup
	for range sessions {
		o := s.host.command(t)
		l := &leg{s: s, terminal: term, call: o.GetCallId(), id: o.GetLegId(), ref: o.GetOffer().GetRef()}
		wg.Go(func() {
			if err := s.adapter.Deliver(within(t), l.event(endedEvent(callv1.Reason_REASON_BUSY, false))); err != nil {
				t.Errorf("Deliver: %v", err)
			}
		})
	}
	for n := range sessions {
		id := fmt.Sprint("s", n)
		c.state(id, "progress")
		c.terminated(id, "486 Busy Here")
	}
	wg.Wait()
}

func TestPeerMaxSessions(t *testing.T) {
	s := serve(t, func(c *Config) { c.MaxSessions = 1 })
	c := s.client(t, sylkrtctest.V2)
	term := c.signIn("bob")
	l := s.leg(term)
	c.rings(l)
	err := s.adapter.Deliver(within(t), s.leg(term).event(incomingEvent()))
	if schema.CodeOf(err) != callv1.Code_CODE_BUSY {
		t.Errorf("a second call: %v, want CODE_BUSY", err)
	}
	for range 2 * maxEnded { // ended ones do not count, and are forgotten
		l.deliver(t, endedEvent(callv1.Reason_REASON_CANCELLED, false))
		l = s.leg(term)
		c.rings(l)
	}
	p := func() *peer {
		s.adapter.mu.Lock()
		defer s.adapter.mu.Unlock()
		for p := range s.adapter.peers {
			return p
		}
		return nil
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sessions) != maxEnded+1 || len(p.legs) != maxEnded+1 || p.live() != 1 {
		t.Errorf("%d sessions, %d legs, %d live", len(p.sessions), len(p.legs), p.live())
	}
}

func TestPeerEndSignsOutOrIsLost(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		for why, end := range map[kit.DetachReason]func(*client){
			kit.SignedOut: func(c *client) { c.ok(c.Leave()) },
			kit.Lost:      func(c *client) { c.Close() },
		} {
			c := s.client(t, v)
			term := c.signIn("alice")
			end(c)
			s.host.wait(t, "the detachment", func() bool {
				got, ok := s.host.detached[term.GetId()]
				return ok && got == why
			})
			err := s.adapter.Deliver(within(t), s.leg(term).event(incomingEvent()))
			if schema.CodeOf(err) != callv1.Code_CODE_GONE {
				t.Errorf("Deliver: %v, want CODE_GONE", err)
			}
		}
	})
}

func TestPeerDead(t *testing.T) {
	s := serve(t, func(c *Config) { c.PingInterval, c.PongTimeout = 30*time.Millisecond, 50*time.Millisecond })
	lively, dead := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	term := dead.signIn("alice")
	dead.Stall() // it answers one more ping at most
	s.host.wait(t, "the loss", func() bool { _, ok := s.host.detached[term.GetId()]; return ok })
	lively.nothing()
}

// A client that does not read loses its connection; what it is sent holds
// nobody up, and Deliver does not block longer than its context.
func TestPeerSlow(t *testing.T) {
	s := serve(t, func(c *Config) {
		c.SendQueue, c.MaxSessions, c.WriteTimeout = 8, 10000, time.Second
	})
	slow, other := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	term, others := slow.signIn("alice"), other.signIn("bob")
	s.host.with(func() { s.host.commands = make(chan *callv1.Command, 100_000) })
	slow.Stall()
	big := incomingEvent()
	big.GetIncoming().Sdp = strings.Repeat("x", 60<<10)
	for n := 0; ; n++ {
		if n > 2000 {
			t.Fatal("a client that does not read takes everything")
		}
		e := s.leg(term).event(&callv1.Event{Body: big.Body})
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		err := s.adapter.Deliver(ctx, e)
		cancel()
		if schema.CodeOf(err) == callv1.Code_CODE_GONE {
			break
		}
		if err != nil && schema.CodeOf(err) != callv1.Code_CODE_RETRY {
			t.Fatalf("Deliver: %v", err)
		}
		began := time.Now()
		l := s.leg(others)
		l.deliver(t, incomingEvent())
		l.deliver(t, endedEvent(callv1.Reason_REASON_CANCELLED, false))
		if took := time.Since(began); took > time.Second {
			t.Fatalf("another client's events took %v", took)
		}
	}
	s.host.wait(t, "the loss", func() bool { _, ok := s.host.detached[term.GetId()]; return ok })
}

// A request that takes long holds up the requests behind it, and nothing else:
// no ping, no event, no other connection.
func TestPeerOrder(t *testing.T) {
	s := serve(t, nil)
	c, other := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V2)
	term := c.signIn("alice")
	first := c.place(term, "s1", "bob@example.com")
	release := make(chan struct{})
	s.host.with(func() {
		s.host.accept = func(cmd *callv1.Command) (*callv1.Reply, error) {
			if cmd.GetOffer() != nil {
				<-release
			}
			return carriedOut(cmd)
		}
	})
	create, err := c.Send(within(t), map[string]any{"sylkrtc": "session-create", "session": "s2",
		"account": "alice@example.com", "uri": "bob@example.com", "sdp": "x"})
	c.ok(err)
	s.host.command(t)
	trickle, err := c.Send(within(t), map[string]any{"sylkrtc": "session-trickle", "session": "s2", "candidates": []any{}})
	c.ok(err)
	c.ok(c.request("ping", nil))
	first.deliver(t, answeredEvent())
	c.state("s1", "accepted")
	other.ok(other.request("account-add", map[string]any{"account": "bob@example.com", "password": "x"}))
	if heard := c.Unheard(); heard != "" {
		t.Fatalf("heard %s before the reply", heard)
	}
	close(release)
	for _, want := range []string{create, "", trickle} {
		if m := c.next(); m.Transaction != want || m.Type == "error" {
			t.Fatalf("heard %s, want %q in this order", m.Raw, want)
		}
	}
}

// A call between two accounts of one connection has two sessions.
func TestPeerCallsItself(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		alice, bob := c.signIn("alice"), c.signIn("bob")
		caller := c.place(alice, "s1", "bob@example.com")
		called := &leg{s: s, terminal: bob, call: caller.call, id: schema.LegID(caller.call, 2)}
		id := c.rings(called)
		if id == "s1" {
			t.Fatal("both legs have one name")
		}
		caller.deliver(t, alertingEvent())
		if v == sylkrtctest.V2 {
			c.state("s1", "ringing")
		}
		c.ok(c.Answer(within(t), id, "x"))
		c.state(id, "accepted")
		caller.deliver(t, answeredEvent())
		c.state("s1", "accepted")
		for _, l := range []*leg{caller, called} {
			l.deliver(t, establishedEvent())
		}
		c.state("s1", "established")
		c.state(id, "established")
		c.ok(c.Terminate(within(t), "s1"))
		c.terminated("s1", "200 to BYE")
		called.deliver(t, endedEvent(callv1.Reason_REASON_NORMAL, false))
		c.terminated(id, "200 Session Terminated")
	})
}

// Every connection of an account is a terminal of its own.
func TestPeerSeveralConnectionsOfAccount(t *testing.T) {
	s := serve(t, nil)
	one, two := s.client(t, sylkrtctest.V1), s.client(t, sylkrtctest.V2)
	first := one.signIn("alice")
	two.ok(two.SignIn(within(t), "alice@example.com", "secret"))
	s.host.wait(t, "two terminals", func() bool { return len(s.host.terminals) == 2 })
	var second *callv1.Terminal
	s.host.with(func() {
		for id, x := range s.host.terminals {
			if id != first.GetId() {
				second = x
			}
		}
	})
	l, m := s.leg(first), s.leg(second)
	m.call, m.id = l.call, schema.LegID(l.call, 3)
	a, b := one.rings(l), two.rings(m)
	if a == b {
		t.Error("two devices have one session")
	}
	one.ok(one.Answer(within(t), a, "x"))
	one.state(a, "accepted")
	m.deliver(t, endedEvent(callv1.Reason_REASON_ANSWERED_ELSEWHERE, false))
	two.terminated(b, "487 Request Terminated")
	one.nothing()
}

// A call that comes while its account registers is told after "registered".
func TestPeerCallBeforeRegistered(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	c.ok(c.AddAccount(within(t), "bob@example.com", sylkrtctest.HA1("bob@example.com", "secret")))
	delivered := make(chan error, 1)
	s.adapter.host = earlyHost{s.host, func(term *callv1.Terminal) {
		go func() { delivered <- s.adapter.Deliver(context.Background(), s.leg(term).event(incomingEvent())) }()
	}}
	_, err := c.Send(within(t), map[string]any{"sylkrtc": "account-register", "account": "bob@example.com"})
	c.ok(err)
	for _, want := range []string{"", "registration-state", "registration-state", "incoming-session"} {
		if m := c.next(); m.Event != want {
			t.Fatalf("heard %s, want %q", m.Raw, want)
		}
	}
	if err := <-delivered; err != nil {
		t.Error(err)
	}
}

// earlyHost lets a call ring before Attach has returned.
type earlyHost struct {
	kit.Host
	attached func(*callv1.Terminal)
}

func (h earlyHost) Attach(ctx context.Context, t *callv1.Terminal) (*callv1.Terminal, func(kit.DetachReason), error) {
	attached, detach, err := h.Host.Attach(ctx, t)
	h.attached(attached)
	return attached, detach, err
}

func TestPeerDrain(t *testing.T) {
	s := serve(t, nil)
	var all []*client
	for n := range 20 {
		c := s.client(t, versions[n%2])
		c.signIn([]string{"alice", "bob", "carol"}[n%3])
		all = append(all, c)
	}
	s.stop()
	for _, c := range all {
		if got := sylkrtctest.Status(c.Ended(within(t))); got != 1001 {
			t.Errorf("closed with %d, want 1001", got)
		}
	}
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	s.ended <- nil
	s.host.with(func() {
		for _, why := range s.host.detached {
			if why != kit.Lost || len(s.host.terminals) != 0 {
				t.Errorf("detached as %d, %d left", why, len(s.host.terminals))
			}
		}
	})
	if _, err := sylkrtctest.Dial(within(t), s.url, sylkrtctest.V2, sylkrtctest.Options{}); err == nil {
		t.Error("a connection after the end")
	}
}

// A client that does not answer the close frame, and a command that does not
// end, do not keep the server from draining.
func TestPeerDrainStalled(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	c.signIn("alice")
	s.adapter.host = shortHost{s.host}
	_, err := c.Send(within(t), map[string]any{"sylkrtc": "session-create", "session": "s2",
		"account": "alice@example.com", "uri": "bob@example.com", "sdp": "x"})
	c.ok(err)
	s.host.command(t)
	c.Stall()
	began := time.Now()
	s.stop()
	select {
	case err := <-s.ended:
		s.ended <- err
	case <-within(t).Done():
		t.Fatal("no end")
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("draining took %v", took)
	}
}

// shortHost gives little time, and carries out nothing before its context ends.
type shortHost struct{ *fakeHost }

func (shortHost) DrainTimeout() time.Duration { return time.Second }

func (h shortHost) Accept(ctx context.Context, c *callv1.Command, _ kit.Ref, done kit.Ack) {
	h.commands <- c
	<-ctx.Done()
	done(nil, schema.Errorf(callv1.Code_CODE_RETRY, "%w", ctx.Err()))
}

func TestLane(t *testing.T) {
	var l lane[int]
	got := make(chan int, 1000)
	gate := make(chan struct{})
	l.init(3, 0, func(n int) { <-gate; got <- n })
	if ok, _ := l.push(0, 1); !ok {
		t.Fatal("no room in an empty lane")
	}
	for n := 1; ; n++ { // three wait, and one is being handled or will be
		if ok, closed := l.push(n, 1); !ok {
			if closed || n < 3 || n > 4 {
				t.Fatalf("full after %d, closed %v", n, closed)
			}
			break
		}
	}
	waited := make(chan bool)
	go func() { waited <- l.pushWait(100, 1) }()
	close(gate)
	if !<-waited {
		t.Error("there never was room")
	}
	l.wait()
	close(got)
	last := -1
	for n := range got {
		if n <= last {
			t.Errorf("%d after %d", n, last)
		}
		last = n
	}
	l.close()
	if ok, closed := l.push(1, 1); ok || !closed || l.pushWait(1, 1) {
		t.Error("a closed lane takes things")
	}
}
