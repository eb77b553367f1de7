package bustest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

func nodeCases() []func(*env) {
	return []func(*env){
		nodeIsUpUntilItLeaves, nodeTellsItsState, deadNodeExpires, restartedNodeIsDownAndUp,
		leavingNodeSparesItsSuccessor, nodesStayUpInARestart, announceWaitsForTheBus,
	}
}

const (
	nodeInterval = 100 * time.Millisecond
	// nodeTTL is more than a busy machine keeps a goroutine waiting.
	nodeTTL = 800 * time.Millisecond
)

func (e *env) nodes(b *bus.Bus) bus.Nodes { return bus.NewNodes(b, nodeInterval, nodeTTL) }

// announce announces a node until stop.
func (e *env) announce(b *bus.Bus, state func() bus.Node) (stop func()) {
	e.t.Helper()
	ctx, cancel := context.WithCancel(e.ctx)
	done, err := e.nodes(b).Announce(ctx, state)
	e.ok(err)
	stop = func() { cancel(); <-done }
	e.t.Cleanup(stop)
	return stop
}

func instance(name string) func() bus.Node {
	return func() bus.Node { return bus.Node{Instance: name} }
}

// watchNodes gives what a watcher sees as text: "+kind/node/instance/load",
// "-…", "synced".
func (e *env) watchNodes(b *bus.Bus) <-chan string {
	seen := make(chan string, 1000)
	e.inBackground(func(ctx context.Context) {
		err := e.nodes(b).Watch(ctx, func(n bus.Node, up bool) {
			sign := "-"
			if up {
				sign = "+"
			}
			seen <- fmt.Sprintf("%s%s/%s/%s/%d", sign, n.Kind, n.Node, n.Instance, n.Load)
		}, func() { seen <- "synced" })
		if ctx.Err() == nil && !errors.Is(err, bus.ErrClosed) {
			e.t.Errorf("watch ended with %v", err)
		}
	})
	return seen
}

func nodeIsUpUntilItLeaves(e *env) {
	stopA := e.announce(e.bus("media", "a"), instance("1"))
	seen := e.watchNodes(e.bus("callstate", "x"))
	e.sees(seen, "+media/a/1/0", "synced")
	stopB := e.announce(e.bus("media", "b"), instance("1"))
	e.sees(seen, "+media/b/1/0")
	none(e, seen)
	stopA()
	e.sees(seen, "-media/a/1/0")
	stopB()
	e.sees(seen, "-media/b/1/0")
	e.sees(e.watchNodes(e.bus("callstate", "y")), "synced")
}

func nodeTellsItsState(e *env) {
	seen := e.watchNodes(e.bus("callstate", "x"))
	e.sees(seen, "synced")
	var load atomic.Int64
	e.announce(e.bus("media", "a"), func() bus.Node {
		return bus.Node{Kind: "not", Node: "asked", Instance: "1", Load: int(load.Load()), Draining: load.Load() == 2}
	})
	e.sees(seen, "+media/a/1/0")
	load.Store(1)
	e.sees(seen, "+media/a/1/1")
	load.Store(2)
	e.sees(seen, "+media/a/1/2")
}

func deadNodeExpires(e *env) {
	b := e.bus("media", "a")
	stop := e.announce(b, instance("1"))
	seen := e.watchNodes(e.bus("callstate", "x"))
	e.sees(seen, "+media/a/1/0", "synced")
	for range nodeTTL * 3 / 2 / moment { // well beyond the TTL it stays up
		none(e, seen)
	}
	e.ok(b.Driver().Close()) // as a killed process: nothing is removed
	killed := time.Now()
	e.sees(seen, "-media/a/1/0")
	if took := time.Since(killed); took < nodeTTL-2*nodeInterval {
		e.t.Fatalf("down after %s", took)
	}
	stop()
}

func restartedNodeIsDownAndUp(e *env) {
	b := e.bus("media", "a")
	stop := e.announce(b, instance("1"))
	seen := e.watchNodes(e.bus("callstate", "x"))
	e.sees(seen, "+media/a/1/0", "synced")
	e.ok(b.Driver().Close())
	e.announce(e.bus("media", "a"), instance("2"))
	e.sees(seen, "-media/a/1/0", "+media/a/2/0")
	stop()
}

func leavingNodeSparesItsSuccessor(e *env) {
	// The old one puts its key once, so the new one's stands.
	ctx, cancel := context.WithCancel(e.ctx)
	done, err := bus.NewNodes(e.bus("media", "a"), time.Hour, nodeTTL).Announce(ctx, instance("1"))
	e.ok(err)
	e.announce(e.bus("media", "a"), instance("2"))
	seen := e.watchNodes(e.bus("callstate", "x"))
	e.sees(seen, "+media/a/2/0", "synced")
	cancel()
	next(e, done)
	none(e, seen)
}

func nodesStayUpInARestart(e *env) {
	b, w := e.bus("media", "a"), e.bus("callstate", "x")
	e.announce(b, instance("1"))
	gone := e.bus("media", "gone")
	stop := e.announce(gone, instance("1"))
	seen := e.watchNodes(w)
	e.equal(e.upToSynced(seen), []string{"+media/a/1/0", "+media/gone/1/0"})
	e.ok(gone.Driver().Close())
	e.restarted(b.Driver(), w.Driver())
	e.sees(seen, "-media/gone/1/0") // what did not come back, and only that
	none(e, seen)
	stop()
}

func announceWaitsForTheBus(e *env) {
	b := e.bus("media", "a")
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	_, err := e.nodes(b).Announce(ctx, instance("1"))
	e.fails(err, context.Canceled)
	e.ok(b.Driver().Close())
	_, err = e.nodes(b).Announce(e.ctx, instance("1"))
	e.fails(err, bus.ErrClosed)
}
