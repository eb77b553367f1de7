package kit

import (
	"context"
	"strings"
	"sync"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
)

// storeBucket holds the stores of all adapter kinds, keys <kind>.<key>.
const storeBucket = "adapter"

// store is an adapter kind's share of the bucket. The bucket is opened on first
// use, since New does no I/O.
type store struct {
	driver bus.Driver
	prefix string
	mu     sync.Mutex
	kv     bus.KV
}

func (s *store) open(ctx context.Context) (bus.KV, error) {
	s.mu.Lock()
	kv := s.kv
	s.mu.Unlock()
	if kv != nil {
		return kv, nil
	}
	kv, err := s.driver.KV(ctx, bus.KVConfig{Bucket: storeBucket}) // opening twice is harmless
	if err != nil {
		return nil, retryable(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kv = kv
	return kv, nil
}

// key makes any text a key of the bucket, one to one.
func (s *store) key(k string) (string, error) {
	if k == "" || len(k) > 256 {
		return "", schema.Invalid("key", "must have 1 to 256 bytes")
	}
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	b.WriteString(s.prefix)
	for i := range len(k) {
		if schema.ValidToken(k[i : i+1]) {
			b.WriteByte(k[i])
			continue
		}
		b.WriteByte('=')
		b.WriteByte(hexDigits[k[i]>>4])
		b.WriteByte(hexDigits[k[i]&15])
	}
	return b.String(), nil
}

// Get implements Store.
func (s *store) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	k, err := s.key(key)
	if err != nil {
		return nil, 0, err
	}
	kv, err := s.open(ctx)
	if err != nil {
		return nil, 0, err
	}
	e, err := kv.Get(ctx, k)
	if err != nil {
		return nil, 0, retryable(err)
	}
	return e.Value, e.Revision, nil
}

// Put implements Store.
func (s *store) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	k, err := s.key(key)
	if err != nil {
		return 0, err
	}
	kv, err := s.open(ctx)
	if err != nil {
		return 0, err
	}
	revision, err = kv.Update(ctx, k, value, revision)
	if err != nil {
		return 0, retryable(err)
	}
	return revision, nil
}

// Delete implements Store.
func (s *store) Delete(ctx context.Context, key string) error {
	k, err := s.key(key)
	if err != nil {
		return err
	}
	kv, err := s.open(ctx)
	if err != nil {
		return err
	}
	if err := kv.Delete(ctx, k); err != nil {
		return retryable(err)
	}
	return nil
}
