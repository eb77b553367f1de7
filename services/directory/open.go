package directory

import (
	"context"
	"errors"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

// The pauses between tries to open the bucket.
const (
	openPause   = 200 * time.Millisecond
	openLongest = 5 * time.Second
)

// open opens the bucket. While the bus is there but its storage is not it tries
// again: servers of a cluster that starts take a moment to find each other.
func (s *Service) open(ctx context.Context) (bus.KV, error) {
	for pause := openPause; ; pause = min(2*pause, openLongest) {
		kv, err := s.bus.Driver().KV(ctx, bus.KVConfig{Bucket: bucketName})
		if !errors.Is(err, bus.ErrUnavailable) {
			return kv, err //nolint:wrapcheck // by the caller
		}
		s.log.Warn("the bucket cannot be opened yet", "error", err, "after", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
