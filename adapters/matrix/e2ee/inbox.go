//go:build goolm

package e2ee

import (
	"context"
	"crypto/rand"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// toDeviceOnly is the filter of /sync: to-device messages and changes of devices
// come with any filter, everything else is left out by asking for a type of event
// that there is not. Not all homeservers understand an empty list.
const toDeviceOnly = `{"presence":{"limit":1,"types":["none"]},"account_data":{"limit":1,"types":["none"]},` +
	`"room":{"rooms":["!none:none"],"timeline":{"limit":1,"types":["none"]},"state":{"limit":1,"types":["none"]},` +
	`"ephemeral":{"limit":1,"types":["none"]},"account_data":{"limit":1,"types":["none"]}}}`

// rememberNext is how often it is stored how far to-device messages were read
// while there were none.
const rememberNext = 5 * time.Minute

// enoughOneTimeKeys is how many one-time keys the homeserver should have.
const enoughOneTimeKeys = 50

// receive reads to-device messages until the device ends, or cannot go on.
func (d *device) receive() error {
	next, err := d.store.claim(d.ctx, rand.Text())
	if err != nil {
		return err
	}
	remembered := time.Now()
	for failures := 0; ; {
		resp, err := d.poll(next)
		if d.ctx.Err() != nil {
			return context.Cause(d.ctx)
		}
		if err != nil {
			if failures++; failures > 3 || d.loggedOut(err) || d.vault.failed() != nil {
				return err
			}
			d.log.Warn("keys cannot be received", "error", err)
			pause(d.ctx, backoff(failures), nil)
			continue
		}
		failures = 0
		if err := d.take(resp); err != nil {
			return err
		}
		next = resp.NextBatch
		if len(resp.ToDevice.Events) == 0 && resp.DeviceLists.IsZero() && time.Since(remembered) < rememberNext {
			continue
		}
		if err := d.store.setNext(d.ctx, next); err != nil {
			return err
		}
		remembered = time.Now()
	}
}

func (d *device) poll(next string) (*mautrix.RespSync, error) {
	req := mautrix.ReqSync{Since: next, FilterID: toDeviceOnly, SetPresence: event.PresenceOffline, Client: d.polls}
	if next != "" {
		req.Timeout = int(d.cfg.PollTimeout.Milliseconds())
	}
	ctx, cancel := context.WithTimeout(d.ctx, d.cfg.PollTimeout+2*d.cfg.RequestTimeout)
	defer cancel()
	return d.client.FullSyncRequest(ctx, req)
}

// take stores what a /sync brought.
func (d *device) take(resp *mautrix.RespSync) error {
	if err := d.takeDevices(resp.DeviceLists.Changed); err != nil {
		return err
	}
	for _, evt := range resp.ToDevice.Events {
		got, err := d.takeMessage(evt)
		if err != nil {
			return err
		}
		for _, g := range got {
			d.arrived(g)
		}
	}
	if resp.DeviceOTKCount.SignedCurve25519 < enoughOneTimeKeys {
		if err := d.topUp(); err != nil {
			d.log.Warn("one-time keys are running out", "left", resp.DeviceOTKCount.SignedCurve25519, "error", err)
		}
	}
	if d.ops.TryLock() {
		d.store.trim(maxRows)
		d.ops.Unlock()
	}
	return d.vault.failed()
}

// maxRows bounds the records kept in memory.
const maxRows = 4096

func (d *device) topUp() error {
	ctx, cancel := d.request(d.ctx)
	defer cancel()
	d.olm.Lock()
	defer d.olm.Unlock()
	return d.mach.ShareKeys(ctx, -1)
}

// takeDevices asks for the devices of users who have changed them, if they matter
// to us. If that fails, they will be asked for when they are needed.
func (d *device) takeDevices(changed []id.UserID) error {
	d.ops.RLock()
	defer d.ops.RUnlock()
	tracked, err := d.store.FilterTrackedUsers(d.ctx, changed)
	if err != nil || len(tracked) == 0 {
		return err
	}
	if err := d.store.MarkTrackedUsersOutdated(d.ctx, tracked); err != nil {
		return err
	}
	if err := d.fetch(d.ctx, tracked); err != nil {
		d.log.Warn("changed devices are not known yet", "error", err)
	}
	return d.vault.failed()
}

// takeMessage handles one to-device message and stores what follows from it. One
// that it failed over before is passed by.
func (d *device) takeMessage(evt *event.Event) (keys []got, err error) {
	d.ops.RLock()
	defer d.ops.RUnlock()
	defer d.guard(&err)
	hash := hashOf(d.user, evt)
	if d.cfg.bad.begin(hash) {
		d.log.Error("a to-device message that cannot be handled is passed by", "peer", string(evt.Sender), "type", evt.Type.Type)
		return nil, nil
	}
	keys, err = d.handle(evt)
	d.cfg.bad.end(hash)
	return keys, err
}

func (d *device) handle(evt *event.Event) (keys []got, err error) {
	evt.Type.Class = event.ToDeviceEventType
	if !d.cfg.Known(d.user, evt.Sender) {
		d.log.Debug("a to-device message of a stranger", "peer", string(evt.Sender), "type", evt.Type.Type)
		return nil, nil
	}
	if err := evt.Content.ParseRaw(evt.Type); err != nil {
		d.log.Debug("a to-device message that cannot be read", "peer", string(evt.Sender), "type", evt.Type.Type, "error", err)
		return nil, nil
	}
	d.olm.Lock()
	defer d.olm.Unlock()
	ctx := context.WithValue(withPeers(d.ctx, evt.Sender), gotKey{}, &keys)
	switch content := evt.Content.Parsed.(type) {
	case *event.EncryptedEventContent:
		d.store.cameFrom(content.SenderKey, evt.Sender)
		if err := d.store.hold(ctx, evt.Sender); err != nil {
			return nil, err
		}
		d.mach.HandleToDeviceEvent(ctx, evt)
		if err := d.store.release(ctx); err != nil {
			return nil, err
		}
	case *event.RoomKeyWithheldEventContent:
		d.mach.HandleToDeviceEvent(ctx, evt)
	case *event.RoomKeyRequestEventContent:
		d.answer(ctx, evt.Sender, content)
	}
	return keys, d.vault.failed()
}

// answer gives a device keys that it was given before and asks for again.
func (d *device) answer(ctx context.Context, sender id.UserID, content *event.RoomKeyRequestEventContent) {
	if known, err := d.store.knows(ctx, sender); err != nil || !known || sender == d.user {
		return
	}
	ctx, cancel := d.request(ctx)
	defer cancel()
	d.mach.HandleRoomKeyRequest(ctx, sender, content)
}

// arrived tells that keys are here, and once more soon if they were missed:
// whoever missed them may not have noted yet that it waits.
func (d *device) arrived(g got) {
	d.mu.Lock()
	if d.wanted[g.session] != nil {
		delete(d.wanted, g.session)
		g.again = time.Now().Add(tellAgain)
		d.recent = append(d.recent, g)
		d.wake()
	}
	d.mu.Unlock()
	d.store.forgetAsked(g.session)
	d.onKeys(d.user, g.room, g.session)
}

// tellAgain is how soon it is told again that missing keys have come.
const tellAgain = time.Second
