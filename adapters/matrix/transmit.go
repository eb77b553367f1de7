package matrix

import (
	"context"
	"encoding/json"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// envelope is about what an event has besides its content.
const envelope = 2048

// transmit sends a message to the homeserver, encrypted where its room is.
func (t *term) transmit(ctx context.Context, m *message) error {
	kind, content := m.Type, m.Content
	r := t.roomOf(m.Room)
	t.mu.Lock()
	secret := r != nil && r.Encrypted
	t.mu.Unlock()
	if secret {
		members, err := t.present(ctx, r)
		if err != nil {
			return err
		}
		if content, err = t.crypto.encrypt(ctx, m.As, m.Room, members, m.Type, m.Content); err != nil {
			return err
		}
		kind = typeEncrypted
	}
	if len(content)+envelope > t.cfg.MaxEvent {
		return schema.Errorf(callv1.Code_CODE_NOT_ACCEPTABLE,
			"matrix: an event of %d bytes is larger than max_event_bytes allows", len(content)+envelope)
	}
	ctx, cancel := context.WithTimeout(ctx, t.cfg.SendTimeout)
	defer cancel()
	return t.a.hs.send(ctx, m.As, m.Room, kind, content, m.Txn)
}

// crypto encrypts and decrypts for the users of ours that are in encrypted rooms.
type crypto interface {
	// run works beside until ctx ends.
	run(ctx context.Context)
	// ensure gives a user of ours a device, so that others can encrypt for it.
	ensure(ctx context.Context, as id.UserID)
	// encrypt makes the content of an m.room.encrypted for the members of a room.
	encrypt(ctx context.Context, as id.UserID, room id.RoomID, members []id.UserID, kind string, content json.RawMessage) (json.RawMessage, error)
	// decrypt gives what an m.room.encrypted says; errNoKeys while its keys are missing.
	decrypt(ctx context.Context, as id.UserID, in incoming) (incoming, error)
}
