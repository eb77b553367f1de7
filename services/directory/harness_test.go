package directory

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// config is a small exchange: alice with both kinds of address, bob with a
// digest, carol without an account, dave without any address.
func config() Config {
	c := Defaults()
	c.Domains = []string{"example.org"}
	c.Subscribers = []Subscriber{
		{
			ID: "alice", DisplayName: "Alice", Password: "wonderland", Tokens: []string{"alice-token"},
			Addresses: []string{"sip:alice@example.org", "tel:+12025550101", "sip:al@example.org"},
		},
		{
			ID: "bob", Addresses: []string{"sip:bob@example.org"},
			Digests: []string{"bob:example.org:" + makeHA1("bob", "example.org", "builder").String()},
		},
		{ID: "carol", Addresses: []string{"tel:+12025550103", "matrix:u/carol:example.org"}},
		{ID: "dave@home", DisplayName: "Dave", Tokens: []string{"dave-token"}},
	}
	c.ServiceTokens = []ServiceToken{
		{Name: "some", Token: "some-token", Subscribers: []string{"carol", "alice"}},
		{Name: "all", Token: "all-token", All: true},
	}
	return c
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// node is a running directory and a client that asks it.
type node struct {
	*Service
	t      *testing.T
	ask    *bus.Bus
	log    *lockedBuffer
	counts *counter
	stop   func()
}

// counter are metrics.
type counter struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counter) add(name string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[name] += n
}

func (c *counter) get(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[name]
}

func (c *counter) SignIn(kind, proof, outcome string) { c.add(kind+" "+proof+" "+outcome, 1) }
func (c *counter) Wake(outcome string, devices int)   { c.add("wake "+outcome, devices) }
func (c *counter) Refused(of string)                  { c.add("refused "+of, 1) }

// start runs a directory node until the test ends or stop is called.
func start(t *testing.T, broker *membus.Server, cfg Config, change ...func(*Env)) *node {
	t.Helper()
	n, err := launch(t, broker, cfg, change...)
	if err != nil {
		t.Fatalf("the directory did not start: %v", err)
	}
	return n
}

// launch runs a directory node and waits until it is ready or has failed.
func launch(t *testing.T, broker *membus.Server, cfg Config, change ...func(*Env)) (*node, error) {
	t.Helper()
	log, counts := &lockedBuffer{}, &counter{n: map[string]int{}}
	d, client := broker.Connect(), broker.Connect()
	b, err := bus.New(d, "directory", "d1")
	if err != nil {
		t.Fatal(err)
	}
	ask, err := bus.New(client, "sylkrtc", "s1")
	if err != nil {
		t.Fatal(err)
	}
	env := Env{Bus: b, Metrics: counts, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, f := range change {
		f(&env)
	}
	s, err := New(cfg, env)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		_ = client.Close()
		_ = d.Close()
	})
	select {
	case err := <-done:
		cancel()
		return nil, err
	case <-ready:
	case <-time.After(10 * time.Second):
		t.Fatal("the directory was not ready in time")
	}
	t.Cleanup(stop)
	return &node{Service: s, t: t, ask: ask, log: log, counts: counts, stop: stop}, nil
}

func (n *node) question(q *callv1.DirectoryRequest) (*callv1.DirectoryReply, error) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return n.ask.Ask(ctx, q)
}

func (n *node) authenticate(c *callv1.Credentials) (*callv1.Principal, error) {
	n.t.Helper()
	r, err := n.question(&callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Authenticate{
		Authenticate: &callv1.Authenticate{Credentials: c, Kind: "sylkrtc"},
	}})
	return r.GetPrincipal(), err
}

func (n *node) password(account, user, password string) (*callv1.Principal, error) {
	n.t.Helper()
	return n.authenticate(digest(account, makeHA1(user, "example.org", password).String()))
}

func (n *node) token(token, msisdn string) (*callv1.Principal, error) {
	n.t.Helper()
	return n.authenticate(bearer(token, msisdn))
}

func (n *node) resolve(address string) (*callv1.Party, error) {
	n.t.Helper()
	r, err := n.question(&callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Resolve{Resolve: &callv1.Resolve{Address: address}}})
	return r.GetParty(), err
}

func digest(account, ha1 string) *callv1.Credentials {
	return &callv1.Credentials{Proof: &callv1.Credentials_Ha1{Ha1: &callv1.HA1{Account: account, Ha1: ha1}}}
}

func bearer(token, msisdn string) *callv1.Credentials {
	return &callv1.Credentials{Proof: &callv1.Credentials_Bearer{Bearer: &callv1.Bearer{Token: token, Msisdn: msisdn}}}
}

func wantCode(t *testing.T, err error, want callv1.Code) {
	t.Helper()
	if got := schema.CodeOf(err); got != want {
		t.Errorf("error %v: code %v, want %v", err, got, want)
	}
}
