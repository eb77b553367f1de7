package bus

import (
	"context"
	"errors"
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// ErrHeld: another holder has the lease and it has not expired.
var ErrHeld = errors.New("bus: lease held")

// Lease is a share of work held by one node for a time. It gives liveness, not
// correctness: that is compare-and-set's.
type Lease struct {
	Name string
	// Holder is kind/node/instance.
	Holder string
	// Epoch grows with each change of holder.
	Epoch uint64
	// Expires is when another may take it unless renewed.
	Expires  time.Time
	revision uint64
}

// Leases hands out leases, kept in the KV bucket "own".
type Leases interface {
	// Acquire takes a lease that is free, expired or already ours; ErrHeld
	// otherwise, together with the lease as it stands.
	Acquire(ctx context.Context, name string, ttl time.Duration) (*Lease, error)
	// Renew prolongs a held lease; ErrConflict if it was taken over.
	Renew(ctx context.Context, l *Lease, ttl time.Duration) (*Lease, error)
	// Release gives a held lease back; its epoch is kept.
	Release(ctx context.Context, l *Lease) error
}

// Node is a live node of the cluster.
type Node struct {
	Kind string `json:"kind"`
	Node string `json:"node"`
	// Instance changes with each start.
	Instance string `json:"instance"`
	// Since is when it started, by its own clock, which its terminals go by too.
	Since time.Time `json:"since,omitzero"`
	// Load is what the kind counts (media: live legs); lower is freer.
	Load int `json:"load"`
	// Draining nodes take no new calls.
	Draining bool `json:"draining"`
}

// Nodes is the liveness table: the memory bucket "nodes", one key a node,
// re-put every interval and after the bus was away.
type Nodes interface {
	// Announce keeps this identity's key alive until ctx ends, then removes it.
	// state is asked before each put. It returns once the first put succeeded;
	// done is closed when the key is gone.
	Announce(ctx context.Context, state func() Node) (done <-chan struct{}, err error)
	// Watch calls f with every node that is or becomes alive or changes (up),
	// and with every one that leaves or expires (down), until ctx ends; synced
	// is called after the first full view. One that came and went so soon that it
	// was not seen is down, without an instance, though it never was up.
	Watch(ctx context.Context, f func(n Node, up bool), synced func()) error
}

// Terminals is the table of live registrations: the bucket "terminals", keys
// <kind>.<node>.<terminal>, written by that node only.
type Terminals interface {
	Put(ctx context.Context, t *callv1.Terminal) error
	Delete(ctx context.Context, t *callv1.Terminal) error
	// Purge removes all terminals of kind/node but those of instance, and, unless it
	// is zero, those attached since a time: they are of a later start. All of them
	// with instance "".
	Purge(ctx context.Context, kind, node, instance string, since time.Time) error
	// Watch calls f with every terminal there is (up), then synced, then changes,
	// until ctx ends.
	Watch(ctx context.Context, f func(t *callv1.Terminal, up bool), synced func()) error
	// Sync returns once the watcher that calls it has seen all that was put
	// before the call.
	Sync(ctx context.Context) error
}
