package media

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

// patience is the longest that a test waits for anything.
const patience = 10 * time.Second

// rig is a media node on an in-memory bus, with a call state that only notes
// facts.
type rig struct {
	t     testing.TB
	s     *Service
	owner *bus.Bus
	other *bus.Bus
	facts chan *callv1.Command

	mu    sync.Mutex
	reply func(*callv1.Command) *callv1.Reply
	stop  func()
}

func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	cfg := Config{Listen: "127.0.0.1:0"}
	for _, f := range change {
		f(&cfg)
	}
	server := membus.NewServer()
	connect := func(kind, node string) *bus.Bus {
		b, err := bus.New(server.Connect(), kind, node)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	r := &rig{t: t, owner: connect("callstate", "c1"), other: connect("sylkrtc", "s1"), facts: make(chan *callv1.Command, 64)}
	for p := range uint32(schema.Partitions) {
		sub, err := r.owner.ServeCommands(p, func(_ *callv1.Identity, _ string, c *callv1.Command, respond func(*callv1.Reply)) {
			r.mu.Lock()
			f := r.reply
			r.mu.Unlock()
			reply := &callv1.Reply{CommandId: c.GetId()}
			if f != nil {
				reply = f(c)
			}
			r.facts <- c
			respond(reply)
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(sub.Stop)
	}
	b := connect("media", "m1")
	var out io.Writer = io.Discard
	if os.Getenv("MEDIA_TEST_LOG") != "" {
		out = os.Stderr
	}
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := New(cfg, Env{Bus: b, Nodes: bus.NewNodes(b, 50*time.Millisecond, time.Second), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	r.s = s
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			if err := wait(done); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(r.stop)
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("Run: %v", err)
	case <-time.After(patience):
		t.Fatal("not ready")
	}
	return r
}

func wait[T any](c <-chan T) (v T) {
	select {
	case v = <-c:
	case <-time.After(patience):
	}
	return v
}

// until waits for a condition.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func closedIn(t testing.TB, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("not in time: %s", what)
	}
}

// call is a call's ids.
type call struct{ id string }

func newCall() call {
	return call{schema.NewIDKey([]byte("test")).NewCallID("s", "t")}
}

func (c call) leg(ordinal uint32) string { return schema.LegID(c.id, ordinal) }

// do sends a command.
func (r *rig) do(c call, id string, epoch uint64, ops ...*callv1.MediaOp) *callv1.MediaReply {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	reply, err := r.owner.Media(ctx, "m1", &callv1.MediaCommand{Id: id, CallId: c.id, Epoch: epoch, Ops: ops})
	if err != nil {
		r.t.Fatalf("media command: %v", err)
	}
	return reply
}

// must sends a command whose operations succeed, and gives their results.
func (r *rig) must(c call, ops ...*callv1.MediaOp) []*callv1.MediaResult {
	r.t.Helper()
	reply := r.do(c, schema.NewID(), 1, ops...)
	if reply.GetError() != nil {
		r.t.Fatalf("command refused: %v", reply.GetError())
	}
	for _, result := range reply.GetResults() {
		if result.GetError() != nil {
			r.t.Fatalf("operation refused: %v", result.GetError())
		}
	}
	if len(reply.GetResults()) != len(ops) {
		r.t.Fatalf("%d results for %d operations", len(reply.GetResults()), len(ops))
	}
	return reply.GetResults()
}

// code gives what a command was refused with.
func code(reply *callv1.MediaReply) callv1.Code {
	if reply.GetError() != nil {
		return reply.GetError().GetCode()
	}
	n := len(reply.GetResults())
	if n == 0 {
		return callv1.Code_CODE_UNSPECIFIED
	}
	return reply.GetResults()[n-1].GetError().GetCode()
}

func opTakeOffer(leg string, sdp string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Revision: 1, Op: &callv1.MediaOp_TakeOffer{TakeOffer: &callv1.TakeOffer{Sdp: sdp}}}
}

func opMakeOffer(leg, from string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Revision: 1, Op: &callv1.MediaOp_MakeOffer{MakeOffer: &callv1.MakeOffer{FromLegId: from}}}
}

func opTakeAnswer(leg, sdp string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Revision: 1, Op: &callv1.MediaOp_TakeAnswer{TakeAnswer: &callv1.TakeAnswer{Sdp: sdp}}}
}

func opMakeAnswer(leg, peer string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Revision: 1, Op: &callv1.MediaOp_MakeAnswer{MakeAnswer: &callv1.MakeAnswer{PeerLegId: peer}}}
}

func opBridge(leg, peer string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Op: &callv1.MediaOp_Bridge{Bridge: &callv1.Bridge{PeerLegId: peer}}}
}

func opKeep(leg string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Op: &callv1.MediaOp_Keep{Keep: &callv1.Keep{}}}
}

func opRelease(leg string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Op: &callv1.MediaOp_Release{Release: &callv1.Release{}}}
}

func opReport(leg string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Op: &callv1.MediaOp_Report{Report: &callv1.Report{}}}
}

func revised(op *callv1.MediaOp, revision uint32) *callv1.MediaOp {
	op.Revision = revision
	return op
}

// client makes a terminal that ends with the test.
func client(t testing.TB, o mediatest.Options) *mediatest.Client {
	t.Helper()
	c, err := mediatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func check[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// connect sets up a call between two terminals and waits until both are up.
func (r *rig) connect(c call, a, b *mediatest.Client) {
	r.t.Helper()
	r.setUp(c, a, b)
	closedIn(r.t, "caller connected", a.Connected())
	closedIn(r.t, "callee connected", b.Connected())
	for range 2 {
		if f := wait(r.facts); f.GetMediaConnected() == nil {
			r.t.Fatalf("fact %v", f)
		}
	}
}

func (r *rig) setUp(c call, a, b *mediatest.Client) {
	r.t.Helper()
	offer := check[string](r.t)(a.Offer())
	results := r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)), opKeep(c.leg(1)), opKeep(c.leg(2)))
	answer := check[string](r.t)(b.Answer(results[1].GetSdp()))
	results = r.must(c, opTakeAnswer(c.leg(2), answer), opMakeAnswer(c.leg(1), c.leg(2)), opBridge(c.leg(1), c.leg(2)))
	if err := a.Take(results[1].GetSdp()); err != nil {
		r.t.Fatal(err)
	}
}

// send keeps sending a track's packets until the test ends.
func send(t testing.TB, c *mediatest.Client, id string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	run := c.Sender(id, 160, 10*time.Millisecond, 480)
	go func() {
		defer close(done)
		_ = run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
}
