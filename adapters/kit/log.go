package kit

import (
	"context"
	"log/slog"

	"github.com/tandem-rtc/tandem/schema"
)

// callNamer adds the call to each line that names a leg: an adapter knows its legs,
// and who reads the log looks for calls. A leg that was handed over has the call
// that it was made for.
type callNamer struct {
	slog.Handler
	leg   string
	named bool
}

// Handle implements slog.Handler.
func (h callNamer) Handle(ctx context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		h.see(a)
		return true
	})
	if !h.named && h.leg != "" {
		if call, _, ok := schema.SplitLegID(h.leg); ok {
			r = r.Clone()
			r.AddAttrs(slog.String("call", call))
		}
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h callNamer) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		h.see(a)
	}
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// WithGroup implements slog.Handler.
func (h callNamer) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}

func (h *callNamer) see(a slog.Attr) {
	switch a.Key {
	case "leg":
		h.leg = a.Value.String()
	case "call":
		h.named = true
	}
}
