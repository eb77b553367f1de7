package signaling_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest/stubmedia"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/natsbus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate"
	"github.com/tandem-rtc/tandem/services/directory"
	"github.com/tandem-rtc/tandem/tests/internal/natstest"
)

// pairs is how many callers and called there are.
const pairs = 64

// exchange is everything between an adapter's Accept and its Deliver.
type exchange struct {
	tb   testing.TB
	nats natstest.Server
	host kit.Host
	line *line
	// local is the short way between roles of one process, as in "tandem serve"
	// with all roles; with an external NATS every role stands for a process of
	// its own, and has none.
	local router
}

// router wraps a role's connection.
type router interface{ Wrap(bus.Driver) bus.Driver }

// direct has every role go through the broker.
type direct struct{}

func (direct) Wrap(d bus.Driver) bus.Driver { return d }

// line is an adapter without a wire: what is delivered goes to the worker whose
// subscriber it is for.
type line struct {
	host    kit.Host
	called  [pairs]chan *callv1.Event
	calling [pairs]chan *callv1.Event
}

func (l *line) Run(ctx context.Context, ready func()) error {
	ready()
	<-ctx.Done()
	return nil
}

func (l *line) Deliver(_ context.Context, e *callv1.Event) error {
	var n int
	if _, err := fmt.Sscanf(e.GetSubscriber(), "caller%d", &n); err == nil {
		l.calling[n] <- e
		return nil
	}
	if _, err := fmt.Sscanf(e.GetSubscriber(), "called%d", &n); err == nil {
		l.called[n] <- e
		return nil
	}
	return schema.Errorf(callv1.Code_CODE_GONE, "nobody")
}

type noConfig struct{}

func (noConfig) Validate() error { return nil }

// start runs an exchange until the test ends.
func start(tb testing.TB, s natstest.Server, local router, media stubmedia.Config) *exchange {
	tb.Helper()
	x := &exchange{tb: tb, nats: s, line: &line{}, local: local}
	for i := range pairs {
		x.line.called[i], x.line.calling[i] = make(chan *callv1.Event, 8), make(chan *callv1.Event, 8)
	}
	quiet := slog.New(slog.DiscardHandler)

	dir, err := directory.New(subscribers(), directory.Env{Bus: x.bus("directory"), Log: quiet})
	must(tb, err)
	x.run("directory", dir.Run)

	m := x.bus("media")
	x.run("media", func(ctx context.Context, ready func()) error {
		return stubmedia.New(m, media).Run(ctx, nodes(m), ready)
	})

	b := x.bus("callstate")
	calls, err := callstate.New(callstate.DefaultConfig(), callstate.Env{
		Bus: b, Terminals: bus.NewTerminals(b), Nodes: nodes(b),
		Leases: bus.NewLeases(b.Driver(), "callstate/n1"), Log: quiet,
	})
	must(tb, err)
	x.run("callstate", calls.Run)

	b = x.bus("line")
	spec := kit.Spec{
		Kind: "line", Features: &callv1.Features{},
		Config: func() kit.Config { return noConfig{} },
		New: func(_ kit.Config, h kit.Host) (kit.Adapter, error) {
			x.line.host = h
			return x.line, nil
		},
	}
	x.run("line", func(ctx context.Context, ready func()) error {
		return kit.Run(ctx, spec, noConfig{}, kit.Env{
			Bus: b, Terminals: bus.NewTerminals(b), Nodes: nodes(b), Key: schema.NewIDKey([]byte("bench")), Log: quiet,
		}, ready)
	})
	x.host = x.line.host
	return x
}

func nodes(b *bus.Bus) bus.Nodes { return bus.NewNodes(b, time.Second, 5*time.Second) }

func subscribers() directory.Config {
	cfg := directory.Defaults()
	cfg.Domains = []string{"bench.test"}
	for i := range pairs {
		for _, kind := range []string{"caller", "called"} {
			id := fmt.Sprint(kind, i)
			cfg.Subscribers = append(cfg.Subscribers, directory.Subscriber{
				ID: id, Addresses: []string{"sip:" + id + "@bench.test"}, Password: "x",
			})
		}
	}
	return cfg
}

func (x *exchange) bus(kind string) *bus.Bus {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cfg := x.nats.Config()
	cfg.Kind, cfg.Node = kind, "n1"
	c, err := natsbus.Connect(ctx, cfg)
	must(x.tb, err)
	d := x.local.Wrap(c)
	x.tb.Cleanup(func() { _ = d.Close() })
	b, err := bus.New(d, kind, "n1")
	must(x.tb, err)
	return b
}

// run starts a role and waits until it is ready.
func (x *exchange) run(what string, f func(context.Context, func()) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- f(ctx, func() { close(ready) }) }()
	x.tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			x.tb.Errorf("%s: %v", what, err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		x.tb.Fatalf("%s: %v", what, err)
	case <-time.After(30 * time.Second):
		x.tb.Fatalf("%s: not ready in time", what)
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
