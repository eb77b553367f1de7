package natsbus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
)

const (
	hdrOperation = "KV-Operation"
	opDelete     = "DEL"
)

// kv is a NATS key-value bucket, stored as every NATS client expects it.
type kv struct {
	conn   *Conn
	bucket string
	prefix string // $KV.<bucket>.
	stream *stream
}

// KV implements bus.Driver.
func (c *Conn) KV(ctx context.Context, cfg bus.KVConfig) (bus.KV, error) {
	if !schema.ValidToken(cfg.Bucket) {
		return nil, fmt.Errorf("%w: bucket %q", bus.ErrInvalid, cfg.Bucket)
	}
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	k := &kv{conn: c, bucket: cfg.Bucket, prefix: "$KV." + cfg.Bucket + ".", stream: &stream{conn: c, cfg: bucketConfig(c.cfg, cfg)}}
	return k, k.stream.ensure(ctx)
}

// bucketConfig is the stream of a bucket (ADR-8), but without direct get: reads
// come from the leader. And without roll-ups: with them, whoever may write one key
// can empty the bucket by a header of that message.
func bucketConfig(c Config, cfg bus.KVConfig) jetstream.StreamConfig {
	storage := jetstream.FileStorage
	if cfg.Memory {
		storage = jetstream.MemoryStorage
	}
	window := 2 * time.Minute // must not exceed the TTL
	if cfg.TTL > 0 {
		window = min(window, cfg.TTL)
	}
	return jetstream.StreamConfig{
		Name:              "KV_" + cfg.Bucket,
		Description:       "Tandem bucket " + cfg.Bucket,
		Subjects:          []string{"$KV." + cfg.Bucket + ".>"},
		Storage:           storage,
		Replicas:          c.Replicas,
		MaxMsgsPerSubject: 1,
		MaxBytes:          -1,
		MaxAge:            cfg.TTL,
		Discard:           jetstream.DiscardNew,
		Duplicates:        window,
		DenyDelete:        true,
	}
}

// Get implements bus.KV.
func (k *kv) Get(ctx context.Context, key string) (bus.Entry, error) {
	e, err := k.get(ctx, key)
	if err == nil && e.Deleted {
		return bus.Entry{}, bus.ErrNotFound
	}
	return e, err
}

// get also gives deletion marks.
func (k *kv) get(ctx context.Context, key string) (bus.Entry, error) {
	if !bus.ValidKey(key) {
		return bus.Entry{}, fmt.Errorf("%w: key %q", bus.ErrInvalid, key)
	}
	m, err := k.conn.last(ctx, k.stream, k.prefix+key)
	if err != nil {
		return bus.Entry{}, err
	}
	deleted := bytes.Contains(m.Header, []byte(hdrOperation+":"))
	return bus.Entry{Key: key, Value: m.Data, Revision: m.Seq, Deleted: deleted}, nil
}

// Put implements bus.KV.
func (k *kv) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	return k.put(ctx, key, value, nil)
}

// Update implements bus.KV.
func (k *kv) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	h := make(nats.Header, 1)
	expectHeader(h, revision)
	rev, err := k.put(ctx, key, value, h)
	if revision != 0 || !errors.Is(err, bus.ErrConflict) {
		return rev, err
	}
	// The key may be there as the mark of its deletion only.
	e, getErr := k.get(ctx, key)
	switch {
	case getErr != nil && !errors.Is(getErr, bus.ErrNotFound):
		return 0, getErr
	case getErr == nil && !e.Deleted:
		return 0, err
	}
	expectHeader(h, e.Revision)
	return k.put(ctx, key, value, h)
}

// Delete implements bus.KV.
func (k *kv) Delete(ctx context.Context, key string) error {
	_, err := k.put(ctx, key, nil, nats.Header{hdrOperation: []string{opDelete}})
	return err
}

// DeleteAt implements bus.KV.
func (k *kv) DeleteAt(ctx context.Context, key string, revision uint64) error {
	h := make(nats.Header, 2)
	h[hdrOperation] = []string{opDelete}
	expectHeader(h, revision)
	_, err := k.put(ctx, key, nil, h)
	return err
}

func (k *kv) put(ctx context.Context, key string, value []byte, h nats.Header) (uint64, error) {
	switch {
	case !bus.ValidKey(key):
		return 0, fmt.Errorf("%w: key %q", bus.ErrInvalid, key)
	case len(value) > bus.MaxPayload:
		return 0, fmt.Errorf("%w: key %s, %d bytes", bus.ErrTooLarge, key, len(value))
	}
	return k.conn.publish(ctx, k.stream, &nats.Msg{Subject: k.prefix + key, Data: value, Header: h})
}

// LastRevision implements bus.KV.
func (k *kv) LastRevision(ctx context.Context) (uint64, error) {
	// The last message is the last write and cheaper to ask for than the stream's
	// state, unless it has expired.
	m, err := k.conn.last(ctx, k.stream, ">")
	if !errors.Is(err, bus.ErrNotFound) {
		return m.Seq, err
	}
	ctx, cancel := k.conn.deadline(ctx)
	defer cancel()
	info, err := k.stream.state(ctx)
	if err != nil {
		return 0, err
	}
	return info.State.LastSeq, nil
}
