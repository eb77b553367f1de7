package sylkrtc

import (
	"context"
	"sync"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// terminals finds the account that an event is for. A call may come before the
// client was told that its account is registered; it waits for that.
type terminals struct {
	mu        sync.Mutex
	byID      map[string]*account
	attaching map[string]int // by subscriber: registrations that are not settled
	change    chan struct{}  // closed and made anew when something is settled
}

func (t *terminals) init() {
	t.byID, t.attaching, t.change = map[string]*account{}, map[string]int{}, make(chan struct{})
}

// begin says that a terminal of a subscriber is about to ring. What is returned
// settles it; it may be called again.
func (t *terminals) begin(subscriber string) (settle func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.attaching[subscriber]++
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.attaching[subscriber]--; t.attaching[subscriber] == 0 {
			delete(t.attaching, subscriber)
		}
		close(t.change)
		t.change = make(chan struct{})
	})
}

func (t *terminals) add(id string, a *account) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byID[id] = a
}

func (t *terminals) remove(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, id)
}

// find gives the account whose terminal an event is for. For a call it waits, at
// most until ctx ends, while a registration of that subscriber is not settled.
func (t *terminals) find(ctx context.Context, e *callv1.Event) (*account, error) {
	for {
		t.mu.Lock()
		a, settling, change := t.byID[e.GetTerminalId()], t.attaching[e.GetSubscriber()] > 0, t.change
		t.mu.Unlock()
		switch {
		case a != nil && (e.GetIncoming() == nil || a.canRing()):
			return a, nil
		case a == nil || !settling:
			return nil, schema.Errorf(callv1.Code_CODE_GONE, "no such terminal here")
		}
		select {
		case <-change:
		case <-ctx.Done():
			return nil, schema.Errorf(callv1.Code_CODE_RETRY, "the terminal is not settled: %w", ctx.Err())
		}
	}
}
