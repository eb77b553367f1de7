package exchange

import (
	"context"
	"sync"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// table is the table of terminals as it is now.
type table struct {
	mu   sync.Mutex
	of   map[string]map[string]bool // by subscriber, the terminals' ids
	news chan struct{}              // closed and replaced with each change
}

func (t *table) change(x *callv1.Terminal, there bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[string]map[string]bool{}
	}
	all := t.of[x.GetSubscriber()]
	if all == nil {
		all = map[string]bool{}
		t.of[x.GetSubscriber()] = all
	}
	if all[x.GetId()] = true; !there {
		delete(all, x.GetId())
	}
	if t.news != nil {
		close(t.news)
		t.news = nil
	}
}

// Terminals gives the ids of a subscriber's terminals.
func (x *Exchange) Terminals(subscriber string) map[string]bool {
	x.terminals.mu.Lock()
	defer x.terminals.mu.Unlock()
	out := map[string]bool{}
	for id := range x.terminals.of[subscriber] {
		out[id] = true
	}
	return out
}

// Came waits until a subscriber has a terminal more than those, and gives its id.
func (x *Exchange) Came(ctx context.Context, subscriber string, before map[string]bool) (id string, err error) {
	err = x.terminals.until(ctx, func(of map[string]map[string]bool) bool {
		for t := range of[subscriber] {
			if !before[t] {
				id = t
				return true
			}
		}
		return false
	})
	return id, err
}

// Went waits until a terminal is gone, and its legs are known to be without it.
func (x *Exchange) Went(ctx context.Context, subscriber, id string) error {
	err := x.terminals.until(ctx, func(of map[string]map[string]bool) bool { return !of[subscriber][id] })
	if err != nil {
		return err
	}
	return x.Until(ctx, func(r *callv1.CallRecord) bool {
		for _, l := range r.GetLegs() {
			if l.GetTerminal().GetId() == id && l.GetState() != callv1.LegState_LEG_STATE_ENDED && !l.GetLost() {
				return false
			}
		}
		return true
	})
}

// until waits until f, called with the table locked, is true.
func (t *table) until(ctx context.Context, f func(map[string]map[string]bool) bool) error {
	for {
		t.mu.Lock()
		if f(t.of) {
			t.mu.Unlock()
			return nil
		}
		if t.news == nil {
			t.news = make(chan struct{})
		}
		news := t.news
		t.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
