package logs

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// burst is how many lines of one wording may come at once, in seconds' worth.
	burst = 10
	// maxWordings bounds those that are told apart.
	maxWordings = 1024
)

// Limit gives a handler that passes on so many lines of one wording a second over
// time, and ten times as many at once. The next that passes says how many were left
// out; dropped, which must not block, hears of each. What is an error, or about a
// call, always passes: calls have limits of their own, and tell their whole story.
// A rate of 0 limits nothing.
func Limit(to slog.Handler, rate int, dropped func()) slog.Handler {
	if rate <= 0 {
		return to
	}
	return &handler{to: to, limits: &limits{rate: float64(rate), dropped: dropped, wordings: map[string]*wording{}}}
}

type handler struct {
	to     slog.Handler
	limits *limits
	call   bool // everything is about a call
}

// limits are shared by the handlers that come from one.
type limits struct {
	rate    float64
	dropped func()

	mu       sync.Mutex
	wordings map[string]*wording
}

// wording is a token bucket, and how many lines found it empty.
type wording struct {
	tokens float64
	at     time.Time
	missed int
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, l slog.Level) bool { return h.to.Enabled(ctx, l) }

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.to = h.to.WithAttrs(attrs)
	for _, a := range attrs {
		next.call = next.call || a.Key == "call"
	}
	return &next
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	next := *h
	next.to = h.to.WithGroup(name)
	return &next
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelError && !h.aboutCall(r) {
		missed, ok := h.limits.take(r.Message, r.Time)
		if !ok {
			h.limits.dropped()
			return nil
		}
		if missed > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("left_out", missed))
		}
	}
	return h.to.Handle(ctx, r) //nolint:wrapcheck // the handler's own
}

func (h *handler) aboutCall(r slog.Record) bool {
	call := h.call
	r.Attrs(func(a slog.Attr) bool {
		call = call || a.Key == "call"
		return !call
	})
	return call
}

// take takes a token of a wording, and gives how many lines of it were left out
// before this one.
func (l *limits) take(message string, now time.Time) (missed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.wordings[message]
	if w == nil {
		if len(l.wordings) >= maxWordings { // wordings are constants: there are fewer
			return 0, true
		}
		w = &wording{tokens: burst * l.rate, at: now}
		l.wordings[message] = w
	}
	w.tokens = min(burst*l.rate, w.tokens+l.rate*max(0, now.Sub(w.at).Seconds()))
	w.at = now
	if w.tokens < 1 {
		w.missed++
		return 0, false
	}
	w.tokens--
	missed, w.missed = w.missed, 0
	return missed, true
}
