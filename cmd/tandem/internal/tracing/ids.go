package tracing

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/tandem-rtc/tandem/bus"
)

// ids are what a span is to be called.
type ids struct {
	trace trace.TraceID
	span  trace.SpanID
}

type idsKey struct{}

// generator gives a span the ids in its context.
type generator struct{}

// NewIDs implements sdktrace.IDGenerator.
func (generator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	want, ok := ctx.Value(idsKey{}).(ids)
	if !ok {
		var t trace.TraceID
		binary.BigEndian.PutUint64(t[:], rand.Uint64())
		binary.BigEndian.PutUint64(t[8:], rand.Uint64())
		return t, randomSpan()
	}
	return want.trace, want.span
}

// NewSpanID implements sdktrace.IDGenerator.
func (generator) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if want, ok := ctx.Value(idsKey{}).(ids); ok {
		return want.span
	}
	return randomSpan()
}

func randomSpan() (s trace.SpanID) {
	binary.BigEndian.PutUint64(s[:], rand.Uint64()|1) // zero is none
	return s
}

// traceOf gives the trace of a call: its id without hyphens.
func traceOf(call string) (t trace.TraceID, ok bool) {
	digits := strings.ReplaceAll(call, "-", "")
	if len(digits) != hex.EncodedLen(len(t)) {
		return t, false
	}
	_, err := hex.Decode(t[:], []byte(digits))
	return t, err == nil
}

// spanOf gives the id that a piece of a call's work has wherever it is told of.
func spanOf(call string, part bus.Part, served bool, id string) (s trace.SpanID) {
	side := " asked "
	if served {
		side = " served "
	}
	sum := sha256.Sum256([]byte(call + " " + string(part) + side + id))
	copy(s[:], sum[:])
	s[7] |= 1 // zero is none
	return s
}

// parts gives a span's own id and its parent's.
//
// The whole call is the root. What was asked for is below the command in whose
// course it was, as its owner served it, or below the root; what was served is
// below what was asked. A try that is repeated has an id of its own, so that the
// one that counts has the id that others know.
func parts(s bus.Span) (own, parent trace.SpanID) {
	root := spanOf(s.Call, bus.PartCall, true, "")
	switch {
	case s.Part == bus.PartCall:
		return root, trace.SpanID{}
	case s.Served:
		own, parent = randomSpan(), spanOf(s.Call, s.Part, false, s.ID)
		if s.Part == bus.PartCommand && s.Final {
			own = spanOf(s.Call, s.Part, true, s.ID)
		}
		return own, parent
	}
	own, parent = randomSpan(), root
	if s.Final && s.ID != "" {
		own = spanOf(s.Call, s.Part, false, s.ID)
	}
	if s.Command != "" {
		parent = spanOf(s.Call, bus.PartCommand, true, s.Command)
	}
	return own, parent
}

// chosen decides for a call as every other process does.
func chosen(call string, share float64) bool {
	sum := sha256.Sum256([]byte(call + " sampled"))
	return float64(binary.BigEndian.Uint64(sum[:])>>11)/(1<<53) < share
}
