package callstate

import (
	"slices"
	"sync"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// subscriberIndex finds the live calls in memory that a subscriber takes part in:
// as caller, as called, or with a leg of it (the phone that it was pushed to).
type subscriberIndex struct {
	mu    sync.Mutex
	calls map[string]map[*actor]struct{}
	of    map[*actor][]string
}

func newSubscriberIndex() *subscriberIndex {
	return &subscriberIndex{calls: map[string]map[*actor]struct{}{}, of: map[*actor][]string{}}
}

// add lists a live call under the subscribers that its record names.
func (x *subscriberIndex) add(a *actor, c *callv1.CallRecord) {
	x.mu.Lock()
	defer x.mu.Unlock()
	listed, known := x.of[a]
	if known && !others(c, listed) {
		return
	}
	now := step.Audience(c)
	for _, s := range listed {
		if !slices.Contains(now, s) {
			x.takeOutLocked(a, s)
		}
	}
	x.of[a] = now
	for _, s := range now {
		if x.calls[s] == nil {
			x.calls[s] = map[*actor]struct{}{}
		}
		x.calls[s][a] = struct{}{}
	}
}

// others reports whether a leg is of a subscriber that is not listed.
func others(c *callv1.CallRecord, listed []string) bool {
	for _, l := range c.GetLegs() {
		if !slices.Contains(listed, l.GetTerminal().GetSubscriber()) {
			return true
		}
	}
	return false
}

func (x *subscriberIndex) remove(a *actor) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range x.of[a] {
		x.takeOutLocked(a, s)
	}
	delete(x.of, a)
}

func (x *subscriberIndex) takeOutLocked(a *actor, s string) {
	delete(x.calls[s], a)
	if len(x.calls[s]) == 0 {
		delete(x.calls, s)
	}
}

func (x *subscriberIndex) list(subscriber string) []*actor {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := make([]*actor, 0, len(x.calls[subscriber]))
	for a := range x.calls[subscriber] {
		out = append(out, a)
	}
	return out
}

// all lists every live call in memory.
func (x *subscriberIndex) all() []*actor {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := make([]*actor, 0, len(x.of))
	for a := range x.of {
		out = append(out, a)
	}
	return out
}
