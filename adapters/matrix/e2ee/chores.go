//go:build goolm

package e2ee

import (
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// forgetAsked ends that keys of a session are taken from whoever was asked.
func (s *store) forgetAsked(session id.SessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.asked, session)
}

func (s *store) ask(session id.SessionID, user id.UserID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[session] = user
}

// cameFrom notes who sent a message with a key, in case it cannot be read.
func (s *store) cameFrom(key id.SenderKey, user id.UserID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.senders) > maxDevices {
		clear(s.senders)
	}
	s.senders[key] = user
}

func (s *store) sender(key id.SenderKey) id.UserID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.senders[key]
}

// doChores asks for missing keys and renews broken sessions, until the device
// ends.
func (d *device) doChores() {
	defer d.guard(nil)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		for {
			key, ok := d.store.takeWedged()
			if !ok {
				break
			}
			d.renew(key)
		}
		timer.Reset(min(d.askForKeys(), d.tellAgain()))
		select {
		case <-d.ctx.Done():
			return
		case <-d.chore:
		case <-timer.C:
		}
	}
}

// askForKeys asks for keys that are due and gives how long it is to the next.
func (d *device) askForKeys() time.Duration {
	now, next := time.Now(), time.Hour
	due := map[id.SessionID]wanted{}
	d.mu.Lock()
	for session, w := range d.wanted {
		switch {
		case w.asked:
		case w.due.After(now):
			next = min(next, w.due.Sub(now))
		default:
			w.asked = true
			due[session] = *w
		}
	}
	d.mu.Unlock()
	for session, w := range due {
		d.store.ask(session, w.sender)
		ctx, cancel := d.request(d.ctx)
		err := d.mach.SendRoomKeyRequest(ctx, w.room, w.key, session, "", map[id.UserID][]id.DeviceID{w.sender: {w.device}})
		cancel()
		d.log.Info("keys are missing and were asked for", "room", string(w.room), "session", string(session), "peer", string(w.sender), "error", err)
	}
	return next
}

// tellAgain tells of keys that have come, once more, and gives how long it is to
// the next.
func (d *device) tellAgain() time.Duration {
	for {
		d.mu.Lock()
		if len(d.recent) == 0 {
			d.mu.Unlock()
			return time.Hour
		}
		g := d.recent[0]
		left := time.Until(g.again)
		if left <= 0 {
			d.recent = d.recent[1:]
		}
		d.mu.Unlock()
		if left > 0 {
			return left
		}
		d.onKeys(d.user, g.room, g.session)
	}
}

// renew makes a new Olm session with a device whose messages we cannot read any
// more, and uses it once so that the device changes to it.
func (d *device) renew(key id.SenderKey) {
	d.ops.RLock()
	defer d.ops.RUnlock()
	d.olm.Lock()
	defer d.olm.Unlock()
	owner := d.store.sender(key)
	ctx, cancel := d.request(withPeers(d.ctx, owner))
	defer cancel()
	peer, err := d.mach.GetOrFetchDeviceByKey(ctx, owner, key)
	if err != nil || peer == nil {
		d.log.Warn("what an unknown device sends cannot be read", "peer", string(owner), "error", err)
		return
	}
	err = d.mach.SendEncryptedToDevice(ctx, peer, event.ToDeviceDummy, event.Content{Parsed: &event.DummyEventContent{}})
	d.log.Warn("what a device sends could not be read; it has a new session", "peer", string(owner), "device", string(peer.DeviceID), "error", err)
}
