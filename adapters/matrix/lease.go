package matrix

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// lease is the right to serve: of the adapter's nodes one takes the homeserver's
// transactions, has the users attached and the devices' keys. It is one record in
// the shared store, written again at every beat. Whoever sees no beat for the
// lease's time takes it by compare-and-set; whoever could not write for two thirds
// of that time has stopped by then. So no two clocks are compared.
type lease struct {
	a        *Adapter
	instance string

	revision uint64
	holder   leaseValue
	seen     time.Time // when the holder's last beat was seen first
}

// leaseValue is what the record says.
type leaseValue struct {
	Node     string `json:"node"`
	Instance string `json:"instance"`
	URL      string `json:"url"`
	Beat     uint64 `json:"beat"`
}

// stand waits until this node has the lease. It returns false when ctx ends.
func (l *lease) stand(ctx context.Context) bool {
	for {
		if l.try(ctx) {
			return true
		}
		if !wait(ctx, l.a.cfg.LeaseTTL/6) {
			return false
		}
	}
}

// try takes the lease if it is free, as far as can be known now.
func (l *lease) try(ctx context.Context) bool {
	value, revision, err := l.a.host.Store().Get(ctx, leaseKey)
	var now leaseValue
	switch {
	case schema.CodeOf(err) == callv1.Code_CODE_NOT_FOUND:
		revision = 0
	case err != nil:
		return false
	case json.Unmarshal(value, &now) != nil:
		l.a.log.Warn("unreadable lease")
	}
	if revision != l.revision || l.seen.IsZero() {
		l.revision, l.holder, l.seen = revision, now, time.Now()
	}
	l.a.setHolder(l.holder)
	// A node's name is one process's at a time: its former start has ended.
	ours := now.Node == l.a.node
	if revision != 0 && !ours && time.Since(l.seen) < l.a.cfg.LeaseTTL {
		return false
	}
	return l.beat(ctx) == nil
}

// beat writes the lease anew.
func (l *lease) beat(ctx context.Context) error {
	v := leaseValue{Node: l.a.node, Instance: l.instance, URL: l.a.advertised(), Beat: l.holder.Beat + 1}
	data, err := json.Marshal(v)
	if err != nil {
		return schema.Errorf(callv1.Code_CODE_INTERNAL, "matrix: %w", err)
	}
	began := time.Now()
	revision, err := l.a.host.Store().Put(ctx, leaseKey, data, l.revision)
	if err != nil {
		return err //nolint:wrapcheck // has a code
	}
	l.revision, l.holder, l.seen = revision, v, began
	l.a.setHolder(v)
	return nil
}

// keep beats until ctx ends or the lease is lost, and returns then.
func (l *lease) keep(ctx context.Context) {
	for wait(ctx, l.a.cfg.LeaseTTL/4) {
		one, cancel := context.WithTimeout(ctx, l.a.cfg.LeaseTTL/4)
		err := l.beat(one)
		cancel()
		if err == nil || ctx.Err() != nil {
			continue
		}
		// A conflict may be a write of our own whose reply was lost: read it.
		value, revision, getErr := l.a.host.Store().Get(ctx, leaseKey)
		var now leaseValue
		switch {
		case getErr == nil && json.Unmarshal(value, &now) == nil && now.Instance == l.instance:
			l.revision, l.holder = revision, now
		case getErr == nil, schema.CodeOf(getErr) == callv1.Code_CODE_NOT_FOUND:
			l.a.log.Warn("another node has taken over", "holder", now.Node)
			return
		}
		if time.Since(l.seen) > l.a.cfg.LeaseTTL*2/3 {
			l.a.log.Warn("the lease could not be kept", "error", err)
			return
		}
	}
}

// release lets another node take over at once.
func (l *lease) release() {
	ctx, cancel := context.WithTimeout(context.Background(), releaseWithin)
	defer cancel()
	value, _, err := l.a.host.Store().Get(ctx, leaseKey)
	var now leaseValue
	if err != nil || json.Unmarshal(value, &now) != nil || now.Instance != l.instance {
		return
	}
	if err := l.a.host.Store().Delete(ctx, leaseKey); err != nil {
		l.a.log.Warn("lease not given back", "error", err)
	}
}

// releaseWithin bounds the last word to the store.
const releaseWithin = 2 * time.Second

// wait waits, and reports whether ctx goes on.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// backoff is how long to wait before a further try.
func backoff(try int) time.Duration { return min(50*time.Millisecond<<min(try, 6), 2*time.Second) }
