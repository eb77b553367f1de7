package mailbox

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
)

// flash is something too large for a tell that is not kept: it is read by the
// nodes that are told of it, and taken away soon.
type flash struct {
	ID   string          `json:"id,omitempty"`
	At   int64           `json:"at,omitempty"` // in microseconds
	Body json.RawMessage `json:"body,omitempty"`
}

// PutFlash stores something under an account and an id, for DropFlash to take
// away. What another left under an id with the same hash is overwritten.
func (b *Boxes) PutFlash(ctx context.Context, account, id string, body json.RawMessage) error {
	_, err := Swap(ctx, b.store, flashKey(account, id), func(f *flash) bool {
		*f = flash{id, Micros(b.now()), body}
		return true
	})
	return err
}

// Flash reads it; nil if it is not there any more.
func (b *Boxes) Flash(ctx context.Context, account, id string) (json.RawMessage, error) {
	f, err := Load[flash](ctx, b.store, flashKey(account, id))
	if err != nil || f.ID != id {
		return nil, err
	}
	return f.Body, nil
}

// DropFlash takes it away.
func (b *Boxes) DropFlash(ctx context.Context, account, id string) error {
	return b.dropFlash(ctx, flashKey(account, id), id)
}

func (b *Boxes) dropFlash(ctx context.Context, key, id string) error {
	_, err := Swap(ctx, b.store, key, func(f *flash) bool {
		mine := f.ID == id && id != ""
		if mine {
			*f = flash{}
		}
		return mine
	})
	return err
}

// SweepFlashes takes away what nodes that are gone left behind, older than age.
func (b *Boxes) SweepFlashes(ctx context.Context, age time.Duration) error {
	old := map[string]string{} // ids by key
	before := Micros(b.now().Add(-age))
	err := b.store.Watch(ctx, "flash", func(i kit.Item) bool {
		var f flash
		if !i.Deleted && json.Unmarshal(i.Value, &f) == nil && f.ID != "" && f.At < before {
			old[i.Key] = f.ID
		}
		return i.Key != ""
	})
	for key, id := range old {
		if err == nil {
			err = b.dropFlash(ctx, key, id)
		}
	}
	return err
}
