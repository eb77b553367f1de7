package kittest

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest/stubmedia"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate"
)

// Exchange is a whole exchange in this process, on a bus in memory: the kit's
// directory, real call state, media, and nodes of any adapters side by side. It is
// for tests that have terminals of different protocols call each other. Its methods
// fail the test where something does not work; they may be called from the test's
// goroutine alone unless they say otherwise.
type Exchange struct{ k *rig }

// ExchangeConfig says how an exchange differs from the plain one.
type ExchangeConfig struct {
	// CallState is call state's configuration. nil: the defaults, with a grace of
	// 200 ms.
	CallState *callstate.Config
	// Media serves as the media node, whose bus (of kind "media") and table it is
	// given, until ctx ends, and calls ready once it does. nil: the stub engine.
	Media func(ctx context.Context, b *bus.Bus, nodes bus.Nodes, ready func()) error
	// Stub is the stub engine's configuration.
	Stub stubmedia.Config
	// Directory is asked before the kit's own directory; where it gives nil, that
	// answers. It is called from any goroutine and must not block. nil: not asked.
	Directory func(*callv1.DirectoryRequest) *callv1.DirectoryReply
	// Patience is how long to wait for what must happen. 10 s.
	Patience time.Duration
}

// NewExchange starts an exchange, without any adapter. All of it ends with the test,
// adapters first.
func NewExchange(t T, c ExchangeConfig) *Exchange {
	t.Helper()
	if c.Patience <= 0 {
		c.Patience = defaultPatience
	}
	k := newRig(t, Harness{Patience: c.Patience})
	k.dir.first(c.Directory)
	k.callState = exchangeCallState()
	if c.CallState != nil {
		k.callState = *c.CallState
	}
	k.startExchange(c)
	return &Exchange{k}
}

// Node runs one node of an adapter; name is unique among the nodes of its kind.
func (x *Exchange) Node(name string, n Node) *ExchangeNode {
	x.k.t.Helper()
	return &ExchangeNode{x, x.k.run(name, n)}
}

// ExchangeNode is a running node of an adapter.
type ExchangeNode struct {
	x *Exchange
	r *running
}

// SignIn connects a terminal of an account and waits until it is attached. The
// client is closed with the test.
func (n *ExchangeNode) SignIn(a Account) (Client, *callv1.Terminal) {
	n.x.k.t.Helper()
	return n.x.k.signInAt(n.r, a)
}

// Dial connects a client that has not signed in. It is closed with the test.
func (n *ExchangeNode) Dial() Client {
	n.x.k.t.Helper()
	return n.x.k.dialNode(n.r)
}

// Stop drains the node and ends it.
func (n *ExchangeNode) Stop() { n.r.stop(n.x.k.t) }

// RestartCallState stops call state and starts it again, as an upgrade does.
func (x *Exchange) RestartCallState() { x.k.t.Helper(); x.k.restartCallState() }

// Bus makes a bus connection of an identity of the test's own.
func (x *Exchange) Bus(kind, node string) *bus.Bus { x.k.t.Helper(); return x.k.identity(kind, node) }

// Broker is the bus's broker, to be restarted.
func (x *Exchange) Broker() *membus.Server { return x.k.broker }

// Media is the stub engine; nil if another serves.
func (x *Exchange) Media() *stubmedia.Engine { return x.k.media }

// Terminals gives the terminals of a subscriber that are attached. It may be called
// from any goroutine.
func (x *Exchange) Terminals(subscriber string) []*callv1.Terminal { return x.k.tables.of(subscriber) }

// Detached waits until a terminal is out of the table.
func (x *Exchange) Detached(t *callv1.Terminal) { x.k.t.Helper(); x.k.detached(t) }

// Log is what the nodes and call state have logged so far.
func (x *Exchange) Log() string { return x.k.log.String() }

// Records gives the records of all calls in the journal. It may be called from any
// goroutine.
func (x *Exchange) Records(ctx context.Context) ([]*callv1.CallRecord, error) {
	return x.k.records(ctx)
}

func (k *rig) records(ctx context.Context) ([]*callv1.CallRecord, error) {
	var all []*callv1.CallRecord
	var broken error
	err := k.journal.Records().Scan(ctx, schema.AllRecordsFilter, func(r bus.Record) bool {
		c := &callv1.CallRecord{}
		if broken = proto.Unmarshal(r.Data, c); broken == nil && c.GetId() != "" {
			all = append(all, c)
		}
		return broken == nil
	})
	return all, errors.Join(err, broken)
}

// NoGoroutinesLeft requires that, when all else of the test has been cleaned up, no
// goroutine is left that does not run now. It is called before anything is started,
// and not in parallel tests.
func NoGoroutinesLeft(t T) {
	t.Helper()
	noneLeft(t, defaultPatience/2)
}

func noneLeft(t T, patience time.Duration) {
	before := goroutines()
	t.Cleanup(func() { // runs last
		if left := leftOver(before, patience); left != nil {
			t.Errorf("goroutines were left behind:\n%s", strings.Join(left, "\n\n"))
		}
	})
}
