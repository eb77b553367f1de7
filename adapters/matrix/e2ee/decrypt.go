//go:build goolm

package e2ee

import (
	"context"
	"errors"
	"time"

	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/olm"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// decrypt decrypts a room event. It uses what is in the store and asks nobody.
func (d *device) decrypt(ctx context.Context, evt *event.Event) (plain *event.Event, err error) {
	d.ops.RLock()
	defer d.ops.RUnlock()
	defer d.guard(&err)
	in := *evt
	in.Type = event.EventEncrypted
	if _, ok := in.Content.Parsed.(*event.EncryptedEventContent); !ok {
		in.Content = event.Content{VeryRaw: in.Content.VeryRaw, Raw: in.Content.Raw}
		if err := in.Content.ParseRaw(in.Type); err != nil {
			return nil, schema.Errorf(callv1.Code_CODE_INVALID, "%w", err)
		}
	}
	content := in.Content.AsEncrypted()
	ctx = withPeers(ctx, in.Sender)
	session, err := d.store.GetGroupSession(ctx, in.RoomID, content.SessionID)
	if err == nil && session != nil && session.SourceUser != in.Sender {
		return nil, schema.Errorf(callv1.Code_CODE_FORBIDDEN, "the session is %s's, the event %s's", session.SourceUser, in.Sender)
	}
	out, err := d.mach.DecryptMegolmEvent(ctx, &in)
	switch {
	case err == nil:
		return out, nil
	case d.vault.failed() != nil:
		return nil, d.vault.failed()
	case errors.Is(err, crypto.ErrNoSessionFound), errors.Is(err, olm.ErrUnknownMessageIndex):
		d.want(in.RoomID, in.Sender, content)
		return nil, schema.Errorf(callv1.Code_CODE_RETRY, "%w: session %s", ErrNoKeys, content.SessionID)
	case errors.Is(err, crypto.ErrGroupSessionWithheld):
		return nil, schema.Errorf(callv1.Code_CODE_RETRY, "%w: session %s: %s", ErrWithheld, content.SessionID, err.Error())
	}
	return nil, schema.Errorf(callv1.Code_CODE_INVALID, "%w", err)
}

// wanted is a session whose keys are missing.
type wanted struct {
	room   id.RoomID
	sender id.UserID
	device id.DeviceID
	key    id.SenderKey
	due    time.Time
	asked  bool
}

const (
	// maxWanted bounds the sessions whose keys are asked for.
	maxWanted = 256
	// askAgain is how long it takes until keys are asked for once more.
	askAgain = 10 * time.Minute
)

// want has the keys of a session asked for, if they do not come by themselves.
func (d *device) want(room id.RoomID, sender id.UserID, content *event.EncryptedEventContent) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for session, w := range d.wanted {
		if w.asked && now.Sub(w.due) > askAgain {
			delete(d.wanted, session)
			d.store.forgetAsked(session)
		}
	}
	if d.wanted[content.SessionID] != nil || len(d.wanted) >= maxWanted {
		return
	}
	//lint:ignore SA1019 clients still send it; if not, all devices are asked
	device := content.DeviceID
	if device == "" {
		device = "*"
	}
	d.wanted[content.SessionID] = &wanted{
		room: room, sender: sender, device: device, key: content.SenderKey, due: now.Add(d.cfg.AskAfter),
	}
	d.wake()
}

// got are keys that have come.
type got struct {
	room    id.RoomID
	session id.SessionID
	again   time.Time // when to tell once more
}

func newGot(room id.RoomID, session id.SessionID) got { return got{room: room, session: session} }

type gotKey struct{}
