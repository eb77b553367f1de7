//go:build !goolm

package e2ee

import (
	"context"
	"encoding/json"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Built reports whether this build can encrypt.
const Built = false

// Keeper holds the devices of an application service's users. In this build
// there is none.
type Keeper struct{}

// New gives ErrNotBuilt.
func New(Config) (*Keeper, error) { return nil, ErrNotBuilt }

// Run returns when ctx ends.
func (*Keeper) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// OnKeys does nothing.
func (*Keeper) OnKeys(func(as id.UserID, room id.RoomID, session id.SessionID)) {}

// Ensure gives ErrNotBuilt.
func (*Keeper) Ensure(context.Context, id.UserID) error { return ErrNotBuilt }

// Encrypt gives ErrNotBuilt.
func (*Keeper) Encrypt(context.Context, id.UserID, id.RoomID, []id.UserID, string, json.RawMessage) (json.RawMessage, error) {
	return nil, ErrNotBuilt
}

// Decrypt gives ErrNotBuilt.
func (*Keeper) Decrypt(context.Context, id.UserID, *event.Event) (*event.Event, error) {
	return nil, ErrNotBuilt
}
