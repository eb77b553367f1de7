package callstate

import (
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// callerLimits bound what one subscriber places: calls at once, and calls a
// minute, as a bucket that holds a minute's calls and fills evenly. Another such
// bucket bounds what all of them place.
type callerLimits struct {
	atOnce, perMinute, total int

	mu      sync.Mutex
	callers map[string]*callerUse
	all     callerUse
}

// callerUse is what one subscriber has used.
type callerUse struct {
	live int
	left float64 // calls left in the bucket, as of at
	at   time.Time
	told time.Time // when a refusal was last logged
}

func newCallerLimits(c Config) *callerLimits {
	return &callerLimits{
		atOnce: c.MaxCallsPerSubscriber, perMinute: c.CallsPerMinute, total: c.TotalCallsPerMinute,
		callers: map[string]*callerUse{}, all: callerUse{left: float64(c.TotalCallsPerMinute)},
	}
}

// begin counts a call; end must follow. checked: one that is placed now, which the
// limits may refuse (an error; then nothing is counted). Others are there already.
func (l *callerLimits) begin(subscriber string, now time.Time, checked bool) error {
	if l.atOnce == 0 && l.perMinute == 0 && l.total == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if checked && l.total > 0 {
		if l.fill(&l.all, now, l.total); l.all.left < 1 {
			return schema.Errorf(callv1.Code_CODE_OVERLOAD, "too many calls of all subscribers")
		}
	}
	u := l.callers[subscriber]
	if u == nil {
		u = &callerUse{left: float64(l.perMinute), at: now}
		l.callers[subscriber] = u
	}
	if checked {
		l.fill(u, now, l.perMinute)
		switch {
		case l.atOnce > 0 && u.live >= l.atOnce, l.perMinute > 0 && u.left < 1:
			return schema.Errorf(callv1.Code_CODE_RATE_LIMITED, "too many calls of this subscriber")
		case l.perMinute > 0:
			u.left--
		}
		l.all.left--
	}
	u.live++
	return nil
}

// tells reports whether a refusal of a subscriber's call is to be logged: one a minute
// is enough to say who it is.
func (l *callerLimits) tells(subscriber string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.callers[subscriber]
	if u == nil {
		u = &l.all
	}
	if !u.told.IsZero() && now.Sub(u.told) < time.Minute {
		return false
	}
	u.told = now
	return true
}

func (l *callerLimits) fill(u *callerUse, now time.Time, perMinute int) {
	u.left = min(float64(perMinute), u.left+now.Sub(u.at).Minutes()*float64(perMinute))
	u.at = now
}

// end counts a call as over. Who has none, and a full bucket, is forgotten.
func (l *callerLimits) end(subscriber string, now time.Time) {
	if l.atOnce == 0 && l.perMinute == 0 && l.total == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.callers[subscriber]
	if u == nil {
		return
	}
	u.live--
	if l.fill(u, now, l.perMinute); u.live <= 0 && u.left >= float64(l.perMinute) {
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
		if l.fill(u, now, l.perMinute); u.live <= 0 && u.left >= float64(l.perMinute) {
			delete(l.callers, s)
		}
	}
}
