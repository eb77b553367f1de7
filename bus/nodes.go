package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// removeWithin bounds the removal of a node's key when its announcement ends.
const removeWithin = 2 * time.Second

// NewNodes gives the liveness table as b's identity sees it: its own key is put
// every interval, a node whose key was not put for ttl is down. ttl should be
// three intervals or more.
func NewNodes(b *Bus, interval, ttl time.Duration) Nodes {
	return &nodes{
		b: b, interval: interval, ttl: ttl,
		bucket: bucket{d: b.d, cfg: nodesBucket(ttl)},
	}
}

// OpenTables makes the tables of nodes and terminals if they are not there: the
// ttl is that of NewNodes. It is for the one kind of identity that may, where
// others can only write their own keys.
func OpenTables(ctx context.Context, d Driver, ttl time.Duration) error {
	for _, cfg := range []KVConfig{nodesBucket(ttl), terminalsBucket} {
		if _, err := d.KV(ctx, cfg); err != nil {
			return err
		}
	}
	return nil
}

func nodesBucket(ttl time.Duration) KVConfig {
	return KVConfig{Bucket: "nodes", Memory: true, TTL: ttl}
}

type nodes struct {
	b             *Bus
	interval, ttl time.Duration
	bucket        bucket
}

// Announce implements Nodes.
func (s *nodes) Announce(ctx context.Context, state func() Node) (<-chan struct{}, error) {
	back := make(chan struct{}, 1)
	cancel := s.b.d.OnReconnect(func() {
		select {
		case back <- struct{}{}:
		default:
		}
	})
	tick := time.NewTicker(s.interval)
	stop := func() { cancel(); tick.Stop() }
	revision := uint64(0) // of our last put
	put := func() error {
		n := state()
		n.Kind, n.Node = s.b.kind, s.b.node
		r, err := s.put(ctx, n)
		if err == nil {
			revision = r
		}
		return err
	}
	for {
		err := put()
		if err == nil {
			break
		}
		if errors.Is(err, ErrClosed) || errors.Is(err, ErrInvalid) || ctx.Err() != nil {
			stop()
			return nil, err
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-back:
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer stop()
		for {
			select {
			case <-ctx.Done():
				s.remove(context.WithoutCancel(ctx), revision)
				return
			case <-tick.C:
			case <-back:
			}
			_ = put() // the next tick tries again
		}
	}()
	return done, nil
}

func (s *nodes) key() string { return s.b.kind + "." + s.b.node }

func (s *nodes) put(ctx context.Context, n Node) (revision uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.ttl)
	defer cancel()
	kv, err := s.bucket.open(ctx)
	if err != nil {
		return 0, err
	}
	value, err := json.Marshal(n)
	if err != nil {
		return 0, fmt.Errorf("bus: node: %w", err)
	}
	return kv.Put(ctx, s.key(), value)
}

// remove deletes the identity's key unless another instance has put it since. It
// need not read the table, which an adapter may only write.
func (s *nodes) remove(ctx context.Context, revision uint64) {
	ctx, cancel := context.WithTimeout(ctx, removeWithin)
	defer cancel()
	kv, err := s.bucket.open(ctx)
	if err != nil {
		return // it expires
	}
	_ = kv.DeleteAt(ctx, s.key(), revision) // fails if it is another's by now, or expires
}

// Watch implements Nodes.
func (s *nodes) Watch(ctx context.Context, f func(n Node, up bool), synced func()) error {
	kv, err := s.bucket.open(ctx)
	if err != nil {
		return err
	}
	v := &nodeView{kv: kv, ttl: s.ttl, alive: map[string]*liveNode{}, f: f}
	defer s.b.d.OnReconnect(v.touch)()
	ctx, cancel := context.WithCancel(ctx)
	var expiry sync.WaitGroup
	expiry.Go(func() { v.expire(ctx, s.interval) })
	defer expiry.Wait()
	defer cancel()
	return kv.Watch(ctx, ">", func(e Entry) bool {
		v.take(e)
		if e.Key == "" && synced != nil {
			synced()
			synced = nil
		}
		return true
	})
}

// nodeView is what one Watch knows. A bucket's expiry leaves no mark, so the
// view expires nodes itself.
type nodeView struct {
	kv  KV
	ttl time.Duration
	f   func(n Node, up bool)

	mu    sync.Mutex // held while f runs
	alive map[string]*liveNode
	full  bool // there was a full view
}

type liveNode struct {
	Node
	seen    time.Time
	missing bool // was not there at the last look
}

// take handles an entry of the bucket.
func (v *nodeView) take(e Entry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	was := v.alive[e.Key]
	switch {
	case e.Key == "":
		// After an outage nodes need a moment to come back.
		v.touchLocked()
		v.full = true
		return
	case e.Deleted && e.Revision == 0:
		return // lost with the bus perhaps; put again soon or it expires
	case e.Deleted && was == nil && v.full: // came and went between two looks
		if kind, node, ok := strings.Cut(e.Key, "."); ok {
			v.f(Node{Kind: kind, Node: node}, false)
		}
		return
	case e.Deleted:
		v.down(e.Key)
		return
	}
	is := &liveNode{seen: time.Now()}
	if json.Unmarshal(e.Value, &is.Node) != nil || is.Kind+"."+is.Node.Node != e.Key {
		return
	}
	if was != nil && was.Instance != is.Instance {
		v.down(e.Key)
		was = nil
	}
	v.alive[e.Key] = is
	if was == nil || was.Node != is.Node {
		v.f(is.Node, true)
	}
}

func (v *nodeView) down(key string) {
	if n := v.alive[key]; n != nil {
		delete(v.alive, key)
		v.f(n.Node, false)
	}
}

// touch counts all nodes as seen now.
func (v *nodeView) touch() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.touchLocked()
}

func (v *nodeView) touchLocked() {
	for _, n := range v.alive {
		n.seen, n.missing = time.Now(), false
	}
}

// expire looks after nodes that were not seen for the TTL. That alone says
// little: the bus may have been away, or we have been stopped. A node is down if
// its key is missing in two looks.
func (v *nodeView) expire(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, key := range v.overdue() {
			look, cancel := context.WithTimeout(ctx, v.ttl)
			e, err := v.kv.Get(look, key)
			cancel()
			switch {
			case err == nil:
				v.take(e)
			case errors.Is(err, ErrNotFound):
				v.miss(ctx, key)
			}
		}
	}
}

func (v *nodeView) overdue() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var keys []string
	for key, n := range v.alive {
		if time.Since(n.seen) > v.ttl {
			keys = append(keys, key)
		}
	}
	return keys
}

func (v *nodeView) miss(ctx context.Context, key string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.alive[key]
	switch {
	case n == nil || ctx.Err() != nil || time.Since(n.seen) <= v.ttl:
	case n.missing:
		v.down(key)
	default:
		n.missing = true
	}
}
