package matrix

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// What the adapter's nodes share, in the kit's store. All of it is written by the
// node that serves, which the lease makes one at a time; a compare-and-set that
// fails says that it no longer does.

// Prefixes of keys.
const (
	roomPrefix = "room"
	callPrefix = "call"
	ghostKey   = "ghost"
	outPrefix  = "out"
	leaseKey   = "lease"
)

// record is where a value is stored. Writers of one record take turns, so that each
// writes the value as it is then, over the revision of the one before.
type record struct {
	mu       sync.Mutex
	key      string
	revision uint64
	removed  bool
}

// save writes the value that encode gives; nothing if that is nil.
func (r *record) save(ctx context.Context, s kit.Store, encode func() ([]byte, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	data, err := encode()
	if err != nil {
		return schema.Errorf(callv1.Code_CODE_INTERNAL, "matrix: %w", err)
	}
	if data == nil || r.removed {
		return nil
	}
	revision, err := s.Put(ctx, r.key, data, r.revision)
	if schema.CodeOf(err) == callv1.Code_CODE_CONFLICT {
		// What is there may be our own, whose reply was lost.
		value, at, getErr := s.Get(ctx, r.key)
		if getErr == nil && bytes.Equal(value, data) {
			r.revision = at
			return nil
		}
		return schema.Errorf(callv1.Code_CODE_RETRY, "matrix: %s was written by another node: %w", r.key, err)
	}
	if err != nil {
		return fmt.Errorf("matrix: writing %s: %w", r.key, err)
	}
	r.revision = revision
	return nil
}

// remove removes the value, for good.
func (r *record) remove(ctx context.Context, s kit.Store) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removed = true
	if err := s.Delete(ctx, r.key); err != nil {
		return fmt.Errorf("matrix: removing %s: %w", r.key, err)
	}
	r.revision = 0
	return nil
}

// readAll calls f with every stored value below a prefix.
func readAll(ctx context.Context, s kit.Store, prefix string, f func(kit.Item)) error {
	err := s.Watch(ctx, prefix, func(i kit.Item) bool {
		if i.Key == "" {
			return false
		}
		if !i.Deleted {
			f(i)
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("matrix: reading %s: %w", prefix, err)
	}
	return nil
}

// storeKey makes a key of a prefix and any text, in which a slash may not part.
func storeKey(prefix, name string) string {
	return prefix + "/" + strings.ReplaceAll(name, "/", "%2F")
}

// room is a room of one Matrix user and one user of ours.
type room struct {
	stored *record

	ID id.RoomID `json:"id"`
	// User is the person, Own the ghost, or the bot in a line.
	User id.UserID `json:"user"`
	Own  id.UserID `json:"own"`
	// Joined: the person is in it, so that calls ring there.
	Joined bool `json:"joined"`
	// Replaced: it was upgraded, and goes on as another room.
	Replaced bool `json:"replaced,omitempty"`
	// Encrypted: what is said in it is encrypted, for good.
	Encrypted bool `json:"encrypted,omitempty"`
	// LastCaller is the address whose call rang here last, in a line: who calls back
	// calls it. ShownAs is the name that the bot has here.
	LastCaller string `json:"last_caller,omitempty"`
	ShownAs    string `json:"shown_as,omitempty"`

	members []id.UserID // who is joined; nil if not known now
}

// call is a call in a room, as its client knows it.
type call struct {
	stored *record

	Leg        string    `json:"leg"`
	Subscriber string    `json:"subscriber"`
	Room       id.RoomID `json:"room"`
	User       id.UserID `json:"user"`
	// CallID and Party are the wire's names for the call and for us.
	CallID string `json:"call_id"`
	Party  string `json:"party"`
	// Placed: the Matrix user calls; else it is called.
	Placed bool `json:"placed"`
	// Version is the client's call version, and Theirs its party id: of who calls
	// from the beginning, of who is called once it has answered.
	Version string `json:"version"`
	Theirs  string `json:"theirs,omitempty"`
	// Answered: on the wire it is.
	Answered bool `json:"answered,omitempty"`
	// Who is the other party as the client is told, in the transaction WhoTxn.
	Who    *identity `json:"who,omitempty"`
	WhoTxn string    `json:"who_txn,omitempty"`
	// Last is the last of the client's events that decided anything.
	Last id.EventID `json:"last,omitempty"`

	// offered is when the client was sent an offer that it has not answered; zero for
	// none. Lost in a crash, which the type of an answer makes up for.
	offered time.Time
	// rung is when the room got the invite of a call to its person; zero if it was
	// before this node served.
	rung time.Time
	// resumed: a former start has, or may have, said something of it.
	resumed bool
	// yields: another invite of the same room takes this one's place.
	yields bool
}

// strange reports whether an event is of a party that has no part in the call:
// another device of its user than the one that has it.
func (c *call) strange(party string) bool {
	return c.Theirs != "" && party != "" && party != c.Theirs
}
