package membus

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/internal/view"
)

// watcher is one Watch. What waits for it is at most one change a key, so a slow
// one costs no more than the bucket itself; it misses values that were
// overwritten in the meantime, as with NATS.
type watcher struct {
	filter string
	wake   chan struct{} // one waiting signal

	mu      sync.Mutex
	again   bool // present entries and Synced are due
	changes map[string]bus.Entry
}

// tell queues a change with all watchers it concerns.
func (b *bucket) tell(e bus.Entry) {
	for w := range b.watchers {
		if bus.Match(w.filter, e.Key) {
			w.put(e)
		}
	}
}

func (w *watcher) put(e bus.Entry) {
	e.Value = bytes.Clone(e.Value)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.again {
		return // the snapshot will have it
	}
	w.changes[e.Key] = e
	signal(w.wake)
}

// resync makes the watcher start over.
func (w *watcher) resync() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.again = true
	clear(w.changes)
	signal(w.wake)
}

// take gives what is due, by revision, and whether that is a new snapshot
// instead.
func (w *watcher) take() (changes []bus.Entry, again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	changes = slices.SortedFunc(maps.Values(w.changes), byRevision)
	again, w.again = w.again, false
	clear(w.changes)
	return changes, again
}

func byRevision(a, b bus.Entry) int { return cmp.Compare(a.Revision, b.Revision) }

// Watch implements bus.KV.
func (k *kv) Watch(ctx context.Context, filter string, f func(bus.Entry) bool) error {
	if !bus.ValidFilter(filter) {
		return fmt.Errorf("%w: filter %q", bus.ErrInvalid, filter)
	}
	w := &watcher{filter: filter, wake: make(chan struct{}, 1), changes: map[string]bus.Entry{}, again: true}
	signal(w.wake)
	s := k.c.s
	s.mu.Lock()
	if k.c.closed {
		s.mu.Unlock()
		return bus.ErrClosed
	}
	k.c.watchers[w] = struct{}{}
	s.mu.Unlock()
	defer k.forget(w)
	v := view.New(f)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-k.c.done:
			return bus.ErrClosed
		case <-w.wake:
		}
		due, again := w.take()
		revision := uint64(0)
		if again {
			var err error
			if due, revision, err = k.snapshot(ctx, w); err != nil {
				continue // Start or the connection's end wakes us
			}
			v.Restart()
		}
		for _, e := range due {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case k.c.ended():
				return bus.ErrClosed
			case !v.Entry(e):
				return nil
			}
		}
		if again && !v.Synced(revision) {
			return nil
		}
	}
}

// snapshot gives the present entries and the bucket's revision, and has the
// watcher told of all that follows. It fails while the broker is away.
func (k *kv) snapshot(ctx context.Context, w *watcher) ([]bus.Entry, uint64, error) {
	b, err := k.enter(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer k.c.leaveStore()
	b.watchers[w] = struct{}{}
	return b.present(w.filter, k.c.s.now()), b.revision, nil
}

func (k *kv) forget(w *watcher) {
	s := k.c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(k.c.watchers, w)
	s.store.Lock()
	defer s.store.Unlock()
	if b := s.buckets[k.cfg.Bucket]; b != nil {
		delete(b.watchers, w)
	}
}

// signal wakes the one that waits on a channel of capacity 1.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
