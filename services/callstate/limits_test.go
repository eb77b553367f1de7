package callstate

import (
	"testing"
	"time"
)

// Who is refused is told once a minute, each subscriber for itself.
func TestWhoIsRefusedIsTold(t *testing.T) {
	c := DefaultConfig()
	c.MaxCallsPerSubscriber = 1
	l, at := newCallerLimits(c), time.Now()
	for _, subscriber := range []string{"alice", "bob"} {
		if err := l.begin(subscriber, at, true); err != nil {
			t.Fatal(err)
		}
		if l.begin(subscriber, at, true) == nil {
			t.Fatalf("%s may place a second call", subscriber)
		}
		for i, want := range []bool{true, false, false, true} {
			if got := l.tells(subscriber, at.Add(time.Duration(i)*20*time.Second)); got != want {
				t.Errorf("%s, refusal %d: told %v", subscriber, i, got)
			}
		}
	}
	if !l.tells("carol", at) || l.tells("dave", at) {
		t.Error("those over the limit of all are told of as one")
	}
}
