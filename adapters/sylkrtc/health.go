package sylkrtc

import (
	"context"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// health says whether the exchange behind this server can be reached, which it
// finds out by asking the directory something small.
type health struct {
	probe func(context.Context) bool
	spawn func(func(context.Context)) bool // false: not any more

	mu      sync.Mutex
	good    time.Time     // until when the last good answer counts
	running chan struct{} // closed when the probe under way has ended
}

const (
	healthFor     = 250 * time.Millisecond
	healthTimeout = 2 * time.Second
)

// ok asks, or uses an answer that is fresh. Many callers share one question.
func (h *health) ok(ctx context.Context) bool {
	h.mu.Lock()
	if time.Now().Before(h.good) {
		h.mu.Unlock()
		return true
	}
	running := h.running
	if running == nil {
		running = make(chan struct{})
		if !h.spawn(func(ctx context.Context) { h.ask(ctx, running) }) {
			h.mu.Unlock()
			return false
		}
		h.running = running
	}
	h.mu.Unlock()
	select {
	case <-running:
	case <-ctx.Done():
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Before(h.good)
}

func (h *health) ask(ctx context.Context, running chan<- struct{}) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	good := h.probe(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if good {
		h.good = time.Now().Add(healthFor)
	}
	h.running = nil
	close(running)
}

// askDirectory reports whether the directory answers, whatever it says.
func (a *adapter) askDirectory(ctx context.Context) bool {
	_, err := a.host.ServesDomain(ctx, "health.invalid") // RFC 2606: nobody's
	return schema.CodeOf(err) != callv1.Code_CODE_RETRY
}
