// Package line is an exchange without a wire, for tests and benchmarks: the real
// directory, call state and adapter host on a real NATS, a media engine that
// only describes, and an adapter whose peers are Go channels.
package line

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest/stubmedia"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/localbus"
	"github.com/tandem-rtc/tandem/bus/natsbus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate"
	"github.com/tandem-rtc/tandem/services/directory"
	"github.com/tandem-rtc/tandem/tests/internal/natstest"
)

// Pairs is how many callers ("caller0", …) and called ("called0", …) there are.
const Pairs = 64

// MatrixServer is the homeserver whose users are subscribers.
const MatrixServer = "matrix.test"

// Exchange is everything between an adapter's Accept and its Deliver.
type Exchange struct {
	// NATS is the server that all of it uses.
	NATS natstest.Server
	// Host is the adapter's.
	Host kit.Host
	// Called and Calling are what was delivered to each subscriber.
	Called, Calling [Pairs]chan *callv1.Event

	tb      testing.TB
	options Options
}

// Options change an exchange.
type Options struct {
	// Local is the short way between roles of one process, as in "tandem serve"
	// with all roles; nil has every role go through the broker.
	Local *localbus.Router
	// Media is the media engine's configuration.
	Media stubmedia.Config
	// NoCallState leaves call state to another process.
	NoCallState bool
	// RingTimeout is how long a call may go unanswered; 0 for the default.
	RingTimeout time.Duration
}

// adapter has no wire: what is delivered goes to the channel of the subscriber
// it is for.
type adapter struct{ x *Exchange }

// Run implements kit.Adapter.
func (a *adapter) Run(ctx context.Context, ready func()) error {
	ready()
	<-ctx.Done()
	return nil
}

// Deliver implements kit.Adapter.
func (a *adapter) Deliver(ctx context.Context, e *callv1.Event) error {
	to := a.x.Called[:]
	number, isCalled := strings.CutPrefix(e.GetSubscriber(), "called")
	if !isCalled {
		number, to = strings.TrimPrefix(e.GetSubscriber(), "caller"), a.x.Calling[:]
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n >= Pairs {
		return schema.Errorf(callv1.Code_CODE_GONE, "nobody")
	}
	select {
	case to[n] <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SDP is a description of the size of a browser's audio offer.
func SDP() string { return description }

var description = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 127.0.0.1\r\n" +
	"a=rtpmap:111 opus/48000/2\r\na=mid:0\r\na=sendrecv\r\na=setup:actpass\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\n" +
	"a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 " + strings.Repeat("AB:", 31) + "AB\r\n" +
	strings.Repeat("a=x-filler:a line as long as those that browsers send today\r\n", 16)

// patience bounds every wait.
const patience = 30 * time.Second

type noConfig struct{}

func (noConfig) Validate() error { return nil }

// Start runs an exchange until the test ends.
func Start(tb testing.TB, s natstest.Server, o Options) *Exchange {
	tb.Helper()
	x := &Exchange{tb: tb, NATS: s, options: o}
	for i := range Pairs {
		x.Called[i], x.Calling[i] = make(chan *callv1.Event, 8), make(chan *callv1.Event, 8)
	}
	dir, err := directory.New(subscribers(), directory.Env{Bus: x.bus("directory"), Log: quiet()})
	must(tb, err)
	x.run("directory", dir.Run)

	m := x.bus("media")
	x.run("media", func(ctx context.Context, ready func()) error {
		return stubmedia.New(m, o.Media).Run(ctx, nodes(m), ready)
	})
	if !o.NoCallState {
		b := x.bus("callstate")
		cfg := callstate.DefaultConfig()
		if o.RingTimeout > 0 {
			cfg.RingTimeout = o.RingTimeout
		}
		x.run("callstate", func(ctx context.Context, ready func()) error { return runCallState(ctx, b, cfg, ready) })
	}
	b := x.bus("line")
	spec := kit.Spec{
		Kind: "line", Features: &callv1.Features{},
		Config: func() kit.Config { return noConfig{} },
		New: func(_ kit.Config, h kit.Host) (kit.Adapter, error) {
			x.Host = h
			return &adapter{x}, nil
		},
	}
	x.run("line", func(ctx context.Context, ready func()) error {
		return kit.Run(ctx, spec, noConfig{}, kit.Env{
			Bus: b, Terminals: bus.NewTerminals(b), Nodes: nodes(b), Key: Key(), Log: quiet(),
		}, ready)
	})
	return x
}

// Key is the cluster's.
func Key() schema.IDKey { return schema.NewIDKey([]byte("line")) }

// RunCallState runs a call-state node on a bus of kind "callstate".
func RunCallState(ctx context.Context, b *bus.Bus, ready func()) error {
	return runCallState(ctx, b, callstate.DefaultConfig(), ready)
}

func runCallState(ctx context.Context, b *bus.Bus, cfg callstate.Config, ready func()) error {
	calls, err := callstate.New(cfg, callstate.Env{
		Bus: b, Terminals: bus.NewTerminals(b), Nodes: nodes(b),
		Leases: bus.NewLeases(b.Driver(), "callstate/"+b.Node()), Log: quiet(),
	})
	if err != nil {
		return err
	}
	return calls.Run(ctx, ready)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func nodes(b *bus.Bus) bus.Nodes { return bus.NewNodes(b, time.Second, 5*time.Second) }

func subscribers() directory.Config {
	cfg := directory.Defaults()
	cfg.Domains, cfg.MatrixServers = []string{"line.test"}, []string{MatrixServer}
	for i := range Pairs {
		for _, kind := range []string{"caller", "called"} {
			id := fmt.Sprint(kind, i)
			cfg.Subscribers = append(cfg.Subscribers, directory.Subscriber{
				ID: id, Addresses: []string{"sip:" + id + "@line.test", Number(kind, i)}, Password: "x",
				Tokens: []string{"token-of-" + id},
			})
		}
	}
	return cfg
}

func (x *Exchange) bus(kind string) *bus.Bus {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cfg := x.NATS.Config()
	cfg.Kind, cfg.Node = kind, "n1"
	c, err := natsbus.Connect(ctx, cfg)
	must(x.tb, err)
	var d bus.Driver = c
	if x.options.Local != nil {
		d = x.options.Local.Wrap(c)
	}
	x.tb.Cleanup(func() { _ = d.Close() })
	b, err := bus.New(d, kind, "n1")
	must(x.tb, err)
	return b
}

// run starts a role and waits until it is ready.
func (x *Exchange) run(what string, f func(context.Context, func()) error) {
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
	case <-time.After(patience):
		x.tb.Fatalf("%s: not ready in time", what)
	}
}

// Number is a subscriber's number.
func Number(side string, pair int) string {
	return fmt.Sprintf("tel:+1202555%d%03d", map[string]int{"caller": 1, "called": 2}[side], pair)
}

// Attach signs all subscribers of one side in ("caller" or "called").
func (x *Exchange) Attach(side string) []*callv1.Terminal {
	var out []*callv1.Terminal
	for i := range Pairs {
		out = append(out, x.AttachOne(side, i))
	}
	return out
}

// AttachOne signs one subscriber in.
func (x *Exchange) AttachOne(side string, pair int) *callv1.Terminal {
	x.tb.Helper()
	t, _, err := x.Host.Attach(context.Background(), &callv1.Terminal{Subscriber: fmt.Sprint(side, pair), Rings: true})
	must(x.tb, err)
	return t
}

// Offer is the command with which a caller calls its pair's called subscriber.
func Offer(pair int, caller *callv1.Terminal) *callv1.Command {
	return &callv1.Command{Body: &callv1.Command_Offer{Offer: &callv1.Offer{
		To: "sip:called" + strconv.Itoa(pair) + "@line.test", Sdp: SDP(), Terminal: caller,
		Caller: &callv1.Party{
			Subscriber: caller.GetSubscriber(), Addresses: []string{"sip:" + caller.GetSubscriber() + "@line.test"},
		},
	}}}
}

// Accept sends a command that has to be carried out, from a leg or, for an
// offer, from none.
func (x *Exchange) Accept(who, leg string, c *callv1.Command) *callv1.Reply {
	var reply *callv1.Reply
	c.Principal, c.LegId = who, leg
	x.Host.Accept(context.Background(), c, kit.Ref{Scope: "line"}, func(r *callv1.Reply, err error) {
		if err != nil {
			x.tb.Errorf("%T: %v", c.GetBody(), err)
		}
		reply = r
	})
	return reply
}

// Next waits for an event that fits; events passed over must be those of media.
func (x *Exchange) Next(from <-chan *callv1.Event, fits func(*callv1.Event) bool) *callv1.Event {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	return x.NextBefore(limit.C, from, fits)
}

// NextBefore is Next with a limit for several events.
func (x *Exchange) NextBefore(limit <-chan time.Time, from <-chan *callv1.Event, fits func(*callv1.Event) bool) *callv1.Event {
	for {
		select {
		case e := <-from:
			if fits(e) {
				return e
			}
			if e.GetEstablished() == nil {
				x.tb.Errorf("out of turn: %v", e)
			}
		case <-limit:
			x.tb.Error("an event did not come")
			runtime.Goexit()
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
