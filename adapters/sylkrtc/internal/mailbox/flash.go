package mailbox

import (
	"context"
	"encoding/json"
)

// flash is something too large for a tell that is not kept: it is read by the
// nodes that are told of it, and taken away soon.
type flash struct {
	ID   string          `json:"id,omitempty"`
	Body json.RawMessage `json:"body,omitempty"`
}

// PutFlash stores something under an account and an id, for DropFlash to take
// away. What another left under an id with the same hash is overwritten.
func (b *Boxes) PutFlash(ctx context.Context, account, id string, body json.RawMessage) error {
	_, err := Swap(ctx, b.store, flashKey(account, id), func(f *flash) bool {
		*f = flash{id, body}
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
	_, err := Swap(ctx, b.store, flashKey(account, id), func(f *flash) bool {
		mine := f.ID == id
		*f = flash{}
		return mine
	})
	return err
}
