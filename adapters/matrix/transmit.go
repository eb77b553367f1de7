package matrix

import (
	"context"

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
		var err error
		if content, err = t.encrypt(ctx, r, m); err != nil {
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
