package matrix

import (
	"context"
	"encoding/json"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// envelope is about what an event has besides its content.
const envelope = 2048

// transmit sends a message to the homeserver, encrypted where its room is.
func (t *term) transmit(ctx context.Context, m *message) error {
	if m.doubt {
		if said, err := t.wasSaid(ctx, m); said || again(err) {
			return err
		}
	}
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
	content, err := marked(content, m.Txn)
	if err != nil {
		return err
	}
	if len(content)+envelope > t.cfg.MaxEvent {
		return schema.Errorf(callv1.Code_CODE_NOT_ACCEPTABLE,
			"matrix: an event of %d bytes is larger than max_event_bytes allows", len(content)+envelope)
	}
	ctx, cancel := context.WithTimeout(ctx, t.cfg.SendTimeout)
	defer cancel()
	return t.a.hs.send(ctx, m.As, m.Room, kind, content, m.Txn)
}

// markKey is in the content of every event of ours, encrypted or not, and names its
// transaction.
const markKey = "com.github.tandem-rtc.transaction"

// marked gives a content with its transaction.
func marked(content json.RawMessage, txn string) (json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(content, &fields); err != nil {
		return nil, schema.Errorf(callv1.Code_CODE_INTERNAL, "matrix: %w", err)
	}
	var err error
	if fields[markKey], err = json.Marshal(txn); err == nil {
		content, err = json.Marshal(fields)
	}
	if err != nil {
		return nil, schema.Errorf(callv1.Code_CODE_INTERNAL, "matrix: %w", err)
	}
	return content, nil
}

// wasSaid looks whether a message has come into its room already. That it has the
// same transaction is not enough: a homeserver that was cut off from us while it took
// the event may have kept that and not the transaction (Dendrite does so).
func (t *term) wasSaid(ctx context.Context, m *message) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.SendTimeout)
	defer cancel()
	events, err := t.a.hs.recent(ctx, m.As, m.Room, backlog)
	if err != nil {
		return false, err
	}
	for _, e := range events {
		fields := map[string]json.RawMessage{}
		if e.Sender != m.As || json.Unmarshal(e.Content.VeryRaw, &fields) != nil {
			continue
		}
		var txn string
		if json.Unmarshal(fields[markKey], &txn) == nil && txn == m.Txn {
			t.log.Info("an event had been sent already", "room", m.Room, "type", m.Type)
			return true, nil
		}
	}
	return false, nil
}
