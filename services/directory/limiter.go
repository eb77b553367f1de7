package directory

import (
	"sync"
	"time"
)

// maxLimited bounds the accounts whose failures are remembered.
const maxLimited = 10_000

// limiter counts failed sign-ins per account: a token bucket that holds burst
// and gets perMinute back. Accounts that do not exist are counted alike.
type limiter struct {
	burst     float64
	perSecond float64

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

func newLimiter(burst, perMinute int) *limiter {
	return &limiter{burst: float64(burst), perSecond: float64(perMinute) / 60, buckets: map[string]*bucket{}}
}

// allowed reports whether the account may try now.
func (l *limiter) allowed(account string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[account]
	return b == nil || l.refill(b, now) >= 1
}

// failed takes one try from the account.
func (l *limiter) failed(account string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[account]
	if b == nil {
		if len(l.buckets) >= maxLimited {
			l.makeRoom(now)
		}
		b = &bucket{left: l.burst, at: now}
		l.buckets[account] = b
	}
	b.left = max(0, l.refill(b, now)-1)
}

func (l *limiter) refill(b *bucket, now time.Time) float64 {
	b.left = min(l.burst, b.left+now.Sub(b.at).Seconds()*l.perSecond)
	b.at = now
	return b.left
}

// makeRoom forgets accounts that are whole again, or else the one nearest to
// it among a few.
func (l *limiter) makeRoom(now time.Time) {
	const look = 64
	fullest, most, n := "", -1.0, 0
	for account, b := range l.buckets {
		left := l.refill(b, now)
		if left >= l.burst {
			delete(l.buckets, account)
			continue
		}
		if left > most {
			fullest, most = account, left
		}
		if n++; n >= look {
			break
		}
	}
	if len(l.buckets) >= maxLimited {
		delete(l.buckets, fullest)
	}
}
