package matrix

import (
	"context"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// roomLock makes what happens in a room happen one after the other.
type roomLock struct {
	slot chan struct{}
	refs int
}

// lock waits for its turn with a room, or a user, or fails with CODE_RETRY when ctx ends.
func (t *term) lock(ctx context.Context, what string) (unlock func(), err error) {
	t.mu.Lock()
	l := t.held[what]
	if l == nil {
		l = &roomLock{slot: make(chan struct{}, 1)}
		t.held[what] = l
	}
	l.refs++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if l.refs--; l.refs == 0 {
			delete(t.held, what)
		}
	}
	select {
	case l.slot <- struct{}{}:
		return func() { <-l.slot; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, schema.Errorf(callv1.Code_CODE_RETRY, "matrix: the room is busy")
	}
}
