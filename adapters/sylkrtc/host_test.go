package sylkrtc

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// fakeHost is an exchange of three subscribers, whose answers a test changes.
type fakeHost struct {
	key      schema.IDKey
	commands chan *callv1.Command // every command accepted, in order
	signals  chan *callv1.Signal
	counts   chan string

	mu        sync.Mutex
	directory error // what every question gets, if set
	verified  int   // how often credentials were verified
	// holders are subscribers by the user part of an address that has become theirs.
	holders map[string]string
	attach  error
	// accept answers commands; it may block. nil: every command is carried out.
	accept    func(*callv1.Command) (*callv1.Reply, error)
	terminals map[string]*callv1.Terminal
	detached  map[string]kit.DetachReason
	changed   chan struct{}

	store     *fakeStore
	devices   chan *callv1.PutDevice
	putDevice error
	wakes     chan *callv1.Wake
}

func newFakeHost() *fakeHost {
	return &fakeHost{
		key: schema.NewIDKey([]byte("test")), commands: make(chan *callv1.Command, 256),
		signals: make(chan *callv1.Signal, 256), counts: make(chan string, 4096),
		terminals: map[string]*callv1.Terminal{}, detached: map[string]kit.DetachReason{},
		changed: make(chan struct{}), store: newFakeStore(),
		devices: make(chan *callv1.PutDevice, 16), wakes: make(chan *callv1.Wake, 16),
	}
}

const domain = "example.com"

func party(name string) *callv1.Party {
	return &callv1.Party{Subscriber: name, DisplayName: "The " + name,
		Addresses: []string{"tel:+12025550101", "sip:" + name + "@" + domain}}
}

func known(name string) bool { return name == "alice" || name == "bob" || name == "carol" }

func (h *fakeHost) with(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *fakeHost) Authenticate(_ context.Context, c *callv1.Credentials) (*callv1.Principal, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.verified++
	if h.directory != nil {
		return nil, h.directory
	}
	if p := c.GetHa1(); p != nil {
		a, _ := parseAOR(p.GetAccount())
		if known(a.User()) && p.GetHa1() == sylkrtctest.HA1(p.GetAccount(), "secret") {
			shown := h.holder(a.User())
			return &callv1.Principal{Subscriber: shown.GetSubscriber(), Party: shown}, nil
		}
	}
	if p := c.GetBearer(); p != nil && len(p.GetToken()) > 6 && known(p.GetToken()[6:]) { // "token-alice"
		return &callv1.Principal{Subscriber: p.GetToken()[6:], Party: party(p.GetToken()[6:])}, nil
	}
	return nil, schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "wrong")
}

func (h *fakeHost) ServesDomain(_ context.Context, d string) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return d == domain, h.directory
}

func (h *fakeHost) Attach(_ context.Context, t *callv1.Terminal) (*callv1.Terminal, func(kit.DetachReason), error) {
	h.mu.Lock()
	err := h.attach
	h.mu.Unlock()
	if err != nil {
		return nil, nil, err
	}
	t = proto.CloneOf(t)
	t.Kind, t.Node, t.Instance = Kind, "n1", "i1"
	h.with(func() { h.terminals[t.GetId()] = t })
	return t, func(why kit.DetachReason) {
		h.with(func() {
			if h.terminals[t.GetId()] != nil {
				delete(h.terminals, t.GetId())
				h.detached[t.GetId()] = why
			}
		})
	}, nil
}

func (h *fakeHost) Accept(_ context.Context, c *callv1.Command, ref kit.Ref, done kit.Ack) {
	if c.GetLegId() == "" {
		c.LegId, _ = h.Resolve(c.GetPrincipal(), ref)
	}
	c.CallId, _, _ = schema.SplitLegID(c.GetLegId())
	h.mu.Lock()
	accept := h.accept
	h.mu.Unlock()
	h.commands <- c
	if accept == nil {
		accept = carriedOut
	}
	r, err := accept(c)
	if err != nil {
		done(nil, err)
		return
	}
	r.LegId, r.CallId = c.GetLegId(), c.GetCallId()
	done(r, nil)
}

// carriedOut is what an owner replies that has no objection.
func carriedOut(c *callv1.Command) (*callv1.Reply, error) {
	switch c.GetBody().(type) {
	case *callv1.Command_Offer:
		return &callv1.Reply{LegState: callv1.LegState_LEG_STATE_OFFERED, MediaNode: "m1"}, nil
	case *callv1.Command_Ringing:
		return &callv1.Reply{LegState: callv1.LegState_LEG_STATE_RINGING}, nil
	case *callv1.Command_Reoffer:
		return &callv1.Reply{LegState: callv1.LegState_LEG_STATE_ESTABLISHED}, nil
	case *callv1.Command_Answer:
		return &callv1.Reply{LegState: callv1.LegState_LEG_STATE_ANSWERED}, nil
	}
	return &callv1.Reply{LegState: callv1.LegState_LEG_STATE_ENDED}, nil
}

func (h *fakeHost) Signal(_ context.Context, s *callv1.Signal) error {
	h.signals <- s
	return nil
}

func (h *fakeHost) Resolve(subscriber string, ref kit.Ref) (string, bool) {
	if u, ok := schema.CanonicalUUID(ref.ID); ok && h.key.Ours(ref.ID) {
		return u, true
	}
	return schema.LegID(h.key.CallID(subscriber, ref.Scope, ref.ID), 1), false
}

func (h *fakeHost) Calls(context.Context, string) ([]*callv1.Event, error) { return nil, nil }
func (h *fakeHost) LookUp(_ context.Context, address string) (*callv1.Party, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a, err := schema.ParseAddress(address)
	switch {
	case err == nil && a.IsSIP() && known(a.User()) && a.Domain() == domain:
		return h.holder(a.User()), nil
	case address == "tel:+12025550177": // has no account
		return &callv1.Party{Subscriber: "dave", Addresses: []string{address}}, nil
	}
	return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "nobody")
}
func (h *fakeHost) PutDevice(_ context.Context, d *callv1.PutDevice) error {
	h.devices <- d
	return h.putDevice
}
func (h *fakeHost) Wake(_ context.Context, w *callv1.Wake) error {
	h.wakes <- w
	return nil
}
func (h *fakeHost) Store() kit.Store            { return h.store }
func (h *fakeHost) DrainTimeout() time.Duration { return 5 * time.Second }
func (h *fakeHost) Node() string                { return "n1" }
func (h *fakeHost) Metrics() kit.Metrics        { return h }
func (h *fakeHost) Log() *slog.Logger           { return slog.New(slog.DiscardHandler) }
func (h *fakeHost) Gauge(string, int)           {}
func (h *fakeHost) Count(name string, n int) {
	for range n {
		select {
		case h.counts <- name:
		default:
		}
	}
}

func (h *fakeHost) forgetCounts() {
	for len(h.counts) > 0 {
		<-h.counts
	}
}

// terminal gives the terminal of a subscriber, once there is one that does ring
// or does not.
func (h *fakeHost) terminal(t testing.TB, subscriber string, rings bool) *callv1.Terminal {
	t.Helper()
	var found *callv1.Terminal
	h.wait(t, "a terminal of "+subscriber, func() bool {
		for _, x := range h.terminals {
			if x.GetSubscriber() == subscriber && x.GetRings() == rings {
				found = x
			}
		}
		return found != nil
	})
	return found
}

// wait waits until f, called under the lock, is true.
func (h *fakeHost) wait(t testing.TB, what string, f func() bool) {
	t.Helper()
	late := time.After(patience)
	for {
		h.mu.Lock()
		ok, changed := f(), h.changed
		h.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("never came: %s", what)
		}
	}
}

// command waits for the next command.
func (h *fakeHost) command(t testing.TB) *callv1.Command {
	t.Helper()
	select {
	case c := <-h.commands:
		return c
	case <-time.After(patience):
		t.Fatal("no command came")
		return nil
	}
}

func (h *fakeHost) noCommand(t testing.TB) {
	t.Helper()
	select {
	case c := <-h.commands:
		t.Fatalf("an unexpected command: %v", c)
	default:
	}
}

const patience = 10 * time.Second

// server is a running adapter.
type server struct {
	host    *fakeHost
	adapter *adapter
	url     string // of the WebSocket
	base    string // host:port
	stop    context.CancelFunc
	ended   chan error
}

// serve runs an adapter until the test ends.
func serve(t testing.TB, change func(*Config)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Defaults()
	cfg.Listener = l
	if change != nil {
		change(cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	h := newFakeHost()
	a, err := Spec().New(cfg, h)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{host: h, adapter: a.(*adapter), base: l.Addr().String(), ended: make(chan error, 1)}
	s.url = "ws://" + s.base + cfg.Path
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	ready := make(chan struct{})
	go func() { s.ended <- a.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-s.ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not return")
		}
	})
	select {
	case <-ready:
	case err := <-s.ended:
		t.Fatalf("Run: %v", err)
	}
	return s
}

// client connects; the connection ends with the test.
func (s *server) client(t testing.TB, v string) *client {
	t.Helper()
	c, err := sylkrtctest.Dial(within(t), s.url, v, sylkrtctest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &client{t: t, Client: c, s: s}
}

// client is a test client whose failures end the test.
type client struct {
	t testing.TB
	*sylkrtctest.Client
	s *server
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (c *client) ok(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// refused requires an error reply with a text.
func (c *client) refused(err error, text string) {
	c.t.Helper()
	var e *sylkrtctest.Error
	if !errors.As(err, &e) || e.Text != text {
		c.t.Fatalf("got %v, want the error reply %q", err, text)
	}
}

func (c *client) request(name string, fields map[string]any) error {
	c.t.Helper()
	m := map[string]any{"sylkrtc": name}
	for k, v := range fields {
		m[k] = v
	}
	return c.Request(within(c.t), m)
}

func (c *client) signIn(name string) *callv1.Terminal {
	c.t.Helper()
	c.ok(c.SignIn(within(c.t), name+"@"+domain, "secret"))
	return c.s.host.terminal(c.t, name, true)
}

// next requires the next message, whatever it is.
func (c *client) next() sylkrtctest.Message {
	c.t.Helper()
	m, err := c.Next(within(c.t), func(sylkrtctest.Message) bool { return true })
	c.ok(err)
	return m
}

// state requires the next state of a session.
func (c *client) state(session, want string) sylkrtctest.Message {
	c.t.Helper()
	m, err := c.State(within(c.t), session)
	c.ok(err)
	if m.State != want {
		c.t.Fatalf("session %s is %s (%s), want %s", session, m.State, m.Reason, want)
	}
	return m
}

func (c *client) terminated(session, reason string) {
	c.t.Helper()
	if m := c.state(session, "terminated"); m.Reason != reason {
		c.t.Fatalf("terminated with %q, want %q", m.Reason, reason)
	}
}

// nothing requires that the client has heard nothing that was not asked for:
// a request that is answered shows that all before it has come.
func (c *client) nothing() {
	c.t.Helper()
	err := c.request("account-remove", map[string]any{"account": "nobody@" + domain})
	c.refused(err, "Unknown account specified: nobody@"+domain)
	if s := c.Unheard(); s != "" {
		c.t.Fatalf("heard %s, want nothing", s)
	}
}

// leg is one leg of a call as an owner keeps it.
type leg struct {
	s        *server
	terminal *callv1.Terminal
	call, id string
	ref      string
	number   uint64
}

// ringing makes a leg of a call that will ring at a terminal.
func (s *server) leg(t *callv1.Terminal) *leg {
	call := s.host.key.NewCallID("somebody", "elsewhere")
	return &leg{s: s, terminal: t, call: call, id: schema.LegID(call, 2)}
}

// event completes an event and numbers it.
func (l *leg) event(e *callv1.Event) *callv1.Event {
	l.number++
	e.CallId, e.LegId, e.Number, e.Ref = l.call, l.id, l.number, l.ref
	e.TerminalId, e.Subscriber = l.terminal.GetId(), l.terminal.GetSubscriber()
	return e
}

func (l *leg) deliver(t testing.TB, e *callv1.Event) {
	t.Helper()
	if err := l.s.adapter.Deliver(within(t), l.event(e)); err != nil {
		t.Fatalf("Deliver: %v", err)
	}
}

// place has a client place a call; the events so far are heard.
func (c *client) place(t *callv1.Terminal, session, uri string) *leg {
	c.t.Helper()
	c.ok(c.Create(within(c.t), session, t.GetSubscriber()+"@"+domain, uri, "offer"))
	o := c.s.host.command(c.t)
	c.state(session, "progress")
	return &leg{s: c.s, terminal: t, call: o.GetCallId(), id: o.GetLegId(), ref: o.GetOffer().GetRef()}
}

// rings has a call ring at a client; session is its name there.
func (c *client) rings(l *leg) (session string) {
	c.t.Helper()
	l.deliver(c.t, incomingEvent())
	m, err := c.Incoming(within(c.t), l.terminal.GetSubscriber()+"@"+domain)
	c.ok(err)
	if r := c.s.host.command(c.t); r.GetRinging() == nil || r.GetLegId() != l.id {
		c.t.Fatalf("got the command %v, want ringing", r)
	}
	return m.Session
}

func incomingEvent() *callv1.Event {
	return &callv1.Event{Body: &callv1.Event_Incoming{Incoming: &callv1.Incoming{
		Sdp: "the offer", Caller: party("carol"), Dialled: "sip:bob@" + domain,
		Headers: []*callv1.Header{{Name: "x-one", Value: "1"}, {Name: "other", Value: "2"}},
	}}}
}

func alertingEvent() *callv1.Event {
	return &callv1.Event{Body: &callv1.Event_Alerting{Alerting: &callv1.Alerting{}}}
}

func answeredEvent() *callv1.Event {
	return &callv1.Event{Body: &callv1.Event_Answered{Answered: &callv1.Answered{Sdp: "the answer", Callee: party("bob")}}}
}

func establishedEvent() *callv1.Event {
	return &callv1.Event{Body: &callv1.Event_Established{Established: &callv1.Established{}}}
}

func endedEvent(r callv1.Reason, missed bool) *callv1.Event {
	return &callv1.Event{Body: &callv1.Event_Ended{Ended: &callv1.Ended{Reason: r, Missed: missed, Peer: party("carol")}}}
}

var versions = []string{sylkrtctest.V1, sylkrtctest.V2}

// both runs a test with both versions of the protocol.
func both(t *testing.T, f func(t *testing.T, v string)) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) { f(t, v) })
	}
}
