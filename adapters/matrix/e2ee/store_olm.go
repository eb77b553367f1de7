//go:build goolm

package e2ee

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/olm"
	"maunium.net/go/mautrix/id"
)

// owner gives the record of the user, among those that the context names, whose
// device has the key: the first one if none is known to have it.
func (s *store) owner(ctx context.Context, key id.SenderKey) (first *row[peerRecord], err error) {
	for _, user := range peersOf(ctx) {
		r, err := s.peer(ctx, user)
		if err != nil {
			return nil, err
		}
		if len(r.val.Sessions[key]) > 0 || deviceWith(r.val.Devices, key) != nil {
			return r, nil
		}
		if first == nil {
			first = r
		}
	}
	if first == nil {
		return nil, s.v.fail(errUnused) // a use of sessions that nothing here asks for
	}
	return first, nil
}

func deviceWith(devices map[id.DeviceID]*id.Device, key id.SenderKey) *id.Device {
	for _, d := range devices {
		if d.IdentityKey == key {
			return d
		}
	}
	return nil
}

// sessions gives the live Olm sessions with a device, the one used last first.
func (s *store) sessions(ctx context.Context, key id.SenderKey) ([]*olmRecord, error) {
	r, err := s.owner(ctx, key)
	if err != nil {
		return nil, err
	}
	list := r.val.Sessions[key]
	for _, o := range list {
		if o.live != nil {
			continue
		}
		internal, err := olm.SessionFromPickled([]byte(o.Pickle), s.key)
		if err != nil {
			return nil, s.v.fail(err)
		}
		o.live = &crypto.OlmSession{Internal: internal}
		o.live.CreationTime, o.live.LastEncryptedTime, o.live.LastDecryptedTime = o.Created, o.Encrypted, o.Decrypted
	}
	newestFirst(list)
	return list, nil
}

func newestFirst(list []*olmRecord) {
	slices.SortStableFunc(list, func(a, b *olmRecord) int {
		return cmp.Or(b.Decrypted.Compare(a.Decrypted), b.Created.Compare(a.Created))
	})
}

// keep takes a session's present state into its record.
func (s *store) keep(o *olmRecord) error {
	pickle, err := o.live.Internal.Pickle(s.key)
	if err != nil {
		return s.v.fail(err)
	}
	o.Pickle = string(pickle)
	o.Created, o.Encrypted, o.Decrypted = o.live.CreationTime, o.live.LastEncryptedTime, o.live.LastDecryptedTime
	return nil
}

// AddSession implements crypto.Store.
func (s *store) AddSession(ctx context.Context, key id.SenderKey, session *crypto.OlmSession) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.owner(ctx, key)
	if err != nil {
		return err
	}
	o := &olmRecord{live: session}
	if err := s.keep(o); err != nil {
		return err
	}
	if r.val.Sessions == nil {
		r.val.Sessions = map[id.SenderKey][]*olmRecord{}
	}
	delete(s.wedged, key)
	r.val.Sessions[key] = append(r.val.Sessions[key], o)
	return s.savePeer(ctx, r)
}

// UpdateSession implements crypto.Store.
func (s *store) UpdateSession(ctx context.Context, key id.SenderKey, session *crypto.OlmSession) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.owner(ctx, key)
	if err != nil {
		return err
	}
	for _, o := range r.val.Sessions[key] {
		if o.live == session {
			if err := s.keep(o); err != nil {
				return err
			}
		}
	}
	return s.savePeer(ctx, r)
}

// DeleteSession implements crypto.Store.
func (s *store) DeleteSession(ctx context.Context, key id.SenderKey, session *crypto.OlmSession) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.owner(ctx, key)
	if err != nil {
		return err
	}
	r.val.Sessions[key] = slices.DeleteFunc(r.val.Sessions[key], func(o *olmRecord) bool { return o.live == session })
	return s.savePeer(ctx, r)
}

// HasSession implements crypto.Store. A device with which a session must be made
// anew has none.
func (s *store) HasSession(ctx context.Context, key id.SenderKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.sessions(ctx, key)
	return err == nil && len(list) > 0 && !s.wedged[key]
}

// GetSessions implements crypto.Store.
func (s *store) GetSessions(ctx context.Context, key id.SenderKey) (crypto.OlmSessionList, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.sessions(ctx, key)
	if err != nil {
		return nil, err
	}
	var live crypto.OlmSessionList
	for _, o := range list {
		live = append(live, o.live)
	}
	return live, nil
}

// GetLatestSession implements crypto.Store.
func (s *store) GetLatestSession(ctx context.Context, key id.SenderKey) (*crypto.OlmSession, error) {
	list, err := s.GetSessions(ctx, key)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// GetNewestSessionCreationTS implements crypto.Store. mautrix asks before it
// makes a session anew on its own, in a goroutine; told that there is a new one,
// it leaves that to us.
func (s *store) GetNewestSessionCreationTS(_ context.Context, key id.SenderKey) (time.Time, error) {
	s.mu.Lock()
	if len(s.wantUnwedge) < maxDevices {
		s.wantUnwedge[key] = true
	}
	s.mu.Unlock()
	s.onWedged()
	return time.Now(), nil
}

// takeWedged gives one of the devices with which a session must be made anew.
func (s *store) takeWedged() (id.SenderKey, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.wantUnwedge {
		delete(s.wantUnwedge, key)
		s.wedged[key] = true
		return key, true
	}
	return "", false
}

// PutOlmHash implements crypto.Store.
func (s *store) PutOlmHash(ctx context.Context, hash [32]byte, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.owner(ctx, "")
	if err != nil {
		return err
	}
	r.val.Hashes = last(append(r.val.Hashes, hash[:]), maxHashes)
	return s.savePeer(ctx, r)
}

// GetOlmHash implements crypto.Store.
func (s *store) GetOlmHash(ctx context.Context, hash [32]byte) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.owner(ctx, "")
	if err != nil {
		return time.Time{}, err
	}
	if slices.ContainsFunc(r.val.Hashes, func(h []byte) bool { return bytes.Equal(h, hash[:]) }) {
		return time.Unix(1, 0), nil
	}
	return time.Time{}, nil
}

// DeleteOldOlmHashes implements crypto.Store: their number is bounded.
func (s *store) DeleteOldOlmHashes(context.Context, time.Time) error { return nil }

func last[T any](list []T, n int) []T {
	return slices.Clone(list[max(0, len(list)-n):])
}

// trimOlm keeps the sessions with a peer within their bounds; those used longest
// ago go.
func trimOlm(p *peerRecord) {
	size := 0
	for key, list := range p.Sessions {
		newestFirst(list)
		p.Sessions[key] = list[:min(len(list), maxOlmPerKey)]
		for _, o := range p.Sessions[key] {
			size += len(o.Pickle)
		}
	}
	for len(p.Sessions) > maxOlmKeys || size > maxOlmBytes && len(p.Sessions) > 1 {
		var oldest id.SenderKey
		for key, list := range p.Sessions {
			if len(list) == 0 || oldest == "" || len(p.Sessions[oldest]) > 0 && list[0].Decrypted.Before(p.Sessions[oldest][0].Decrypted) {
				oldest = key
			}
		}
		for _, o := range p.Sessions[oldest] {
			size -= len(o.Pickle)
		}
		delete(p.Sessions, oldest)
	}
}
