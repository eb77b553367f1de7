package attempts

import (
	"fmt"
	"testing"
	"time"
)

func TestAttempts(t *testing.T) {
	l, now := New(2, 6), time.Unix(0, 0)
	try := func(key string, want bool) {
		t.Helper()
		got := l.Allowed(key, now)
		if got != want {
			t.Errorf("%s after %v: allowed %t, want %t", key, now.Sub(time.Unix(0, 0)), got, want)
		}
		if got {
			l.Failed(key, now)
		}
	}
	try("a", true)
	try("a", true)
	try("a", false)
	try("b", true) // which is not a
	now = now.Add(10 * time.Second)
	try("a", true)
	try("a", false)
	now = now.Add(time.Hour)
	try("a", true)
	try("a", true)
	try("a", false)
}

func TestLimiterForgets(t *testing.T) {
	l := New(2, 60)
	now := time.Unix(0, 0)
	for i := range maxLimited + 500 {
		l.Failed(fmt.Sprint(i), now)
	}
	if n := len(l.buckets); n > maxLimited {
		t.Errorf("%d keys are remembered, limit %d", n, maxLimited)
	}
	l.Failed("last", now.Add(time.Hour))
	if n := len(l.buckets); n > maxLimited {
		t.Errorf("%d keys are remembered an hour later", n)
	}
}
