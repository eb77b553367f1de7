package callstate

import (
	"context"
	"slices"
	"sync"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// afterwards tells the media node what commits made of a call's legs, one commit
// after the other: a bridge of an earlier one must not undo a later one's.
type afterwards struct {
	mu      sync.Mutex
	queue   []afterCommit
	running bool
	told    chan struct{} // made by who waits, closed once all is said
	dropped bool          // the queue was full: the record is to be said as a whole
}

// afterCommit is what one commit leaves for the media node.
type afterCommit struct {
	node, id string
	epoch    uint64
	ops      []*callv1.MediaOp
}

// afterCommit queues what a commit leaves for the media node. It does not block.
func (a *actor) afterCommit(c afterCommit) {
	if len(c.ops) == 0 || c.node == "" {
		return
	}
	w := &a.after
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) >= maxAfter {
		w.queue, w.dropped = slices.Delete(w.queue, 0, 1), true
	}
	w.queue = append(w.queue, c)
	if !w.running {
		w.running = true
		a.p.s.goRun(a.workAfter)
	}
}

// afterTold waits until the media node has been told what the commits so far made
// of the legs: it must know which of them are committed, and what was withdrawn,
// before it is asked for another exchange with one of them.
func (a *actor) afterTold(ctx context.Context) error {
	w := &a.after
	w.mu.Lock()
	if !w.running {
		w.mu.Unlock()
		return nil
	}
	if w.told == nil {
		w.told = make(chan struct{})
	}
	told := w.told
	w.mu.Unlock()
	select {
	case <-told:
		return nil
	case <-ctx.Done():
		return bus.ContextError(ctx)
	}
}

// doAfter works the queue off. What a lost partition's call has left is the next
// owner's to say.
func (a *actor) doAfter() {
	w := &a.after
	for {
		w.mu.Lock()
		if len(w.queue) == 0 && w.dropped {
			w.dropped = false
			c := a.record.Load()
			w.queue = append(w.queue, afterCommit{node: c.GetMediaNode(), id: schema.NewID(), epoch: a.p.epoch(), ops: step.MediaOf(c)})
		}
		if len(w.queue) == 0 || a.gone.Load() || a.p.s.ctx.Err() != nil {
			if w.told != nil {
				close(w.told)
			}
			w.queue, w.told, w.running = w.queue[:0], nil, false
			w.mu.Unlock()
			return
		}
		c := w.queue[0]
		w.queue = slices.Delete(w.queue, 0, 1)
		w.mu.Unlock()
		a.p.s.mediaAfter(c.node, a.id, c.id, c.epoch, c.ops)
	}
}
