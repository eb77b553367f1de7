package pionleg

import (
	"fmt"
	"testing"
	"time"
)

// An address that cannot be bound is left out where all were meant, and an error
// where it was.
func TestAddressesThatAreNotUsable(t *testing.T) {
	mixed := addresses("2001:db8::1", "127.0.0.1", "192.0.2.1", "::1")
	conns, port, err := listenAll(mixed, 0, time.Millisecond)
	if err != nil || len(conns) != 2 || port == 0 {
		t.Fatalf("%v at %d, %v", conns, port, err)
	}
	for i, want := range []string{"127.0.0.1", "[::1]"} {
		if got := local(conns[i]).String(); got != fmt.Sprint(want, ":", port) {
			t.Errorf("%s instead of %s", got, want)
		}
		_ = conns[i].Close()
	}
	for _, wait := range []time.Duration{0, time.Millisecond} {
		if conns, _, err := listenAll(addresses("192.0.2.1"), 0, wait); err == nil {
			t.Errorf("waiting %s: %v", wait, conns)
		}
	}
	if conns, _, err := listenAll(mixed, 0, 0); err == nil {
		t.Errorf("without waiting: %v", conns)
	}
}
