package kittest

import (
	"context"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// tables are the cluster's tables as a scripted test sees them: everything that
// is written is there to be looked at and waited for.
type tables struct {
	mu        sync.Mutex
	changed   chan struct{} // closed and replaced at each change
	terminals map[string]*callv1.Terminal
	nodes     map[string]bus.Node

	// The bus's own, where call state is to see them too; else nil.
	next bus.Terminals
	real bool
}

func newTables() *tables {
	return &tables{
		changed: make(chan struct{}), terminals: map[string]*callv1.Terminal{}, nodes: map[string]bus.Node{},
	}
}

// change makes a change under the lock and wakes those that wait.
func (t *tables) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	close(t.changed)
	t.changed = make(chan struct{})
}

// wait waits until f, which is called under the lock, is true.
func (t *tables) wait(ctx context.Context, f func() bool) bool {
	for {
		t.mu.Lock()
		ok, changed := f(), t.changed
		t.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// of gives the terminals of a subscriber.
func (t *tables) of(subscriber string) []*callv1.Terminal {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []*callv1.Terminal
	for _, x := range t.terminals {
		if x.GetSubscriber() == subscriber {
			out = append(out, x)
		}
	}
	return out
}

// Put implements bus.Terminals.
func (t *tables) Put(ctx context.Context, x *callv1.Terminal) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if t.next != nil {
		if err := t.next.Put(ctx, x); err != nil {
			return err
		}
	}
	t.change(func() { t.terminals[x.GetId()] = x })
	return nil
}

// Delete implements bus.Terminals.
func (t *tables) Delete(ctx context.Context, x *callv1.Terminal) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if t.next != nil {
		if err := t.next.Delete(ctx, x); err != nil {
			return err
		}
	}
	t.change(func() { delete(t.terminals, x.GetId()) })
	return nil
}

// Purge implements bus.Terminals.
func (t *tables) Purge(ctx context.Context, kind, node, instance string, since time.Time) error {
	if t.next != nil {
		return t.next.Purge(ctx, kind, node, instance, since)
	}
	return nil
}

// Watch implements bus.Terminals; a node does not watch.
func (t *tables) Watch(context.Context, func(*callv1.Terminal, bool), func()) error { return nil }

// Sync implements bus.Terminals.
func (t *tables) Sync(context.Context) error { return nil }

// nodeTable is the tables as bus.Nodes.
type nodeTable struct {
	*tables
	next bus.Nodes // the bus's own, or nil
}

// Announce implements bus.Nodes.
func (t nodeTable) Announce(ctx context.Context, state func() bus.Node) (<-chan struct{}, error) {
	n := state()
	t.change(func() { // as call state does when it sees a new start of a node
		for id, x := range t.terminals {
			if x.GetKind() == n.Kind && x.GetNode() == n.Node && x.GetInstance() != n.Instance {
				delete(t.terminals, id)
			}
		}
	})
	if t.next != nil {
		return t.next.Announce(ctx, state)
	}
	t.change(func() { t.nodes[n.Kind+"/"+n.Node] = n })
	done := make(chan struct{})
	context.AfterFunc(ctx, func() {
		t.change(func() { delete(t.nodes, n.Kind+"/"+n.Node) })
		close(done)
	})
	return done, nil
}

// Watch implements bus.Nodes.
func (t nodeTable) Watch(context.Context, func(bus.Node, bool), func()) error { return nil }
