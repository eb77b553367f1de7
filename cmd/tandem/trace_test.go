package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/demo"
	"github.com/tandem-rtc/tandem/schema"
)

// received are the spans that an OTLP receiver was sent, with the role they came
// from.
type received struct {
	collector.UnimplementedTraceServiceServer
	mu    sync.Mutex
	spans []*otlp.Span
	of    map[*otlp.Span]string
}

// Export implements collector.TraceServiceServer.
func (r *received) Export(_ context.Context, q *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range q.GetResourceSpans() {
		service := ""
		for _, a := range rs.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				r.spans, r.of[s] = append(r.spans, s), service
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// named gives the spans as "role: name", and the text of all of them.
func (r *received) named() (names map[string]*otlp.Span, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	names = map[string]*otlp.Span{}
	for _, s := range r.spans {
		side := "asks"
		if s.GetKind() == otlp.Span_SPAN_KIND_SERVER {
			side = "serves"
		}
		names[r.of[s]+" "+side+" "+s.GetName()] = s
		text += fmt.Sprintln(s)
	}
	return names, text
}

func receive(t *testing.T) (r *received, url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r = &received{of: map[*otlp.Span]string{}}
	s := grpc.NewServer()
	collector.RegisterTraceServiceServer(s, r)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() { s.Stop(); <-ended })
	return r, "http://" + l.Addr().String()
}

// A call is one trace, from the caller's adapter over call state, directory and
// media to the called terminal's adapter.
func TestTraceOfACall(t *testing.T) {
	t.Run("one process", func(t *testing.T) {
		traces, url := receive(t)
		traceACall(t, traces, serve(t, "demo=true", "tracing.endpoint="+url))
	})
	// Nothing but the bus is between them.
	t.Run("two processes", func(t *testing.T) {
		traces, url := receive(t)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		nats := l.Addr().String()
		_ = l.Close()
		both := []string{"demo=true", "tracing.endpoint=" + url, "secret=a secret of two processes"}
		serve(t, append(slices.Clone(both), "node=a", "roles=nats,directory,callstate", "nats.listen="+nats)...)
		traceACall(t, traces, serve(t, append(slices.Clone(both), "node=b", "roles=media,sylkrtc,grpcpipe,console", "nats.url=nats://"+nats)...))
	})
}

func traceACall(t *testing.T, traces *received, x *serving) {
	t.Helper()
	c, err := sylkrtctest.Dial(t.Context(), "ws://"+x.Address("sylkrtc")+"/webrtcgateway/ws", sylkrtctest.V2, sylkrtctest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	sdp := offer(t)
	for _, m := range []map[string]any{
		{"sylkrtc": "account-add", "account": "bob@demo.test", "password": sylkrtctest.HA1("bob@demo.test", "demo")},
		{"sylkrtc": "session-create", "account": "bob@demo.test", "session": "s1", "uri": demo.Echo, "sdp": sdp},
	} {
		if err := c.Request(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := c.Next(ctx, func(m sylkrtctest.Message) bool { return m.State == "accepted" }); err != nil {
		t.Fatal(err)
	}
	if err := c.Request(ctx, map[string]any{"sylkrtc": "session-terminate", "session": "s1"}); err != nil {
		t.Fatal(err)
	}

	// Parents, by what is below them.
	below := map[string]string{
		"callstate asks call":                        "",
		"sylkrtc asks command offer":                 "callstate asks call",
		"callstate serves command offer":             "sylkrtc asks command offer",
		"callstate asks directory resolve":           "callstate serves command offer",
		"directory serves directory resolve":         "callstate asks directory resolve",
		"callstate asks media take_offer,make_offer": "callstate serves command offer",
		"media serves media take_offer,make_offer":   "callstate asks media take_offer,make_offer",
		"callstate asks journal commit":              "",
		"callstate asks event incoming":              "callstate asks call",
		"grpcpipe serves event incoming":             "callstate asks event incoming",
		"grpcpipe asks command answer":               "callstate asks call",
		"callstate serves command answer":            "grpcpipe asks command answer",
		"sylkrtc serves event answered":              "callstate asks event answered",
		"sylkrtc asks command hang_up":               "callstate asks call",
		"grpcpipe serves event ended":                "callstate asks event ended",
	}
	var spans map[string]*otlp.Span
	var text string
	complete := func() bool {
		spans, text = traces.named()
		for name := range below {
			if spans[name] == nil {
				return false
			}
		}
		return true
	}
	for !complete() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			for name := range below {
				if spans[name] == nil {
					t.Errorf("no span %q", name)
				}
			}
			for name := range spans {
				t.Log(name)
			}
			t.FailNow()
		}
	}
	call := spans["callstate asks call"]
	id, ok := schema.CanonicalUUID(hex.EncodeToString(call.GetTraceId()))
	if !ok {
		t.Fatalf("the trace's id is %x", call.GetTraceId())
	}
	if _, _, ok := schema.SplitLegID(id); !ok || len(call.GetParentSpanId()) != 0 {
		t.Errorf("the root is %v", call)
	}
	for name, parent := range below {
		s := spans[name]
		if string(s.GetTraceId()) != string(call.GetTraceId()) {
			t.Errorf("%s is of another trace", name)
		}
		if parent != "" && string(s.GetParentSpanId()) != string(spans[parent].GetSpanId()) {
			t.Errorf("%s is not below %s", name, parent)
		}
	}
	for _, secret := range []string{"v=0", "a=ice", "ufrag", "fingerprint", "candidate", "+1202", "demo.test", "bob", "Bob", `"demo"`} {
		if strings.Contains(text, secret) {
			t.Errorf("a trace holds %q", secret)
		}
	}
}
