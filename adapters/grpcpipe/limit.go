package grpcpipe

import (
	"context"
	"time"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
)

// longestPace bounds how long a message that must pass waits for its turn.
const longestPace = 100 * time.Millisecond

// mustPass names the messages that no limit drops: a call that is answered or
// ended too late is a call that went wrong, and the calls that a stream may have
// bound how many there are.
func mustPass(m *message) bool {
	switch m.GetMessage().(type) {
	case *wgtwo.WebTerminalMessage_Bye, *wgtwo.WebTerminalMessage_Answer:
		return true
	}
	return false
}

// pace holds reading up for a message over the rate that must pass. One for a
// call of this stream does not wait: there are only so many of those.
func (s *session) pace(ctx context.Context, id string) {
	s.mu.Lock()
	known := s.current != nil || s.calls[id] != nil
	s.mu.Unlock()
	if known {
		return
	}
	wait := time.NewTimer(min(time.Duration(float64(time.Second)/s.a.cfg.Rate), longestPace))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}

// bucket is a token bucket: burst messages at once, rate a second over time.
// One goroutine uses it.
type bucket struct {
	rate, burst, tokens float64
	last                time.Time
}

func newBucket(rate float64, burst int) bucket {
	return bucket{rate: rate, burst: float64(burst), tokens: float64(burst)}
}

// take reports whether one more message may pass now.
func (b *bucket) take(now time.Time) bool {
	if !b.last.IsZero() {
		b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.last).Seconds())
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
