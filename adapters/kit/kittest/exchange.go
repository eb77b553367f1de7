package kittest

import (
	"context"
	"log/slog"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest/stubmedia"
	"github.com/tandem-rtc/tandem/bus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate"
)

// The exchange rig's times: short, but not for what a test waits through.
const (
	shortRing  = 400 * time.Millisecond
	shortGrace = 200 * time.Millisecond
	heartbeat  = 50 * time.Millisecond
	nodeTTL    = 2 * time.Second
)

// exchange starts a whole exchange, real call state with stub media, and the
// adapter's node.
func (k *rig) exchange() *rig {
	k.t.Helper()
	k.callState = exchangeCallState()
	k.startExchange(ExchangeConfig{})
	k.node = k.start(nodeName)
	return k
}

func exchangeCallState() callstate.Config {
	c := callstate.DefaultConfig()
	c.Grace, c.NodeGrace = shortGrace, shortGrace
	return c
}

// startExchange starts all of an exchange but adapters.
func (k *rig) startExchange(c ExchangeConfig) {
	k.t.Helper()
	k.journal = k.identity("journal", "j1")
	k.useTables()
	b := k.identity(stubmedia.Kind, mediaNode)
	nodes := bus.NewNodes(b, heartbeat, nodeTTL)
	serve := func(ctx context.Context, ready func()) error { return c.Media(ctx, b, nodes, ready) }
	if c.Media == nil {
		k.media = stubmedia.New(b, c.Stub)
		serve = func(ctx context.Context, ready func()) error { return k.media.Run(ctx, nodes, ready) }
	}
	k.background("the media node", serve)
	k.stopCallState = k.startCallState()
}

// useTables makes the tables those that call state sees.
func (k *rig) useTables() {
	b := k.identity("tables", "t1")
	k.tables.next = bus.NewTerminals(b)
	k.tables.real = true
}

func (k *rig) startCallState() (stop func()) {
	k.t.Helper()
	b := k.identity("callstate", "c1")
	s, err := callstate.New(k.callState, callstate.Env{
		Bus: b, Terminals: bus.NewTerminals(b), Nodes: bus.NewNodes(b, heartbeat, nodeTTL),
		Leases: bus.NewLeases(b.Driver(), "callstate/c1"),
		Log:    slog.New(slog.NewTextHandler(k.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		k.t.Fatalf("kittest: %v", err)
	}
	return k.background("call state", s.Run)
}

// restartCallState stops call state and starts it again, as an upgrade does.
func (k *rig) restartCallState() {
	k.t.Helper()
	k.stopCallState()
	k.stopCallState = k.startCallState()
}

// background runs a service until the test ends or stop is called.
func (k *rig) background(what string, run func(ctx context.Context, ready func()) error) (stop func()) {
	k.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = run(ctx, func() { close(ready) })
	}()
	stop = func() { cancel(); <-ended }
	k.t.Cleanup(stop)
	select {
	case <-ready:
	case <-ended:
		k.t.Fatalf("%s: %v", what, err)
	case <-time.After(k.h.Patience):
		k.t.Fatalf("%s was not ready in time", what)
	}
	return stop
}

// says waits for the next thing a call says that is more than a formality of the
// wire: what is only told by some is passed over.
func (k *rig) says(c Call) Heard {
	k.t.Helper()
	for {
		heard := k.hears(c)
		if heard.What != Acked && heard.What != Accepted {
			return heard
		}
	}
}

// expects requires what a call says next, in full.
func (k *rig) expects(c Call, what What) Heard {
	k.t.Helper()
	heard := k.says(c)
	if heard.What != what {
		k.t.Fatalf("heard %+v; want: %s", heard, what)
	}
	return heard
}

// calls has one terminal call another's account, which rings.
func (k *rig) calls(from Client, to Account, at Client) (placed, rings Call) {
	k.t.Helper()
	placed, err := from.Call(k.ctx(), to, SDP("the caller's offer"))
	if err != nil {
		k.t.Fatalf("call: %v", err)
	}
	return placed, k.ringing(at)
}

// ringing waits for a terminal's incoming call.
func (k *rig) ringing(at Client) Call {
	k.t.Helper()
	rings, err := at.Incoming(k.ctx())
	if err != nil {
		k.t.Fatalf("it does not ring: %v", err)
	}
	return rings
}

// talk answers a ringing call and waits until media is up on both sides.
func (k *rig) talk(placed, rings Call) {
	k.t.Helper()
	if k.can(Rings) {
		if err := rings.Ring(k.ctx()); err != nil {
			k.t.Fatalf("ring: %v", err)
		}
		if k.can(HearsAlerting) {
			k.expects(placed, Alerting)
		}
	}
	if err := rings.Answer(k.ctx(), SDP("the called's answer")); err != nil {
		k.t.Fatalf("answer: %v", err)
	}
	if heard := k.expects(placed, Answered); heard.SDP == "" {
		k.t.Errorf("the answer has no description")
	}
	if k.can(HearsEstablished) {
		k.expects(placed, Established)
		k.expects(rings, Established)
	}
}

// ends requires that a call says it is over, and why.
func (k *rig) ends(c Call, why callv1.Reason) {
	k.t.Helper()
	heard := k.expects(c, Ended)
	if want := k.h.Protocol.shows(why); heard.Reason != want {
		k.t.Errorf("the end was heard as %s, want %s for %s", heard.Reason, want, why)
	}
}

func (k *rig) hangUp(c Call) {
	k.t.Helper()
	if err := c.HangUp(k.ctx()); err != nil {
		k.t.Fatalf("hang up: %v", err)
	}
}
