package faultbus

import (
	"context"
	"errors"

	"github.com/tandem-rtc/tandem/bus"
)

// KV implements bus.Driver.
func (d *driver) KV(ctx context.Context, cfg bus.KVConfig) (bus.KV, error) {
	kv, err := d.Driver.KV(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &bucket{kv, cfg.Bucket, d.h}, nil
}

type bucket struct {
	bus.KV
	name string
	h    Hooks
}

// Put implements bus.KV.
func (b *bucket) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	return b.write(key, value, func() (uint64, error) { return b.KV.Put(ctx, key, value) })
}

// Update implements bus.KV.
func (b *bucket) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	return b.write(key, value, func() (uint64, error) { return b.KV.Update(ctx, key, value, revision) })
}

// Delete implements bus.KV.
func (b *bucket) Delete(ctx context.Context, key string) error {
	_, err := b.write(key, nil, func() (uint64, error) { return 0, b.KV.Delete(ctx, key) })
	return err
}

// DeleteAt implements bus.KV.
func (b *bucket) DeleteAt(ctx context.Context, key string, revision uint64) error {
	_, err := b.write(key, nil, func() (uint64, error) { return 0, b.KV.DeleteAt(ctx, key, revision) })
	return err
}

func (b *bucket) write(key string, value []byte, do func() (uint64, error)) (revision uint64, err error) {
	op := Op{Subject: b.name + "." + key, Data: value}
	if err = call(b.h.BeforePut, op); err == nil {
		if revision, err = do(); err != nil {
			return 0, err
		}
		if err = call(b.h.AfterPut, op); err == nil {
			return revision, nil
		}
	}
	if errors.Is(err, ErrLost) {
		return 0, bus.ErrUnavailable
	}
	return 0, err
}
