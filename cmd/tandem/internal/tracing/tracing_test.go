package tracing

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
)

func callID(ref string) string {
	return schema.NewIDKey([]byte("a secret of a test")).CallID("a", "b", ref)
}

func TestTraceIDIsTheCalls(t *testing.T) {
	call := callID("c")
	if id, ok := traceOf(call); !ok || id.String() != strings.ReplaceAll(call, "-", "") {
		t.Errorf("%s, %v", id, ok)
	}
	for _, bad := range []string{"", "x", call + "00", strings.Repeat("-", 40)} {
		if _, ok := traceOf(bad); ok {
			t.Errorf("%q is a call", bad)
		}
	}
}

func TestParents(t *testing.T) {
	call := callID("c")
	root, none := parts(bus.Span{Part: bus.PartCall, Call: call, Served: true})
	asked, below := parts(bus.Span{Part: bus.PartCommand, Call: call, ID: "c1", Final: true})
	served, belowAsked := parts(bus.Span{Part: bus.PartCommand, Call: call, ID: "c1", Final: true, Served: true})
	_, belowServed := parts(bus.Span{Part: bus.PartMedia, Call: call, ID: "m", Command: "c1", Final: true})
	if none.IsValid() || below != root || belowAsked != asked || belowServed != served {
		t.Error("the parents are others")
	}
	seen := map[trace.SpanID]bool{root: true, asked: true, served: true}
	for range 100 { // a try that is repeated is another span below the same parent
		own, parent := parts(bus.Span{Part: bus.PartCommand, Call: call, ID: "c1"})
		if seen[own] || parent != root {
			t.Error("two tries have one id")
		}
		seen[own] = true
	}
}

func TestSampling(t *testing.T) {
	n := 0
	for i := range 4000 {
		call := callID(strings.Repeat("x", i))
		if chosen(call, 0.25) {
			n++
			if !chosen(call, 0.5) {
				t.Error("a larger share leaves out what a smaller one has")
			}
		}
		if chosen(call, 0) || !chosen(call, 1) {
			t.Error("none and all")
		}
	}
	if n < 850 || n > 1150 {
		t.Errorf("a quarter of 4000 is %d", n)
	}
}

// An endpoint that is away costs nothing but a line in the log.
func TestEndpointAway(t *testing.T) {
	var log lines
	x, err := New(t.Context(), Options{Endpoint: "http://127.0.0.1:1", Sample: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	r := x.Role("callstate")
	began := time.Now()
	for range 3 * queued {
		r.Trace(bus.Span{Part: bus.PartCommand, Name: "offer", Call: callID("c"), Began: began, Ended: began})
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it held calls up for %v", took)
	}
	x.Close()
	if !strings.Contains(log.String(), "not sent") {
		t.Errorf("nobody is told: %s", log.String())
	}
}

type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
