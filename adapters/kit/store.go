package kit

import (
	"context"
	"errors"
	"slices"
	"strconv"
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
	if k == "" || len(k) > 256 || slices.Contains(strings.Split(k, "/"), "") {
		return "", schema.Invalid("key", "must have 1 to 256 bytes, and no empty part")
	}
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	b.WriteString(s.prefix)
	for i := range len(k) {
		switch {
		case k[i] == '/': // parts are the bus's tokens, so that a prefix can be watched
			b.WriteByte('.')
			continue
		case schema.ValidToken(k[i : i+1]):
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

// Watch implements Store.
func (s *store) Watch(ctx context.Context, prefix string, f func(Item) bool) error {
	filter := s.prefix + ">"
	if prefix != "" {
		p, err := s.key(prefix)
		if err != nil {
			return err
		}
		filter = p + ".>"
	}
	kv, err := s.openInTime(ctx)
	if err != nil {
		return err
	}
	err = kv.Watch(ctx, filter, func(e bus.Entry) bool {
		if e.Key == "" {
			return f(Item{})
		}
		return f(Item{Key: s.plain(e.Key), Value: e.Value, Revision: e.Revision, Deleted: e.Deleted})
	})
	if err != nil && ctx.Err() == nil {
		return retryable(err)
	}
	return err
}

// openInTime opens the bucket as soon as the bus is there.
func (s *store) openInTime(ctx context.Context) (bus.KV, error) {
	for try := 0; ; try++ {
		kv, err := s.open(ctx)
		switch {
		case err == nil:
			return kv, nil
		case errors.Is(err, bus.ErrClosed):
			return nil, err
		case !pause(ctx, backoff(try)):
			return nil, bus.ContextError(ctx)
		}
	}
}

// plain gives the key that key encoded.
func (s *store) plain(k string) string {
	k = strings.TrimPrefix(k, s.prefix)
	var b strings.Builder
	for i := 0; i < len(k); i++ {
		switch {
		case k[i] == '.':
			b.WriteByte('/')
		case k[i] == '=' && i+2 < len(k):
			n, err := strconv.ParseUint(k[i+1:i+3], 16, 8)
			if err != nil {
				b.WriteByte(k[i])
				continue
			}
			b.WriteByte(byte(n))
			i += 2
		default:
			b.WriteByte(k[i])
		}
	}
	return b.String()
}
