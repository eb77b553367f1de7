package mailbox

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// maxValue is the largest value that is written; the store takes 1 MiB.
const maxValue = 1000 << 10

// load reads a value.
func load[T any](ctx context.Context, s kit.Store, key string) (v T, revision uint64, err error) {
	text, revision, err := s.Get(ctx, key)
	if err != nil {
		return v, 0, err
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return v, 0, schema.Errorf(callv1.Code_CODE_INTERNAL, "the value of %s cannot be read: %w", key, err)
	}
	return v, revision, nil
}

// Load reads a value of a store; the zero value if there is none.
func Load[T any](ctx context.Context, s kit.Store, key string) (T, error) {
	v, _, err := load[T](ctx, s, key)
	if schema.CodeOf(err) == callv1.Code_CODE_NOT_FOUND {
		return v, nil
	}
	return v, err
}

// Swap changes a value of a store by compare-and-set: the zero value if there is
// none. f says whether it changed it, and may be called several times. It gives
// the value as it is then. CODE_OVERLOAD: it has become too large.
func Swap[T any](ctx context.Context, s kit.Store, key string, f func(*T) bool) (T, error) {
	return swap(ctx, s, key, false, f)
}

func swap[T any](ctx context.Context, s kit.Store, key string, must bool, f func(*T) bool) (T, error) {
	for try := 0; ; try++ {
		v, revision, err := load[T](ctx, s, key)
		if err != nil && (must || schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND) {
			return v, err
		}
		if !f(&v) {
			return v, nil
		}
		text, err := json.Marshal(v)
		if err != nil {
			return v, schema.Errorf(callv1.Code_CODE_INTERNAL, "%s: %w", key, err)
		}
		if len(text) > maxValue {
			return v, schema.Errorf(callv1.Code_CODE_OVERLOAD, "%s would have %d bytes", key, len(text))
		}
		_, err = s.Put(ctx, key, text, revision)
		if schema.CodeOf(err) != callv1.Code_CODE_CONFLICT {
			return v, err
		}
		if err := pause(ctx, try); err != nil {
			return v, err
		}
	}
}

// pause waits a little after a lost compare-and-set, longer after many, so that
// of many writers none is left behind.
func pause(ctx context.Context, try int) error {
	if try == 0 {
		return nil // most often the other is done
	}
	wait := time.NewTimer(rand.N(time.Millisecond << min(try, 6))) //nolint:gosec // no secret
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return schema.Errorf(callv1.Code_CODE_RETRY, "too many writers: %w", ctx.Err())
	}
}
