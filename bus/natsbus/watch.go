package natsbus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/internal/view"
)

// watchRetry is how long a watcher waits before it tries again.
const watchRetry = 100 * time.Millisecond

// Watch implements bus.KV.
func (k *kv) Watch(ctx context.Context, filter string, f func(bus.Entry) bool) error {
	if !bus.ValidFilter(filter) {
		return fmt.Errorf("%w: filter %q", bus.ErrInvalid, filter)
	}
	again := make(chan struct{}, 1)
	defer k.conn.reconnect.Add(func() {
		select {
		case again <- struct{}{}:
		default:
		}
	})()
	v := view.New(f)
	for {
		v.Restart()
		goOn, err := k.watch(ctx, filter, again, v)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case k.conn.closed():
			return bus.ErrClosed
		case err == nil && !goOn:
			return nil
		case err == nil:
			continue
		}
		k.stream.forget() // a bucket in memory is gone after a restart
		k.conn.cfg.Logger.Debug("watch interrupted", "bucket", k.bucket, "error", err)
		retry := time.NewTimer(watchRetry)
		select {
		case <-ctx.Done():
		case <-k.conn.done:
		case <-retry.C:
		}
		retry.Stop()
	}
}

// watch watches until v has enough (false, nil), the bus was away (true, nil) or
// something fails.
func (k *kv) watch(ctx context.Context, filter string, again <-chan struct{}, v *view.View) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends what nats.go starts for the watcher
	store, err := k.open(ctx)
	if err != nil {
		return true, err
	}
	w, err := store.Watch(ctx, filter)
	if err != nil {
		return true, err //nolint:wrapcheck // only logged
	}
	defer drain(w)
	for {
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case <-k.conn.done:
			return true, bus.ErrClosed
		case <-again:
			return true, nil
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return true, fmt.Errorf("%w: watcher ended", bus.ErrUnavailable)
			case ctx.Err() != nil:
				return true, ctx.Err()
			case e == nil:
				if !v.Synced(0) {
					return false, nil
				}
			case !v.Entry(bus.Entry{
				Key: e.Key(), Value: e.Value(), Revision: e.Revision(),
				Deleted: e.Operation() != jetstream.KeyValuePut,
			}):
				return false, nil
			}
		}
	}
}

// drain ends a watcher and frees its writer, which may be waiting for us. nats.go
// does not close the channel if the connection was closed while it subscribed;
// the writer is not waiting then if nothing comes.
func drain(w jetstream.KeyWatcher) {
	_ = w.Stop()
	idle := time.NewTimer(watchRetry)
	defer idle.Stop()
	for {
		select {
		case _, ok := <-w.Updates():
			if !ok {
				return
			}
			idle.Reset(watchRetry)
		case <-idle.C:
			return
		}
	}
}

// open makes sure the bucket is there and binds to it.
func (k *kv) open(ctx context.Context) (jetstream.KeyValue, error) {
	ctx, cancel := k.conn.deadline(ctx)
	defer cancel()
	if err := k.stream.ensure(ctx); err != nil {
		return nil, err
	}
	return k.conn.js.KeyValue(ctx, k.bucket) //nolint:wrapcheck // only logged
}
