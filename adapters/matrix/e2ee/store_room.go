//go:build goolm

package e2ee

import (
	"context"

	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/olm"
	"maunium.net/go/mautrix/id"
)

func (s *store) room(ctx context.Context, room id.RoomID) (*row[roomRecord], error) {
	r, err := s.rooms.get(ctx, fingerprint(string(room)))
	if err == nil {
		r.val.Room = room
	}
	return r, err
}

// AddOutboundGroupSession implements crypto.Store.
func (s *store) AddOutboundGroupSession(ctx context.Context, g *crypto.OutboundGroupSession) error {
	return s.putOutbound(ctx, g, true)
}

// UpdateOutboundGroupSession implements crypto.Store. A session that was removed
// since stays so; it will not be used again.
func (s *store) UpdateOutboundGroupSession(ctx context.Context, g *crypto.OutboundGroupSession) error {
	return s.putOutbound(ctx, g, false)
}

func (s *store) putOutbound(ctx context.Context, g *crypto.OutboundGroupSession, add bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.room(ctx, g.RoomID)
	if err != nil || !add && r.val.live != g {
		return err
	}
	pickle, err := g.Internal.Pickle(s.key)
	if err != nil {
		return s.v.fail(err)
	}
	users := map[id.UserID]map[id.DeviceID]crypto.OGSState{}
	for d, state := range g.Users {
		if users[d.UserID] == nil {
			users[d.UserID] = map[id.DeviceID]crypto.OGSState{}
		}
		users[d.UserID][d.DeviceID] = state
	}
	r.val = &roomRecord{
		Room: g.RoomID, Own: r.val.Own, Session: g.ID(), Pickle: string(pickle), Shared: g.Shared, MaxAge: g.MaxAge,
		MaxCount: g.MaxMessages, Count: g.MessageCount, History: g.SharedHistory, Created: g.CreationTime,
		Encrypted: g.LastEncryptedTime, Users: users, live: g,
	}
	return s.rooms.put(ctx, r)
}

// GetOutboundGroupSession implements crypto.Store.
func (s *store) GetOutboundGroupSession(ctx context.Context, room id.RoomID) (*crypto.OutboundGroupSession, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.room(ctx, room)
	if err != nil || r.val.Session == "" {
		return nil, err
	}
	if r.val.live != nil {
		return r.val.live, nil
	}
	internal, err := olm.OutboundGroupSessionFromPickled([]byte(r.val.Pickle), s.key)
	if err != nil {
		return nil, s.v.fail(err)
	}
	g := &crypto.OutboundGroupSession{
		Internal: internal, RoomID: room, Shared: r.val.Shared, MaxMessages: r.val.MaxCount, MessageCount: r.val.Count,
		SharedHistory: r.val.History, Users: map[crypto.UserDevice]crypto.OGSState{},
	}
	g.MaxAge, g.CreationTime, g.LastEncryptedTime = r.val.MaxAge, r.val.Created, r.val.Encrypted
	for user, devices := range r.val.Users {
		for device, state := range devices {
			g.Users[crypto.UserDevice{UserID: user, DeviceID: device}] = state
		}
	}
	g.ID() // is remembered at the first call, which must not be a race
	r.val.live = g
	return g, nil
}

// RemoveOutboundGroupSession implements crypto.Store.
func (s *store) RemoveOutboundGroupSession(ctx context.Context, room id.RoomID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.room(ctx, room)
	if err != nil || r.val.Session == "" {
		return err
	}
	r.val = &roomRecord{Room: room, Own: r.val.Own}
	return s.rooms.put(ctx, r)
}
