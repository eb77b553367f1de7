package stubmedia_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest/stubmedia"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

const ok = callv1.Code_CODE_UNSPECIFIED

const terminalSDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 63 109\r\na=mid:a\r\na=rtpmap:63 red/48000/2\r\na=rtpmap:109 opus/48000/2\r\n"

// rig is an engine and two legs of a call.
type rig struct {
	t          *testing.T
	e          *stubmedia.Engine
	broker     *membus.Server
	call, a, b string
	epoch      uint64
}

func newRig(t *testing.T, cfg stubmedia.Config) *rig {
	r := &rig{t: t, broker: membus.NewServer(), epoch: 1}
	b, err := bus.New(r.broker.Connect(), stubmedia.Kind, "m1")
	if err != nil {
		t.Fatal(err)
	}
	r.e = stubmedia.New(b, cfg)
	r.call = schema.NewIDKey([]byte("test")).NewCallID("alice", "test")
	r.a, r.b = schema.LegID(r.call, 1), schema.LegID(r.call, 2)
	return r
}

// do carries out operations as one command, and requires the last one's code.
func (r *rig) do(id string, want callv1.Code, ops ...*callv1.MediaOp) *callv1.MediaResult {
	r.t.Helper()
	reply := r.e.Serve(&callv1.MediaCommand{Id: id, CallId: r.call, Epoch: r.epoch, Ops: ops})
	if len(reply.GetResults()) == 0 {
		r.t.Fatalf("%s: no result: %v", id, reply)
	}
	last := reply.GetResults()[len(reply.GetResults())-1]
	if last.GetError().GetCode() != want {
		r.t.Fatalf("%s: %v, want %s", id, last.GetError(), want)
	}
	return last
}

func takeOffer(leg string, revision uint32, sdp string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Revision: revision, Op: &callv1.MediaOp_TakeOffer{TakeOffer: &callv1.TakeOffer{Sdp: sdp}}}
}

func makeOffer(leg string, revision uint32, from string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Revision: revision, Op: &callv1.MediaOp_MakeOffer{MakeOffer: &callv1.MakeOffer{FromLegId: from}}}
}

func takeAnswer(leg string, revision uint32, sdp string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Revision: revision, Op: &callv1.MediaOp_TakeAnswer{TakeAnswer: &callv1.TakeAnswer{Sdp: sdp}}}
}

func makeAnswer(leg string, revision uint32, peer string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Revision: revision, Op: &callv1.MediaOp_MakeAnswer{MakeAnswer: &callv1.MakeAnswer{PeerLegId: peer}}}
}

func bridge(leg, peer string) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Op: &callv1.MediaOp_Bridge{Bridge: &callv1.Bridge{PeerLegId: peer}}}
}

func plain(leg string, op string) *callv1.MediaOp {
	o := &callv1.MediaOp{LegId: leg}
	switch op {
	case "keep":
		o.Op = &callv1.MediaOp_Keep{Keep: &callv1.Keep{}}
	case "release":
		o.Op = &callv1.MediaOp_Release{Release: &callv1.Release{}}
	case "report":
		o.Op = &callv1.MediaOp_Report{Report: &callv1.Report{}}
	}
	return o
}

func TestACall(t *testing.T) {
	r := newRig(t, stubmedia.Config{Connects: stubmedia.OnDemand})
	made := r.do("offer", ok, takeOffer(r.a, 1, terminalSDP), makeOffer(r.b, 1, r.a))
	if !strings.Contains(made.GetSdp(), "m=audio 9 ") || !strings.Contains(made.GetSdp(), "a=candidate:") || made.GetSkeleton() == nil {
		t.Errorf("made: %v", made)
	}
	r.do("keep", ok, plain(r.a, "keep"), plain(r.b, "keep"))
	answered := r.e.Serve(&callv1.MediaCommand{Id: "answer", CallId: r.call, Epoch: 1, Ops: []*callv1.MediaOp{
		takeAnswer(r.b, 1, terminalSDP), makeAnswer(r.a, 1, r.b), bridge(r.a, r.b),
	}}).GetResults()
	if len(answered) != 3 {
		t.Fatalf("answered: %v", answered)
	}
	sdp := answered[1].GetSdp()
	for _, want := range []string{"m=video 0 UDP/TLS/RTP/SAVPF 96\r\n", "a=mid:v\r\n", "m=audio 9 UDP/TLS/RTP/SAVPF 109\r\n", "a=mid:a\r\n", "a=group:BUNDLE a\r\n"} {
		if !strings.Contains(sdp, want) {
			t.Errorf("the answer has no %q:\n%s", want, sdp)
		}
	}
	r.do("release", ok, plain(r.a, "release"), plain(r.b, "release"), plain("unknown", "release"))
	if r.e.Legs() != 0 {
		t.Errorf("%d legs are left", r.e.Legs())
	}
}

func TestWhatComesOutOfOrderIsRefused(t *testing.T) {
	r := newRig(t, stubmedia.Config{Connects: stubmedia.OnDemand})
	const conflict, notFound = callv1.Code_CODE_CONFLICT, callv1.Code_CODE_NOT_FOUND
	r.do("1", notFound, takeAnswer(r.a, 1, terminalSDP))
	r.do("2", notFound, makeAnswer(r.a, 1, r.b))
	r.do("3", notFound, makeOffer(r.b, 1, r.a))
	r.do("4", notFound, bridge(r.a, r.b))
	r.do("5", notFound, plain(r.a, "keep"))
	r.do("6", callv1.Code_CODE_NOT_ACCEPTABLE, takeOffer(r.a, 1, strings.Replace(terminalSDP, "m=audio 9", "m=audio 0", 1)))
	r.do("7", callv1.Code_CODE_INVALID, takeOffer(r.a, 0, terminalSDP))
	r.do("8", ok, takeOffer(r.a, 1, terminalSDP))
	r.do("9", conflict, takeAnswer(r.a, 1, terminalSDP))
	r.do("10", conflict, takeOffer(r.a, 2, terminalSDP)) // the first has no answer
	r.do("11", ok, makeOffer(r.b, 1, r.a))
	r.do("12", conflict, makeAnswer(r.b, 1, r.a))
	r.do("13", conflict, takeAnswer(r.b, 2, terminalSDP))
	r.do("14", ok, takeAnswer(r.b, 1, terminalSDP), makeAnswer(r.a, 1, r.b))
	r.do("15", ok, takeOffer(r.a, 2, terminalSDP), makeAnswer(r.a, 2, r.b))
	r.do("16", conflict, takeOffer(r.a, 1, terminalSDP))
}

func TestARevisionIsBoundToItsContent(t *testing.T) {
	r := newRig(t, stubmedia.Config{})
	first := r.do("offer", ok, takeOffer(r.a, 1, terminalSDP), makeOffer(r.b, 1, r.a))
	again := r.do("offer", ok, takeOffer(r.a, 1, terminalSDP), makeOffer(r.b, 1, r.a))
	if first.GetSdp() != again.GetSdp() {
		t.Error("a repeated command got another description")
	}
	r.do("another", callv1.Code_CODE_CONFLICT, takeOffer(r.a, 1, terminalSDP+"a=other\r\n"))
}

func TestEpochs(t *testing.T) {
	r := newRig(t, stubmedia.Config{})
	r.epoch = 5
	r.do("1", ok, takeOffer(r.a, 1, terminalSDP))
	r.epoch = 4
	r.do("2", callv1.Code_CODE_CONFLICT, takeOffer(r.a, 1, terminalSDP))
	r.epoch = 6 // what nobody committed is replaced
	r.do("3", ok, takeOffer(r.a, 1, terminalSDP+"a=other\r\n"))
	r.do("4", ok, plain(r.a, "keep"))
	r.epoch = 7 // what was committed is not
	r.do("5", callv1.Code_CODE_CONFLICT, takeOffer(r.a, 1, terminalSDP))
}

func TestLegsThatNobodyKeepsExpire(t *testing.T) {
	r := newRig(t, stubmedia.Config{Expire: 20 * time.Millisecond})
	r.do("1", ok, takeOffer(r.a, 1, terminalSDP))
	r.do("2", ok, takeOffer(r.b, 1, terminalSDP), plain(r.b, "keep"))
	deadline := time.Now().Add(10 * time.Second)
	for r.e.Legs() != 1 && time.Now().Before(deadline) {
		r.do("3", ok, plain(r.b, "report"))
	}
	if r.e.Legs() != 1 {
		t.Errorf("%d legs are left", r.e.Legs())
	}
}

func TestItFailsOnDemand(t *testing.T) {
	r := newRig(t, stubmedia.Config{
		Fail: func(_ string, op *callv1.MediaOp) *callv1.Error {
			if op.GetMakeOffer() != nil {
				return &callv1.Error{Code: callv1.Code_CODE_NOT_ACCEPTABLE}
			}
			return nil
		},
		Refuse: func(c *callv1.MediaCommand) *callv1.Error {
			if c.GetId() == "too much" {
				return &callv1.Error{Code: callv1.Code_CODE_OVERLOAD}
			}
			return nil
		},
	})
	r.do("1", callv1.Code_CODE_NOT_ACCEPTABLE, takeOffer(r.a, 1, terminalSDP), makeOffer(r.b, 1, r.a), plain(r.a, "keep"))
	if reply := r.e.Serve(&callv1.MediaCommand{Id: "too much"}); reply.GetError().GetCode() != callv1.Code_CODE_OVERLOAD {
		t.Errorf("refused with %v", reply)
	}
}

func TestItIsAMediaNode(t *testing.T) {
	r := newRig(t, stubmedia.Config{})
	owner, err := bus.New(r.broker.Connect(), "callstate", "c1")
	if err != nil {
		t.Fatal(err)
	}
	connected := make(chan *callv1.Command, 16)
	tries := 0
	_, err = owner.ServeCommands(schema.Partition(r.call), func(from *callv1.Identity, _ string, c *callv1.Command, respond func(*callv1.Reply)) {
		if from.GetKind() != stubmedia.Kind || from.GetNode() != "m1" {
			t.Errorf("reported by %v", from)
		}
		if tries++; tries == 1 { // it says so until it is heard
			respond(&callv1.Reply{Error: &callv1.Error{Code: callv1.Code_CODE_RETRY}})
			return
		}
		respond(&callv1.Reply{})
		connected <- c
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	running, stop := context.WithCancel(ctx)
	ready, ended := make(chan struct{}), make(chan error, 1)
	nodes := bus.NewNodes(owner, 20*time.Millisecond, time.Second)
	b, err := bus.New(r.broker.Connect(), stubmedia.Kind, "m1")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		ended <- r.e.Run(running, bus.NewNodes(b, 20*time.Millisecond, time.Second), func() { close(ready) })
	}()
	<-ready
	up := make(chan bus.Node, 16)
	watching, unwatch := context.WithCancel(ctx)
	go func() {
		_ = nodes.Watch(watching, func(n bus.Node, alive bool) {
			if alive {
				up <- n
			}
		}, func() {})
	}()
	if n := <-up; n.Kind != stubmedia.Kind || n.Node != "m1" {
		t.Errorf("announced: %+v", n)
	}
	unwatch()

	reply, err := owner.Media(ctx, "m1", &callv1.MediaCommand{Id: "offer", CallId: r.call, Epoch: 1, Ops: []*callv1.MediaOp{
		takeOffer(r.a, 1, terminalSDP), makeOffer(r.b, 1, r.a), takeAnswer(r.b, 1, terminalSDP), makeAnswer(r.a, 1, r.b),
	}})
	if err != nil || len(reply.GetResults()) != 4 {
		t.Fatal(reply, err)
	}
	seen := map[string]bool{}
	for range 2 {
		select {
		case c := <-connected:
			seen[c.GetLegId()] = true
			if c.GetMediaConnected().GetRevision() != 1 || c.GetCallId() != r.call {
				t.Errorf("reported: %v", c)
			}
		case <-ctx.Done():
			t.Fatal("the legs were not reported as connected")
		}
	}
	if !seen[r.a] || !seen[r.b] {
		t.Errorf("reported: %v", seen)
	}
	if err := r.e.Fail(ctx, r.a, "gone"); err != nil {
		t.Error(err)
	}
	if c := <-connected; c.GetMediaFailed().GetDetail() != "gone" {
		t.Errorf("reported: %v", c)
	}
	if err := r.e.Connect(ctx, "unknown"); schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		t.Errorf("an unknown leg: %v", err)
	}
	signals := make(chan *callv1.Signal, 1)
	r.e.OnSignal(func(s *callv1.Signal) { signals <- s })
	if err := owner.Signal("m1", &callv1.Signal{LegId: r.a, Principal: "alice"}); err != nil {
		t.Fatal(err)
	}
	if s := <-signals; s.GetLegId() != r.a {
		t.Errorf("signal: %v", s)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func BenchmarkCall(b *testing.B) {
	broker := membus.NewServer()
	mine, err := bus.New(broker.Connect(), stubmedia.Kind, "m1")
	if err != nil {
		b.Fatal(err)
	}
	e := stubmedia.New(mine, stubmedia.Config{Connects: stubmedia.OnDemand})
	key := schema.NewIDKey([]byte("bench"))
	call := key.NewCallID("alice", "bench")
	one, two := schema.LegID(call, 1), schema.LegID(call, 2)
	b.ReportAllocs()
	for b.Loop() {
		for id, ops := range map[string][]*callv1.MediaOp{
			"offer": {takeOffer(one, 1, terminalSDP), makeOffer(two, 1, one)},
		} {
			e.Serve(&callv1.MediaCommand{Id: id, CallId: call, Epoch: 1, Ops: ops})
		}
		e.Serve(&callv1.MediaCommand{Id: "answer", CallId: call, Epoch: 1, Ops: []*callv1.MediaOp{
			takeAnswer(two, 1, terminalSDP), makeAnswer(one, 1, two), bridge(one, two),
		}})
		e.Serve(&callv1.MediaCommand{Id: "end", CallId: call, Epoch: 1, Ops: []*callv1.MediaOp{plain(one, "release"), plain(two, "release")}})
	}
}
