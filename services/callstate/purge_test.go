package callstate_test

import (
	"context"
	"testing"

	"github.com/tandem-rtc/tandem/bus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// What an earlier start of a node left in the table of terminals is removed when
// the node is seen, whichever of the two was there first; nobody else's is.
func TestTerminalsOfAnEarlierStartAreRemoved(t *testing.T) {
	r := newRig(t)
	table := bus.NewTerminals(r.bus("sylkrtc", "n1"))
	put := func(id, node, instance string) {
		t.Helper()
		x := &callv1.Terminal{Id: id, Kind: "sylkrtc", Node: node, Instance: instance, Subscriber: "alice"}
		if err := table.Put(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	put("stale", "n1", "before")
	put("elsewhere", "n2", "before")
	r.startCallState(nil)
	a := r.startAdapter("sylkrtc", "n1")
	put("live", "n1", a.instance)
	r.awaitTerminals(t, "elsewhere", "live")

	a.leave()
	again := r.startAdapter("sylkrtc", "n1")
	put("new", "n1", again.instance)
	r.awaitTerminals(t, "elsewhere", "new")
}

// awaitTerminals waits until exactly these are in the table.
func (r *rig) awaitTerminals(t *testing.T, ids ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	up, synced := map[string]bool{}, false
	look := func() {
		complete := synced && len(up) == len(ids)
		for _, id := range ids {
			complete = complete && up[id]
		}
		if complete {
			cancel()
		}
	}
	_ = bus.NewTerminals(r.bus("test", "watcher")).Watch(ctx, func(x *callv1.Terminal, is bool) {
		if delete(up, x.GetId()); is {
			up[x.GetId()] = true
		}
		look()
	}, func() { synced = true; look() })
	if ctx.Err() == context.DeadlineExceeded {
		t.Fatalf("in the table: %v, want %v", up, ids)
	}
}
