package bus

import (
	"context"
	"sync"
)

// bucket opens a KV when it is first needed.
type bucket struct {
	d   Driver
	cfg KVConfig

	mu sync.Mutex
	kv KV
}

func (b *bucket) open(ctx context.Context) (KV, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kv != nil {
		return b.kv, nil
	}
	kv, err := b.d.KV(ctx, b.cfg)
	if err == nil {
		b.kv = kv
	}
	return kv, err
}
