package exchange

import (
	"context"
	"runtime"
	"strings"
	"time"
)

// Goroutines is how many there are now, without those of a NATS server, which
// outlives the exchange.
func Goroutines() int { return len(stacks()) }

// GoroutinesEnded waits until there are no more than before, and gives the stacks of
// all if that takes too long.
func GoroutinesEnded(ctx context.Context, before int) string {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		now := stacks()
		if len(now) <= before {
			return ""
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return strings.Join(now, "\n\n")
		}
	}
}

func stacks() []string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	var kept []string
	for _, g := range strings.Split(string(buf), "\n\n") {
		if !strings.Contains(g, "nats-server") {
			kept = append(kept, g)
		}
	}
	return kept
}
