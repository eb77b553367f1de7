package membus

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
)

// bucket is the stored half of a KV. Guarded by Server.store.
type bucket struct {
	memory   bool
	ttl      time.Duration
	revision uint64
	entries  map[string]*value
	watchers map[*watcher]struct{}
}

type value struct {
	data     []byte
	revision uint64
	expires  time.Time // zero: never
}

func (b *bucket) get(key string, now time.Time) *value {
	e := b.entries[key]
	if e == nil || e.expires.IsZero() || now.Before(e.expires) {
		return e
	}
	delete(b.entries, key) // silently, as a NATS bucket does
	return nil
}

func (b *bucket) put(key string, data []byte, now time.Time) uint64 {
	b.revision++
	e := &value{data: bytes.Clone(data), revision: b.revision}
	if b.ttl > 0 {
		e.expires = now.Add(b.ttl)
	}
	b.entries[key] = e
	return b.revision
}

// present gives the entries under filter, oldest write first.
func (b *bucket) present(filter string, now time.Time) []bus.Entry {
	var found []bus.Entry
	for key := range b.entries {
		if e := b.get(key, now); e != nil && bus.Match(filter, key) {
			found = append(found, bus.Entry{Key: key, Value: bytes.Clone(e.data), Revision: e.revision})
		}
	}
	slices.SortFunc(found, byRevision)
	return found
}

// kv is a connection's view of a bucket.
type kv struct {
	c   *Conn
	cfg bus.KVConfig
}

// KV implements bus.Driver.
func (c *Conn) KV(ctx context.Context, cfg bus.KVConfig) (bus.KV, error) {
	if !schema.ValidToken(cfg.Bucket) {
		return nil, fmt.Errorf("%w: bucket %q", bus.ErrInvalid, cfg.Bucket)
	}
	k := &kv{c, cfg}
	if _, err := k.enter(ctx); err != nil {
		return nil, err
	}
	c.leaveStore()
	return k, nil
}

// enter gives the bucket, made again if an outage lost it; Conn.leaveStore must
// follow if it succeeded.
func (k *kv) enter(ctx context.Context) (*bucket, error) {
	if err := k.c.enterStore(ctx); err != nil {
		return nil, err
	}
	b := k.c.s.buckets[k.cfg.Bucket]
	if b == nil {
		b = &bucket{
			memory: k.cfg.Memory, ttl: k.cfg.TTL,
			entries: map[string]*value{}, watchers: map[*watcher]struct{}{},
		}
		k.c.s.buckets[k.cfg.Bucket] = b
	}
	return b, nil
}

// Get implements bus.KV.
func (k *kv) Get(ctx context.Context, key string) (bus.Entry, error) {
	if err := checkEntry(key, nil); err != nil {
		return bus.Entry{}, err
	}
	b, err := k.enter(ctx)
	if err != nil {
		return bus.Entry{}, err
	}
	defer k.c.leaveStore()
	e := b.get(key, k.c.s.now())
	if e == nil {
		return bus.Entry{}, bus.ErrNotFound
	}
	return bus.Entry{Key: key, Value: bytes.Clone(e.data), Revision: e.revision}, nil
}

// Put implements bus.KV.
func (k *kv) Put(ctx context.Context, key string, data []byte) (uint64, error) {
	return k.write(ctx, key, data, func(*value) error { return nil })
}

// Update implements bus.KV.
func (k *kv) Update(ctx context.Context, key string, data []byte, revision uint64) (uint64, error) {
	return k.write(ctx, key, data, func(e *value) error { return k.expect(e, key, revision) })
}

// expect is the compare of compare-and-set.
func (k *kv) expect(e *value, key string, revision uint64) error {
	have := uint64(0)
	if e != nil {
		have = e.revision
	}
	if have != revision {
		return fmt.Errorf("%w: %s/%s is at %d, not %d", bus.ErrConflict, k.cfg.Bucket, key, have, revision)
	}
	return nil
}

func (k *kv) write(ctx context.Context, key string, data []byte, check func(*value) error) (uint64, error) {
	if err := checkEntry(key, data); err != nil {
		return 0, err
	}
	b, err := k.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer k.c.leaveStore()
	now := k.c.s.now()
	if err := check(b.get(key, now)); err != nil {
		return 0, err
	}
	rev := b.put(key, data, now)
	b.tell(bus.Entry{Key: key, Value: data, Revision: rev})
	return rev, nil
}

// Delete implements bus.KV.
func (k *kv) Delete(ctx context.Context, key string) error {
	return k.remove(ctx, key, func(*value) error { return nil })
}

// DeleteAt implements bus.KV.
func (k *kv) DeleteAt(ctx context.Context, key string, revision uint64) error {
	return k.remove(ctx, key, func(e *value) error { return k.expect(e, key, revision) })
}

func (k *kv) remove(ctx context.Context, key string, check func(*value) error) error {
	if err := checkEntry(key, nil); err != nil {
		return err
	}
	b, err := k.enter(ctx)
	if err != nil {
		return err
	}
	defer k.c.leaveStore()
	if err := check(b.get(key, k.c.s.now())); err != nil {
		return err
	}
	b.revision++
	delete(b.entries, key)
	b.tell(bus.Entry{Key: key, Revision: b.revision, Deleted: true})
	return nil
}

// LastRevision implements bus.KV.
func (k *kv) LastRevision(ctx context.Context) (uint64, error) {
	b, err := k.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer k.c.leaveStore()
	return b.revision, nil
}

func checkEntry(key string, data []byte) error {
	switch {
	case !bus.ValidKey(key):
		return fmt.Errorf("%w: key %q", bus.ErrInvalid, key)
	case len(data) > bus.MaxPayload:
		return fmt.Errorf("%w: key %s, %d bytes", bus.ErrTooLarge, key, len(data))
	}
	return nil
}
