package callstate

import (
	"sync"
	"time"
)

// callerLimits bound what one subscriber places: calls at once, and calls a
// minute, as a bucket that holds a minute's calls and fills evenly.
type callerLimits struct {
	atOnce, perMinute int

	mu      sync.Mutex
	callers map[string]*callerUse
}

// callerUse is what one subscriber has used.
type callerUse struct {
	live int
	left float64 // calls left in the bucket, as of at
	at   time.Time
}

func newCallerLimits(c Config) *callerLimits {
	return &callerLimits{atOnce: c.MaxCallsPerSubscriber, perMinute: c.CallsPerMinute, callers: map[string]*callerUse{}}
}

// begin counts a call; end must follow. checked: one that is placed now, which the
// limits may refuse (false; then nothing is counted). Others are there already.
func (l *callerLimits) begin(subscriber string, now time.Time, checked bool) bool {
	if l.atOnce == 0 && l.perMinute == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.callers[subscriber]
	if u == nil {
		u = &callerUse{left: float64(l.perMinute), at: now}
		l.callers[subscriber] = u
	}
	if checked {
		l.fill(u, now)
		switch {
		case l.atOnce > 0 && u.live >= l.atOnce, l.perMinute > 0 && u.left < 1:
			return false
		case l.perMinute > 0:
			u.left--
		}
	}
	u.live++
	return true
}

func (l *callerLimits) fill(u *callerUse, now time.Time) {
	u.left = min(float64(l.perMinute), u.left+now.Sub(u.at).Minutes()*float64(l.perMinute))
	u.at = now
}

// end counts a call as over. Who has none, and a full bucket, is forgotten.
func (l *callerLimits) end(subscriber string, now time.Time) {
	if l.atOnce == 0 && l.perMinute == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.callers[subscriber]
	if u == nil {
		return
	}
	u.live--
	if l.fill(u, now); u.live <= 0 && u.left >= float64(l.perMinute) {
		delete(l.callers, subscriber)
	} else if len(l.callers) > maxCallersKnown {
		l.sweep(now)
	}
}

// maxCallersKnown is when those that only wait for their bucket to fill are looked
// through.
const maxCallersKnown = 20_000

func (l *callerLimits) sweep(now time.Time) {
	for s, u := range l.callers {
		if l.fill(u, now); u.live <= 0 && u.left >= float64(l.perMinute) {
			delete(l.callers, s)
		}
	}
}
