//go:build goolm

package e2ee

import (
	"context"
	"maps"
	"slices"

	"maunium.net/go/mautrix/id"
)

// GetDevices implements crypto.Store.
func (s *store) GetDevices(ctx context.Context, user id.UserID) (map[id.DeviceID]*id.Device, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.peer(ctx, user)
	if err != nil || !r.val.Tracked {
		return nil, err
	}
	return copies(r.val.Devices), nil
}

// copies are devices that mautrix may change.
func copies(devices map[id.DeviceID]*id.Device) map[id.DeviceID]*id.Device {
	out := make(map[id.DeviceID]*id.Device, len(devices))
	for name, d := range devices {
		c := *d
		out[name] = &c
	}
	return out
}

// GetDevice implements crypto.Store.
func (s *store) GetDevice(ctx context.Context, user id.UserID, device id.DeviceID) (*id.Device, error) {
	devices, err := s.GetDevices(ctx, user)
	return devices[device], err
}

// FindDeviceByKey implements crypto.Store.
func (s *store) FindDeviceByKey(ctx context.Context, user id.UserID, key id.IdentityKey) (*id.Device, error) {
	devices, err := s.GetDevices(ctx, user)
	return deviceWith(devices, key), err
}

// PutDevice implements crypto.Store.
func (s *store) PutDevice(ctx context.Context, user id.UserID, d *id.Device) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.peer(ctx, user)
	if err != nil {
		return err
	}
	if r.val.Devices == nil {
		r.val.Devices = map[id.DeviceID]*id.Device{}
	}
	c := *d
	r.val.Devices[d.DeviceID] = &c
	return s.savePeer(ctx, r)
}

// PutDevices implements crypto.Store. With a device that is gone go the sessions
// with it.
func (s *store) PutDevices(ctx context.Context, user id.UserID, devices map[id.DeviceID]*id.Device) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.peer(ctx, user)
	if err != nil {
		return err
	}
	devices = copies(devices)
	if len(devices) > maxDevices { // nobody has as many; which are left out does not matter
		for _, name := range slices.Sorted(maps.Keys(devices))[maxDevices:] {
			delete(devices, name)
		}
	}
	if r.val.Tracked && !r.val.Outdated && maps.EqualFunc(r.val.Devices, devices, func(a, b *id.Device) bool { return *a == *b }) {
		return nil
	}
	for _, d := range r.val.Devices {
		if deviceWith(devices, d.IdentityKey) == nil {
			delete(r.val.Sessions, d.IdentityKey)
		}
	}
	r.val.Tracked, r.val.Outdated, r.val.Devices = true, false, devices
	return s.savePeer(ctx, r)
}

// FilterTrackedUsers implements crypto.Store.
func (s *store) FilterTrackedUsers(ctx context.Context, users []id.UserID) (tracked []id.UserID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, user := range users {
		r, err := s.peer(ctx, user)
		if err != nil {
			return nil, err
		}
		if r.val.Tracked {
			tracked = append(tracked, user)
		}
		if !r.stored && s.held != r {
			delete(s.peers.rows, r.name)
		}
	}
	return tracked, nil
}

// MarkTrackedUsersOutdated implements crypto.Store.
func (s *store) MarkTrackedUsersOutdated(ctx context.Context, users []id.UserID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, user := range users {
		r, err := s.peer(ctx, user)
		if err != nil {
			return err
		}
		if !r.val.Tracked || r.val.Outdated {
			continue
		}
		r.val.Outdated = true
		if err := s.savePeer(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// GetOutdatedTrackedUsers implements crypto.Store; who is outdated is asked for
// one at a time.
func (s *store) GetOutdatedTrackedUsers(context.Context) ([]id.UserID, error) { return nil, errUnused }

// current reports whether the user's devices are known as they are.
func (s *store) current(ctx context.Context, user id.UserID) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.peer(ctx, user)
	return err == nil && r.val.Tracked && !r.val.Outdated, err
}

// share notes that we encrypt for the user in the room.
func (s *store) share(ctx context.Context, user id.UserID, room id.RoomID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.peer(ctx, user)
	if err != nil || slices.Contains(r.val.Rooms, room) {
		return err
	}
	r.val.Rooms = last(append(r.val.Rooms, room), maxPeerRooms)
	return s.savePeer(ctx, r)
}

// sharedRooms are those in which we encrypt for the user.
func (s *store) sharedRooms(ctx context.Context, user id.UserID) ([]id.RoomID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.peer(ctx, user)
	if err != nil {
		return nil, err
	}
	return slices.Clone(r.val.Rooms), nil
}
