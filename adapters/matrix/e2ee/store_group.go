//go:build goolm

package e2ee

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"

	"go.mau.fi/util/dbutil"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/olm"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// PutGroupSession implements crypto.Store. Keys that are passed on count only
// from whom we asked for them. The session is saved before what refers to it.
func (s *store) PutGroupSession(ctx context.Context, g *crypto.InboundGroupSession) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.KeySource == id.KeySourceForward && s.asked[g.ID()] != g.SourceUser {
		return schema.Errorf(callv1.Code_CODE_FORBIDDEN, "keys that %s was not asked for", g.SourceUser)
	}
	r, err := s.groups.get(ctx, fileName(g.ID()))
	if err != nil {
		return err
	}
	pickle, err := g.Internal.Pickle(s.key)
	if err != nil {
		return s.v.fail(err)
	}
	old := r.val
	r.val = &groupRecord{
		Room: g.RoomID, Pickle: string(pickle), Signing: g.SigningKey, Sender: g.SenderKey, Chains: g.ForwardingChains,
		Received: g.ReceivedAt, MaxAge: g.MaxAge, MaxCount: g.MaxMessages, History: g.SharedHistory,
		Key: g.KeySource, Source: g.SourceUser, Seen: old.Seen, Floor: old.Floor, Given: old.Given, live: g,
	}
	if err := s.groups.put(ctx, r); err != nil {
		return err
	}
	delete(s.withheld, g.ID())
	if g.SourceUser == s.self {
		return s.indexOwn(ctx, g)
	}
	return s.indexPeer(ctx, g)
}

func (s *store) indexPeer(ctx context.Context, g *crypto.InboundGroupSession) error {
	r, err := s.peer(ctx, g.SourceUser)
	if err != nil || slices.Contains(r.val.Groups, g.ID()) {
		return err
	}
	r.val.Groups = append(r.val.Groups, g.ID())
	if over := len(r.val.Groups) - maxPeerGroups; over > 0 {
		s.gone = append(s.gone, r.val.Groups[:over]...)
		r.val.Groups = slices.Clone(r.val.Groups[over:])
	}
	if err := s.savePeer(ctx, r); err != nil {
		return err
	}
	return s.removeGone(ctx)
}

func (s *store) indexOwn(ctx context.Context, g *crypto.InboundGroupSession) error {
	r, err := s.room(ctx, g.RoomID)
	if err != nil || slices.Contains(r.val.Own, g.ID()) {
		return err
	}
	r.val.Own = append(r.val.Own, g.ID())
	if over := len(r.val.Own) - maxOwnGroups; over > 0 {
		s.gone = append(s.gone, r.val.Own[:over]...)
		r.val.Own = slices.Clone(r.val.Own[over:])
	}
	if err := s.rooms.put(ctx, r); err != nil {
		return err
	}
	return s.removeGone(ctx)
}

// group gives the record of a session, nil if there is none.
func (s *store) group(ctx context.Context, session id.SessionID) (*row[groupRecord], error) {
	r, err := s.groups.get(ctx, fileName(session))
	if err != nil {
		return nil, err
	}
	if !r.stored {
		delete(s.groups.rows, r.name) // names come from strangers: remember none that is not there
		return nil, nil
	}
	return r, nil
}

// GetGroupSession implements crypto.Store.
func (s *store) GetGroupSession(ctx context.Context, room id.RoomID, session id.SessionID) (*crypto.InboundGroupSession, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.group(ctx, session)
	if err != nil {
		return nil, err
	}
	if r == nil || r.val.Room != room {
		if w, ok := s.withheld[session]; ok && w.content.RoomID == room && slices.Contains(peersOf(ctx), w.by) {
			return nil, w.content
		}
		return nil, nil
	}
	if r.val.live == nil {
		internal, err := olm.InboundGroupSessionFromPickled([]byte(r.val.Pickle), s.key)
		if err != nil {
			return nil, s.v.fail(err)
		}
		r.val.live = &crypto.InboundGroupSession{
			Internal: internal, SigningKey: r.val.Signing, SenderKey: r.val.Sender, RoomID: r.val.Room,
			ForwardingChains: r.val.Chains, ReceivedAt: r.val.Received, MaxAge: r.val.MaxAge, MaxMessages: r.val.MaxCount,
			SharedHistory: r.val.History, KeySource: r.val.Key, SourceUser: r.val.Source,
		}
		r.val.live.ID() // is remembered at the first call, which must not be a race
	}
	return r.val.live, nil
}

// ValidateMessageIndex implements crypto.Store.
func (s *store) ValidateMessageIndex(ctx context.Context, session id.SessionID, event id.EventID, index uint, ts int64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.group(ctx, session)
	if err != nil || r == nil {
		return false, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", event, ts))
	mark := base64.RawStdEncoding.EncodeToString(sum[:9])
	if seen, ok := r.val.Seen[index]; ok || index < r.val.Floor {
		return seen == mark, nil
	}
	if r.val.Seen == nil {
		r.val.Seen = map[uint]string{}
	}
	r.val.Seen[index] = mark
	for len(r.val.Seen) > maxSeen {
		delete(r.val.Seen, r.val.Floor)
		r.val.Floor++
	}
	return true, s.groups.put(ctx, r)
}

// MarkOutboundGroupSessionShared implements crypto.Store.
func (s *store) MarkOutboundGroupSessionShared(ctx context.Context, user id.UserID, key id.IdentityKey, session id.SessionID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.group(ctx, session)
	given := fingerprint(string(user) + " " + string(key))
	if err != nil || r == nil || slices.Contains(r.val.Given, given) {
		return err
	}
	r.val.Given = last(append(r.val.Given, given), 2*maxDevices)
	return s.groups.put(ctx, r)
}

// IsOutboundGroupSessionShared implements crypto.Store.
func (s *store) IsOutboundGroupSessionShared(ctx context.Context, user id.UserID, key id.IdentityKey, session id.SessionID) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.group(ctx, session)
	if err != nil || r == nil {
		return false, err
	}
	return slices.Contains(r.val.Given, fingerprint(string(user)+" "+string(key))), nil
}

// maxWithheld bounds what is remembered of keys that are withheld.
const maxWithheld = 1024

// PutWithheldGroupSession implements crypto.Store. It is remembered only in
// memory: it explains why a session is not there.
func (s *store) PutWithheldGroupSession(ctx context.Context, content event.RoomKeyWithheldEventContent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	by := peersOf(ctx)
	if content.SessionID == "" || len(by) == 0 {
		return nil
	}
	for session := range s.withheld {
		if len(s.withheld) < maxWithheld {
			break
		}
		delete(s.withheld, session)
	}
	s.withheld[content.SessionID] = withheld{by: by[0], content: &content}
	return nil
}

// GetWithheldGroupSession implements crypto.Store.
func (s *store) GetWithheldGroupSession(_ context.Context, room id.RoomID, session id.SessionID) (*event.RoomKeyWithheldEventContent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w, ok := s.withheld[session]; ok && w.content.RoomID == room {
		return w.content, nil
	}
	return nil, nil
}

// RedactGroupSession implements crypto.Store; the machine is not told to.
func (s *store) RedactGroupSession(context.Context, id.RoomID, id.SessionID, string) error {
	return errUnused
}

// RedactGroupSessions implements crypto.Store; the machine is not told to.
func (s *store) RedactGroupSessions(context.Context, id.RoomID, id.SenderKey, string) ([]id.SessionID, error) {
	return nil, errUnused
}

// RedactExpiredGroupSessions implements crypto.Store; the machine is not told to.
func (s *store) RedactExpiredGroupSessions(context.Context) ([]id.SessionID, error) {
	return nil, errUnused
}

// RedactOutdatedGroupSessions implements crypto.Store; the machine is not told to.
func (s *store) RedactOutdatedGroupSessions(context.Context) ([]id.SessionID, error) {
	return nil, errUnused
}

// GetGroupSessionsForRoom implements crypto.Store; nothing is exported.
func (s *store) GetGroupSessionsForRoom(context.Context, id.RoomID) dbutil.RowIter[*crypto.InboundGroupSession] {
	return dbutil.NewSliceIter[*crypto.InboundGroupSession](nil)
}

// GetAllGroupSessions implements crypto.Store; nothing is exported.
func (s *store) GetAllGroupSessions(context.Context) dbutil.RowIter[*crypto.InboundGroupSession] {
	return dbutil.NewSliceIter[*crypto.InboundGroupSession](nil)
}

// GetGroupSessionsWithoutKeyBackupVersion implements crypto.Store; there is no
// backup.
func (s *store) GetGroupSessionsWithoutKeyBackupVersion(context.Context, id.KeyBackupVersion) dbutil.RowIter[*crypto.InboundGroupSession] {
	return dbutil.NewSliceIter[*crypto.InboundGroupSession](nil)
}
