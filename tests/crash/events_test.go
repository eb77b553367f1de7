package crash_test

import (
	"testing"
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// next requires that the next event is the one named: none is missing, none
// comes twice.
func next(t *testing.T, from <-chan *callv1.Event, want string) *callv1.Event {
	t.Helper()
	select {
	case e := <-from:
		if name(e) != want {
			t.Fatalf("got %s, want %s", name(e), want)
		}
		return e
	case <-time.After(patience):
		t.Fatalf("%s did not come", want)
		return nil
	}
}

// last waits for an event that may come after one other, or without it.
func last(t *testing.T, from <-chan *callv1.Event, perhaps, want string) *callv1.Event {
	t.Helper()
	select {
	case e := <-from:
		if name(e) == perhaps {
			return next(t, from, want)
		}
		if name(e) != want {
			t.Fatalf("got %s, want %s", name(e), want)
		}
		return e
	case <-time.After(patience):
		t.Fatalf("%s did not come", want)
		return nil
	}
}

func name(e *callv1.Event) string {
	switch e.GetBody().(type) {
	case *callv1.Event_Incoming:
		return "incoming"
	case *callv1.Event_Alerting:
		return "alerting"
	case *callv1.Event_Answered:
		return "answered"
	case *callv1.Event_Established:
		return "established"
	case *callv1.Event_Ended:
		return "ended"
	}
	return "something else"
}
