package exchange

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe"
	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest/stubmedia"
	"github.com/tandem-rtc/tandem/adapters/loopback"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	"github.com/tandem-rtc/tandem/services/callstate"
	"github.com/tandem-rtc/tandem/services/directory"
	"github.com/tandem-rtc/tandem/services/media"
)

// Domain is the one domain whose accounts may sign in.
const Domain = "pairs.test"

// patience bounds every wait for what must happen.
const patience = 60 * time.Second

// Options say how an exchange differs from the plain one.
type Options struct {
	// Name tells its log from others'.
	Name string
	// Connect gives a bus connection of an identity.
	Connect func(kind string) bus.Driver
	// Real: the real media service; else the stub engine.
	Real bool
	// Matrix: with a homeserver and the Matrix adapter.
	Matrix bool
	// CallState changes call state's configuration.
	CallState func(*callstate.Config)
}

// Exchange is a running exchange.
type Exchange struct {
	// Sylk is the WebSocket endpoint, WG2 the gRPC address, Loopback the network of
	// that wire.
	Sylk     string
	WG2      string
	Loopback *loopback.Exchange
	// Matrix is where Matrix users are; nil without.
	Matrix *Homeserver

	tb      testing.TB
	options Options
	log     *slog.Logger
	logged  *tail
	key     schema.IDKey

	directory *directory.Service
	calls     *callstate.Service
	stub      *stubmedia.Engine
	media     *media.Service
	journal   *bus.Bus
	legs      sync.Map // of hosts: kind -> *atomic.Int64
	terminals table
	people    atomic.Int64
	stops     []func()
}

// Start runs an exchange until Stop, or until the test ends.
func Start(tb testing.TB, o Options) *Exchange {
	tb.Helper()
	x := &Exchange{tb: tb, options: o, logged: &tail{}, key: schema.NewIDKey([]byte(o.Name)), Loopback: loopback.NewExchange()}
	x.log = slog.New(slog.NewTextHandler(x.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	tb.Cleanup(x.Stop)
	x.journal = x.bus("admin")
	x.services()
	x.run("terminals", func(ctx context.Context, ready func()) error {
		err := bus.NewTerminals(x.journal).Watch(ctx, x.terminals.change, ready)
		if ctx.Err() != nil {
			return nil
		}
		return err
	})
	x.adapters()
	return x
}

func (x *Exchange) services() {
	x.tb.Helper()
	cfg := directory.Defaults()
	cfg.Domains = []string{Domain}
	b := x.bus("directory")
	var err error
	x.directory, err = directory.New(cfg, directory.Env{Bus: b, Log: x.log})
	x.must(err)
	x.run("directory", x.directory.Run)

	m := x.bus("media")
	if x.options.Real {
		mc := media.Defaults()
		mc.Listen = "127.0.0.1:0"
		x.media, err = media.New(mc, media.Env{Bus: m, Nodes: nodes(m), Log: x.log})
		x.must(err)
		x.run("media", x.media.Run)
	} else {
		x.stub = stubmedia.New(m, stubmedia.Config{})
		x.run("media", func(ctx context.Context, ready func()) error { return x.stub.Run(ctx, nodes(m), ready) })
	}

	cs := callstate.DefaultConfig()
	if x.options.CallState != nil {
		x.options.CallState(&cs)
	}
	c := x.bus("callstate")
	x.calls, err = callstate.New(cs, callstate.Env{
		Bus: c, Terminals: bus.NewTerminals(c), Nodes: nodes(c), Leases: bus.NewLeases(c.Driver(), "callstate/n1"), Log: x.log,
	})
	x.must(err)
	x.run("callstate", x.calls.Run)
}

func (x *Exchange) adapters() {
	x.tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	x.must(err)
	sylk := sylkrtc.Defaults()
	sylk.Listener = l
	x.Sylk = "ws://" + l.Addr().String() + sylk.Path
	x.host(sylkrtc.Spec(), sylk)

	wg2 := grpcpipe.Defaults()
	wg2.Listen = "127.0.0.1:0"
	spec := grpcpipe.Spec()
	plain, made := spec.New, make(chan *grpcpipe.Adapter, 1)
	spec.New = func(c kit.Config, h kit.Host) (kit.Adapter, error) {
		a, err := plain(c, h)
		if g, ok := a.(*grpcpipe.Adapter); ok {
			made <- g
		}
		return a, err
	}
	x.host(spec, wg2)
	x.WG2 = (<-made).Addr(x.tb.Context()).String()

	x.host(loopback.Spec(), &loopback.Config{Exchange: x.Loopback, WriteTimeout: patience})
	if x.options.Matrix {
		x.matrix()
	}
}

// host runs an adapter.
func (x *Exchange) host(spec kit.Spec, c kit.Config) {
	x.tb.Helper()
	x.must(c.Validate())
	b := x.bus(spec.Kind)
	n := &atomic.Int64{}
	x.legs.Store(spec.Kind, n)
	env := kit.Env{
		Bus: b, Terminals: bus.NewTerminals(b), Nodes: nodes(b), Key: x.key, Log: x.log, Recorder: recorder{n},
	}
	x.run(spec.Kind, func(ctx context.Context, ready func()) error { return kit.Run(ctx, spec, c, env, ready) })
}

func nodes(b *bus.Bus) bus.Nodes { return bus.NewNodes(b, time.Second, 30*time.Second) }

func (x *Exchange) bus(kind string) *bus.Bus {
	x.tb.Helper()
	d := x.options.Connect(kind)
	x.stops = append(x.stops, func() { _ = d.Close() })
	b, err := bus.New(d, kind, "n1")
	x.must(err)
	return b
}

// run starts a part and waits until it is ready.
func (x *Exchange) run(what string, f func(context.Context, func()) error) {
	x.tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- f(ctx, sync.OnceFunc(func() { close(ready) })) }()
	x.stops = append(x.stops, func() {
		cancel()
		if err := <-done; err != nil {
			x.tb.Errorf("%s %s: %v", x.options.Name, what, err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		x.tb.Fatalf("%s %s: %v", x.options.Name, what, err)
	case <-time.After(patience):
		x.tb.Fatalf("%s %s: not ready in time", x.options.Name, what)
	}
}

// Stop ends the parts, the last one first. It may be called again.
func (x *Exchange) Stop() {
	for i := len(x.stops) - 1; i >= 0; i-- {
		x.stops[i]()
	}
	x.stops = nil
}

func (x *Exchange) must(err error) {
	x.tb.Helper()
	if err != nil {
		x.tb.Fatalf("%s: %v", x.options.Name, err)
	}
}

// recorder takes a host's count of live legs and forgets the rest.
type recorder struct{ legs *atomic.Int64 }

func (recorder) Count(string, int)                     {}
func (recorder) Gauge(string, int)                     {}
func (recorder) Command(string, string, time.Duration) {}
func (recorder) Event(string, string, time.Duration)   {}
func (recorder) GiveUp(string)                         {}
func (recorder) Terminals(int)                         {}
func (r recorder) Legs(n int)                          { r.legs.Store(int64(n)) }

// String names it in failures.
func (x *Exchange) String() string { return fmt.Sprintf("exchange %s", x.options.Name) }
