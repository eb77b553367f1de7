package bus_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// notes is a Tracer that remembers.
type notes struct {
	mu    sync.Mutex
	spans []bus.Span
}

func (n *notes) Trace(s bus.Span) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.spans = append(n.spans, s)
}

func (n *notes) take() []bus.Span {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.spans
	n.spans = nil
	return s
}

func TestTraces(t *testing.T) {
	server := membus.NewServer()
	var asking, serving notes
	on := func(kind string, n *notes) *bus.Bus {
		d := server.Connect()
		t.Cleanup(func() { _ = d.Close() })
		b, err := bus.New(d, kind, "n1")
		if err != nil {
			t.Fatal(err)
		}
		return b.Traced(n)
	}
	adapter, owner := on("sylkrtc", &asking), on("callstate", &serving)
	call := schema.NewIDKey([]byte("a secret of a test")).CallID("a", "b", "c")
	leg := schema.LegID(call, 1)

	code := callv1.Code_CODE_RETRY
	if _, err := owner.ServeCommands(schema.Partition(call), func(_ *callv1.Identity, _ string, c *callv1.Command, respond func(*callv1.Reply)) {
		respond(&callv1.Reply{CommandId: c.GetId(), Error: &callv1.Error{Code: code}})
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c := &callv1.Command{Id: "c1", CallId: call, LegId: leg, Body: &callv1.Command_Offer{Offer: &callv1.Offer{Sdp: "v=0"}}}
	for _, want := range []struct {
		code    callv1.Code
		outcome string
		final   bool
	}{{callv1.Code_CODE_RETRY, "retry", false}, {callv1.Code_CODE_BUSY, "busy", true}} {
		code = want.code
		if _, err := adapter.Command(ctx, c); err != nil {
			t.Fatal(err)
		}
		for who, n := range map[string]*notes{"asking": &asking, "serving": &serving} {
			spans := n.take()
			if len(spans) != 1 {
				t.Fatalf("%s: %+v", who, spans)
			}
			s := spans[0]
			if s.Part != bus.PartCommand || s.Name != "offer" || s.Call != call || s.Leg != leg || s.ID != "c1" ||
				s.Outcome != want.outcome || s.Final != want.final || s.Served != (who == "serving") || s.Ended.Before(s.Began) {
				t.Errorf("%s: %+v", who, s)
			}
		}
	}

	// What nobody serves is told by who asks.
	e := &callv1.Event{CallId: call, LegId: leg, Number: 3, TerminalId: "t", Body: &callv1.Event_Alerting{Alerting: &callv1.Alerting{}}}
	if _, err := owner.Event(ctx, "sylkrtc", "n1", e); !errors.Is(err, bus.ErrNoResponders) {
		t.Fatal(err)
	}
	if s := serving.take(); len(s) != 1 || s[0].Part != bus.PartEvent || s[0].Name != "alerting" || s[0].Outcome != "no-responders" || s[0].Final {
		t.Errorf("%+v", s)
	}

	// Questions and commits under a command are its.
	var asked notes
	if _, err := on("directory", &asked).ServeDirectory(func(_ *callv1.Identity, _ *callv1.DirectoryRequest, respond func(*callv1.DirectoryReply)) {
		respond(&callv1.DirectoryReply{Error: &callv1.Error{Code: callv1.Code_CODE_NOT_FOUND}})
	}); err != nil {
		t.Fatal(err)
	}
	about := owner.About(ctx, call, "c1")
	_, err := owner.Ask(about, &callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Resolve{Resolve: &callv1.Resolve{Address: "tel:+1"}}})
	if schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		t.Fatal(err)
	}
	for _, n := range []*notes{&serving, &asked} {
		s := n.take()
		if len(s) != 1 || s[0].Part != bus.PartDirectory || s[0].Name != "resolve" || s[0].Call != call || s[0].Command != "c1" || s[0].Outcome != "not-found" {
			t.Errorf("%+v", s)
		}
	}
	if _, err := owner.Records().Commit(about, bus.Write{Subject: schema.RecordSubject(call, "a", "b"), Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if s := serving.take(); len(s) != 1 || s[0].Part != bus.PartJournal || s[0].Call != call || s[0].Command != "c1" || s[0].Outcome != "ok" {
		t.Errorf("%+v", s)
	}

	// A media command names its cause.
	_, _ = owner.Media(ctx, "m1", &callv1.MediaCommand{Id: "c1'/after", CallId: call, Ops: []*callv1.MediaOp{{LegId: leg, Op: &callv1.MediaOp_Keep{}}}})
	if s := serving.take(); len(s) != 1 || s[0].Name != "keep" || s[0].Command != "c1" {
		t.Errorf("%+v", s)
	}
}

// Without a tracer nothing is prepared for one.
func TestNobodyTraces(t *testing.T) {
	d := membus.NewServer().Connect()
	defer func() { _ = d.Close() }()
	b, err := bus.New(d, "callstate", "n1")
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if b.Tracing() || b.About(t.Context(), "call", "command") != t.Context() {
			t.Error("somebody traces")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
