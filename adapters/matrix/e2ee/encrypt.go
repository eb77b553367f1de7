//go:build goolm

package e2ee

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// retryMissing is how long a device without a session waits for the next try.
const retryMissing = 10 * time.Second

// gap is a room's session that did not reach all devices.
type gap struct {
	session id.SessionID
	since   time.Time
}

// encrypt encrypts a message for the members of a room. It first gives their
// devices the keys, if they have none.
func (d *device) encrypt(ctx context.Context, room id.RoomID, members []id.UserID, kind string, content json.RawMessage) (sealed json.RawMessage, err error) {
	d.ops.RLock()
	defer d.ops.RUnlock()
	defer d.guard(&err)
	members = slices.DeleteFunc(slices.Clone(members), func(u id.UserID) bool { return u == d.user })
	ctx = withPeers(ctx, members...)
	if err := d.meet(ctx, room, members); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		out, err := d.mach.EncryptMegolmEvent(ctx, room, event.Type{Type: kind, Class: event.MessageEventType}, content)
		if err == nil {
			return json.Marshal(out)
		}
		if !crypto.IsShareError(err) || try == 2 {
			return nil, err
		}
		if err := d.share(ctx, room, members); err != nil {
			return nil, err
		}
	}
}

// meet sees to it that the members' devices are known as they are now: asked for
// at least once since the device was started, and after each change that the
// homeserver told of. If the homeserver does not answer, those known before will
// do.
func (d *device) meet(ctx context.Context, room id.RoomID, members []id.UserID) error {
	for _, user := range members {
		d.mu.Lock()
		fresh := d.fresh[user]
		d.mu.Unlock()
		current, err := d.store.current(ctx, user)
		if err != nil {
			return err
		}
		if err := d.store.share(ctx, user, room); err != nil {
			return err
		}
		if fresh && current {
			continue
		}
		if err := d.fetch(ctx, []id.UserID{user}); err != nil {
			if !current {
				return err
			}
			d.log.Warn("a user's devices may have changed, but are not known anew", "peer", string(user), "error", err)
			continue
		}
		d.mu.Lock()
		d.fresh[user] = true
		d.mu.Unlock()
	}
	return d.closeGap(ctx, room)
}

// closeGap has the room's session made anew if it did not reach all devices and
// that is some time ago.
func (d *device) closeGap(ctx context.Context, room id.RoomID) error {
	d.mu.Lock()
	g, ok := d.missing[room]
	due := ok && time.Since(g.since) >= retryMissing
	if due {
		delete(d.missing, room)
	}
	d.mu.Unlock()
	if !due {
		return nil
	}
	now, err := d.store.GetOutboundGroupSession(ctx, room)
	if err != nil || now == nil || now.ID() != g.session {
		return err
	}
	return d.store.RemoveOutboundGroupSession(ctx, room)
}

// share makes a Megolm session for the room and gives it to the members' devices.
func (d *device) share(ctx context.Context, room id.RoomID, members []id.UserID) error {
	if err := d.settings(ctx, room); err != nil {
		return err
	}
	d.olm.Lock()
	defer d.olm.Unlock()
	within, cancel := d.request(ctx)
	defer cancel()
	if err := d.mach.ShareGroupSession(within, room, members); err != nil {
		return err
	}
	return d.note(ctx, room, members)
}

// note remembers whether the room's session reached all devices of the members.
func (d *device) note(ctx context.Context, room id.RoomID, members []id.UserID) error {
	session, err := d.store.GetOutboundGroupSession(ctx, room)
	if err != nil || session == nil {
		return err
	}
	for _, user := range members {
		devices, err := d.store.GetDevices(ctx, user)
		if err != nil {
			return err
		}
		for name := range devices {
			if session.Users[crypto.UserDevice{UserID: user, DeviceID: name}] == crypto.OGSNotShared {
				d.log.Warn("a device has no keys left to reach it by; it cannot read what we send", "peer", string(user), "device", string(name))
				d.mu.Lock()
				d.missing[room] = gap{session.ID(), time.Now()}
				d.mu.Unlock()
			}
		}
	}
	return nil
}

// settings reads how the room wants to be encrypted.
func (d *device) settings(ctx context.Context, room id.RoomID) error {
	if known, _ := d.states.GetEncryptionEvent(ctx, room); known != nil {
		return nil
	}
	ctx, cancel := d.request(ctx)
	defer cancel()
	var content event.EncryptionEventContent
	err := d.client.StateEvent(ctx, room, event.StateEncryption, "", &content)
	if errors.Is(err, mautrix.MNotFound) {
		return schema.Errorf(callv1.Code_CODE_INVALID, "the room %s is not encrypted", room)
	}
	if err != nil {
		return err
	}
	if content.Algorithm != id.AlgorithmMegolmV1 {
		return schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "the room %s is encrypted by %q", room, content.Algorithm)
	}
	d.states.set(room, &content)
	return nil
}
