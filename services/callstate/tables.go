package callstate

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/tandem-rtc/tandem/bus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// terminalTable is the present terminals by subscriber, kept by a watch.
type terminalTable struct {
	mu   sync.RWMutex
	byID map[string]*callv1.Terminal
	subs map[string][]*callv1.Terminal
	// showing counts those that show their subscriber's calls.
	showing atomic.Int64
}

func newTerminalTable() *terminalTable {
	return &terminalTable{byID: map[string]*callv1.Terminal{}, subs: map[string][]*callv1.Terminal{}}
}

// of lists a subscriber's terminals in the order they came.
func (t *terminalTable) of(subscriber string) []*callv1.Terminal {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.subs[subscriber]
}

func (t *terminalTable) has(terminal *callv1.Terminal) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byID[terminal.GetId()] != nil
}

// get gives a terminal by its id; nil if it is not there.
func (t *terminalTable) get(id string) *callv1.Terminal {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byID[id]
}

// anyShowsCalls reports whether any terminal shows its subscriber's calls.
func (t *terminalTable) anyShowsCalls() bool { return t.showing.Load() > 0 }

// change takes a watch's word; lists handed out before are never changed.
func (t *terminalTable) change(terminal *callv1.Terminal, up bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.byID[terminal.GetId()]; old != nil {
		if old.GetFeatures().GetShowsCalls() {
			t.showing.Add(-1)
		}
		delete(t.byID, terminal.GetId())
		rest := make([]*callv1.Terminal, 0, len(t.subs[old.GetSubscriber()]))
		for _, other := range t.subs[old.GetSubscriber()] {
			if other.GetId() != terminal.GetId() {
				rest = append(rest, other)
			}
		}
		t.subs[old.GetSubscriber()] = rest
		if len(rest) == 0 {
			delete(t.subs, old.GetSubscriber())
		}
	}
	if up {
		if terminal.GetFeatures().GetShowsCalls() {
			t.showing.Add(1)
		}
		t.byID[terminal.GetId()] = terminal
		list := t.subs[terminal.GetSubscriber()]
		t.subs[terminal.GetSubscriber()] = append(list[:len(list):len(list)], terminal)
	}
}

// nodeTable is the nodes that are alive, kept by a watch, and those that were
// until a moment ago.
type nodeTable struct {
	mu      sync.RWMutex
	nodes   map[string]bus.Node // by kind/node
	missing map[string]bus.Node
	lives   map[string]map[string]life // of starts, by kind/node and instance
	next    int                        // takes turns among media nodes of equal load
}

// life is what lasts as long as one start of a node.
type life struct {
	ctx context.Context //nolint:containedctx // ends with that start
	end context.CancelFunc
}

func newNodeTable() *nodeTable {
	return &nodeTable{nodes: map[string]bus.Node{}, missing: map[string]bus.Node{}, lives: map[string]map[string]life{}}
}

func nodeKey(n bus.Node) string { return n.Kind + "/" + n.Node }

// join makes a node alive.
func (t *nodeTable) join(n bus.Node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nodes[nodeKey(n)] = n
	delete(t.missing, nodeKey(n))
	t.endLives(nodeKey(n), n.Instance)
}

// during gives a context that ends with ctx, or once the start of the node that
// attached a terminal is known to have ended: nobody will answer then. The node need
// not have been seen yet.
func (t *nodeTable) during(ctx context.Context, terminal *callv1.Terminal) context.Context {
	key, instance := terminal.GetKind()+"/"+terminal.GetNode(), terminal.GetInstance()
	t.mu.RLock()
	l, ok := t.lives[key][instance]
	t.mu.RUnlock()
	if ok {
		return l.ctx
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if l, ok = t.lives[key][instance]; !ok {
		if t.lives[key] == nil {
			t.lives[key] = map[string]life{}
		}
		l.ctx, l.end = context.WithCancel(ctx)
		t.lives[key][instance] = l
	}
	return l.ctx
}

// endLives ends what lasts as long as starts of a node but one. t.mu is held.
func (t *nodeTable) endLives(key, but string) {
	for instance, l := range t.lives[key] {
		if instance != but {
			l.end()
			delete(t.lives[key], instance)
		}
	}
	if len(t.lives[key]) == 0 {
		delete(t.lives, key)
	}
}

// leave makes a node missing, also one that was never seen alive; false if it is
// already.
func (t *nodeTable) leave(n bus.Node) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, already := t.missing[nodeKey(n)]; already {
		return false
	}
	if before, ok := t.nodes[nodeKey(n)]; ok {
		n = before
	}
	delete(t.nodes, nodeKey(n))
	t.missing[nodeKey(n)] = n
	return true
}

// before gives what a node was, alive or missing.
func (t *nodeTable) before(n bus.Node) (bus.Node, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if b, ok := t.nodes[nodeKey(n)]; ok {
		return b, true
	}
	b, ok := t.missing[nodeKey(n)]
	return b, ok
}

// forget takes a node out that is still missing.
func (t *nodeTable) forget(n bus.Node) (bus.Node, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok := t.missing[nodeKey(n)]
	delete(t.missing, nodeKey(n))
	if ok {
		t.endLives(nodeKey(n), "")
	}
	return b, ok
}

func (t *nodeTable) get(kind, node string) (bus.Node, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n, ok := t.nodes[kind+"/"+node]
	return n, ok
}

func (t *nodeTable) alive(kind, node string) bool {
	_, ok := t.get(kind, node)
	return ok
}

// serves reports whether the start of the node that attached a terminal is
// still the one that runs.
func (t *nodeTable) serves(terminal *callv1.Terminal) bool {
	n, ok := t.get(terminal.GetKind(), terminal.GetNode())
	return ok && n.Instance == terminal.GetInstance()
}

// leastLoaded picks a media node for a new call; "" if there is none.
func (t *nodeTable) leastLoaded() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	best, found := bus.Node{}, 0
	for _, n := range t.nodes {
		if n.Kind != step.KindMedia || n.Draining {
			continue
		}
		switch {
		case found == 0 || n.Load < best.Load:
			best, found = n, 1
		case n.Load == best.Load:
			found++
			if t.next++; t.next%found == 0 {
				best = n
			}
		}
	}
	return best.Node
}
