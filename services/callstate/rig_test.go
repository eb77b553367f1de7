package callstate_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate"
)

// patience bounds every wait of these tests.
const patience = 10 * time.Second

// rig is an exchange on the bus in memory: the real directory and call state,
// a media node that only describes, and adapter nodes that a test steers.
type rig struct {
	t      *testing.T
	server *membus.Server
	key    schema.IDKey
	cfg    callstate.Config
	media  *mediaNode
	dir    *phoneBook
	// metrics of the call-state node; nil for none.
	metrics callstate.Metrics
	// log of the call-state node; nil for none.
	log *slog.Logger
	// service is the call-state node that was started last.
	service *callstate.Service
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, server: membus.NewServer(), key: schema.NewIDKey([]byte("test")), cfg: callstate.DefaultConfig()}
	r.cfg.NodeGrace = 50 * time.Millisecond
	r.dir = r.startDirectory()
	r.media = r.startMedia("m1")
	return r
}

// bus connects an identity; it is closed with the test.
func (r *rig) bus(kind, node string) *bus.Bus {
	d := r.server.Connect()
	b, err := bus.New(d, kind, node)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = d.Close() })
	return b
}

// background runs f until the test ends, or until the func returned is called.
func (r *rig) background(f func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); <-done }) }
	r.t.Cleanup(stop)
	return stop
}

// startCallState runs a node; kill drops its connection as kill -9 would.
func (r *rig) startCallState(wrap func(bus.Driver) bus.Driver) (kill func()) {
	d := r.server.Connect()
	used := d
	if wrap != nil {
		used = wrap(d)
	}
	b, err := bus.New(used, "callstate", "c1")
	if err != nil {
		r.t.Fatal(err)
	}
	log := r.log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s, err := callstate.New(r.cfg, callstate.Env{
		Bus: b, Terminals: bus.NewTerminals(b), Nodes: bus.NewNodes(b, 20*time.Millisecond, patience),
		Leases: bus.NewLeases(used, "callstate/c1"), Log: log,
		Metrics: r.metrics,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.service = s
	ready := make(chan struct{})
	stop := r.background(func(ctx context.Context) {
		if err := s.Run(ctx, func() { close(ready) }); err != nil && ctx.Err() == nil {
			r.t.Logf("call state: %v", err)
		}
	})
	wait(r.t, ready, "call state")
	return func() {
		_ = d.Close()
		stop()
	}
}

// connected reports a leg's media as up and waits for the owner's word.
func (r *rig) connected(callID, legID string, revision uint32) {
	r.t.Helper()
	c := &callv1.Command{Id: schema.NewID(), CallId: callID, LegId: legID, Body: &callv1.Command_MediaConnected{
		MediaConnected: &callv1.MediaConnected{Revision: revision},
	}}
	if reply := r.send(r.media.b, c); reply.GetError() != nil {
		r.t.Fatalf("media connected: %v", reply.GetError())
	}
}

// send sends a command, again and again while nobody answers, as a host does.
func (r *rig) send(b *bus.Bus, c *callv1.Command) *callv1.Reply {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		try, stop := context.WithTimeout(ctx, 500*time.Millisecond)
		reply, err := b.Command(try, c)
		stop()
		if err == nil && reply.GetError().GetCode() != callv1.Code_CODE_RETRY {
			return reply
		}
		select {
		case <-ctx.Done():
			r.t.Fatalf("no reply to %T: %v %v", c.GetBody(), err, reply)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func wait(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s: not in time", what)
	}
}
