package kit

import (
	"testing"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Offers that were withdrawn for the terminal's own are not delivered after its
// answer; what the adapter has, and what is newer, stays.
func TestWithdrawnOffersAreDropped(t *testing.T) {
	answered := 0
	offer := func(n uint64) *delivery {
		return &delivery{
			e:       &callv1.Event{Number: n, Body: &callv1.Event_Reoffer{Reoffer: &callv1.Reoffer{Sdp: "v=0"}}},
			waiters: []func(*callv1.EventAck){func(*callv1.EventAck) { answered++ }},
		}
	}
	other := &delivery{e: &callv1.Event{Number: 5, Body: &callv1.Event_PushFailed{PushFailed: &callv1.PushFailed{}}}}
	l := &leg{queue: []*delivery{offer(3), offer(4), other, offer(6)}}
	l.current = l.queue[0]
	l.dropOffers(6)
	var left []uint64
	for _, d := range l.queue {
		left = append(left, d.e.GetNumber())
	}
	if len(left) != 3 || left[0] != 3 || left[1] != 5 || left[2] != 6 || answered != 1 {
		t.Errorf("left %v, %d answered", left, answered)
	}
}
