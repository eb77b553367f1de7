//go:build goolm

package e2ee

import (
	"context"
	"errors"
	"strings"
	"sync"

	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// store is a crypto.Store over a vault. What mautrix asks of it by sender key
// alone, it looks for with the users that the context names (see withPeers).
type store struct {
	v    *vault
	self id.UserID
	key  []byte // of the pickles, which are sealed once more with their records

	mu       sync.Mutex
	accounts *table[accountRecord]
	syncs    *table[syncRecord]
	peers    *table[peerRecord]
	groups   *table[groupRecord]
	rooms    *table[roomRecord]

	// held is the peer whose record, and with it the account, is saved by release.
	held  *row[peerRecord]
	dirty struct{ peer, account bool }
	// gone are Megolm sessions to be removed once nothing refers to them.
	gone []id.SessionID

	account  *crypto.OlmAccount
	withheld map[id.SessionID]withheld
	// wedged are devices whose sessions do not fit ours any more; a new one must
	// be made. wantUnwedge are those that mautrix found so.
	wedged      map[id.SenderKey]bool
	wantUnwedge map[id.SenderKey]bool
	senders     map[id.SenderKey]id.UserID
	onWedged    func()
	// asked are the sessions whose keys we have asked a user for.
	asked map[id.SessionID]id.UserID
}

type withheld struct {
	by      id.UserID
	content *event.RoomKeyWithheldEventContent
}

var _ crypto.Store = (*store)(nil)

// errUnused is returned by what the machine, as it is set up here, never does.
var errUnused = errors.New("not used")

func newStore(v *vault, self id.UserID, key []byte) *store {
	return &store{
		v: v, self: self, key: key,
		accounts: newTable[accountRecord](v, ""),
		syncs:    newTable[syncRecord](v, ""),
		peers:    newTable[peerRecord](v, "u/"),
		groups:   newTable[groupRecord](v, "g/"),
		rooms:    newTable[roomRecord](v, "r/"),
		withheld: map[id.SessionID]withheld{}, asked: map[id.SessionID]id.UserID{},
		wedged: map[id.SenderKey]bool{}, wantUnwedge: map[id.SenderKey]bool{},
		senders:  map[id.SenderKey]id.UserID{},
		onWedged: func() {},
	}
}

// fileName makes a base64 text part of a key.
func fileName(session id.SessionID) string {
	return strings.NewReplacer("/", "_", "+", "-").Replace(string(session))
}

type peersKey struct{}

// withPeers says whose sender keys are meant from here on.
func withPeers(ctx context.Context, users ...id.UserID) context.Context {
	return context.WithValue(ctx, peersKey{}, users)
}

func peersOf(ctx context.Context) []id.UserID {
	users, _ := ctx.Value(peersKey{}).([]id.UserID)
	return users
}

func (s *store) peer(ctx context.Context, user id.UserID) (*row[peerRecord], error) {
	r, err := s.peers.get(ctx, fingerprint(string(user)))
	if err == nil {
		r.val.User = user
	}
	return r, err
}

// knows reports whether there is a record of the user.
func (s *store) knows(ctx context.Context, user id.UserID) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.peer(ctx, user)
	return err == nil && r.stored, err
}

// hold keeps what a message from the user changes in memory until release.
func (s *store) hold(ctx context.Context, user id.UserID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.peer(ctx, user)
	s.held = r
	return err
}

// release saves what was held: first the peer's record, which tells that the
// message was read, then the account, which may have lost the one-time key that
// the message used.
func (s *store) release(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, dirty := s.held, s.dirty
	s.held, s.dirty = nil, struct{ peer, account bool }{}
	if dirty.peer {
		if err := s.savePeer(ctx, held); err != nil {
			return err
		}
	}
	if dirty.account {
		if err := s.saveAccount(ctx); err != nil {
			return err
		}
	}
	return s.removeGone(ctx)
}

// savePeer saves a peer's record, unless it is held.
func (s *store) savePeer(ctx context.Context, r *row[peerRecord]) error {
	if r == s.held {
		s.dirty.peer = true
		return nil
	}
	trimOlm(r.val)
	return s.peers.put(ctx, r)
}

// removeGone removes Megolm sessions that nothing refers to any more.
func (s *store) removeGone(ctx context.Context) error {
	if s.held != nil {
		return nil
	}
	gone := s.gone
	s.gone = nil
	for _, session := range gone {
		r, err := s.groups.get(ctx, fileName(session))
		if err != nil {
			return err
		}
		if err := s.groups.drop(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// trim forgets what is stored anyway, if it has become much. Nothing else may be
// under way.
func (s *store) trim(most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil || len(s.peers.rows)+len(s.groups.rows)+len(s.rooms.rows) <= most {
		return
	}
	clear(s.peers.rows)
	clear(s.groups.rows)
	clear(s.rooms.rows)
}

// Flush implements crypto.Store: nothing is ever left to be written.
func (s *store) Flush(context.Context) error { return s.v.failed() }
