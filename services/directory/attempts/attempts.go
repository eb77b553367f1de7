package attempts

import (
	"sync"
	"time"
)

// maxLimited bounds those whose failures are remembered.
const maxLimited = 10_000

// Limiter counts failed attempts of each account, address or whatever a key is: a
// token bucket that holds burst and gets perMinute back. It remembers ten thousand
// keys, and forgets those first that have failed least. It may be called from any
// goroutine.
type Limiter struct {
	burst     float64
	perSecond float64

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// New makes a limiter of burst failures in a row and perMinute each minute.
func New(burst, perMinute int) *Limiter {
	return &Limiter{burst: float64(burst), perSecond: float64(perMinute) / 60, buckets: map[string]*bucket{}}
}

// Allowed reports whether the key may try now.
func (l *Limiter) Allowed(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	return b == nil || l.refill(b, now) >= 1
}

// Failed takes one try from the key.
func (l *Limiter) Failed(key string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		if len(l.buckets) >= maxLimited {
			l.makeRoom(now)
		}
		b = &bucket{left: l.burst, at: now}
		l.buckets[key] = b
	}
	b.left = max(0, l.refill(b, now)-1)
}

func (l *Limiter) refill(b *bucket, now time.Time) float64 {
	b.left = min(l.burst, b.left+now.Sub(b.at).Seconds()*l.perSecond)
	b.at = now
	return b.left
}

// makeRoom forgets keys that are whole again, or else the one nearest to
// it among a few.
func (l *Limiter) makeRoom(now time.Time) {
	const look = 64
	fullest, most, n := "", -1.0, 0
	for key, b := range l.buckets {
		left := l.refill(b, now)
		if left >= l.burst {
			delete(l.buckets, key)
			continue
		}
		if left > most {
			fullest, most = key, left
		}
		if n++; n >= look {
			break
		}
	}
	if len(l.buckets) >= maxLimited {
		delete(l.buckets, fullest)
	}
}
