package mailbox

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
)

// Limits bound what an account may have. All must be positive.
type Limits struct {
	// Items is how many items a history has at most.
	Items int
	// Bytes is how many bytes of content they have at most.
	Bytes int
	// Age is how long an item is kept.
	Age time.Duration
	// Waiting is how many messages may wait to be delivered.
	Waiting int
}

// Boxes are the accounts' boxes and histories. Methods may be called from any
// goroutine; they block for round trips to the store. Accounts are any names that
// tell them apart; one must not pass from one subscriber to another. Errors have the store's codes; CODE_NOT_FOUND is an account without
// a box, CODE_OVERLOAD one that takes no more.
type Boxes struct {
	store  kit.Store
	limits Limits
	now    func() time.Time
}

// New makes the boxes in a store. now is the clock, time.Now if nil.
func New(store kit.Store, limits Limits, now func() time.Time) *Boxes {
	if now == nil {
		now = time.Now
	}
	return &Boxes{store: store, limits: limits, now: now}
}

// Prefix is what keys of boxes begin with, for a watch.
const Prefix = "box"

// Key is what an account is called in keys. Addresses are long and have all kinds
// of characters, and say who they are.
func Key(account string) string {
	sum := sha256.Sum256([]byte(account))
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}

// KeyOf gives the Key of the account whose box has the store's key; false for
// what is no box.
func KeyOf(storeKey string) (string, bool) { return strings.CutPrefix(storeKey, Prefix+"/") }

func boxKey(account string) string { return Prefix + "/" + Key(account) }

func shelfKey(account, id string) string { return "item/" + Key(account) + "/" + slot(id, 3) }

func flashKey(account, id string) string { return "flash/" + Key(account) + "/" + slot(id, 2) }

// slot gives the first hexadecimal digits of a hash.
func slot(id string, digits int) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:2])[:digits]
}

// Micros gives a time as items have it.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Get reads an account's box.
func (b *Boxes) Get(ctx context.Context, account string) (Box, error) {
	box, _, err := load[Box](ctx, b.store, boxKey(account))
	return box, err
}

// Make makes an account's box if it has none.
func (b *Boxes) Make(ctx context.Context, account string) error {
	_, err := Swap(ctx, b.store, boxKey(account), func(box *Box) bool {
		fresh := box.Account == ""
		if fresh {
			box.Account, box.Born = account, Micros(b.now())
		}
		return fresh
	})
	return err
}

// Update changes an account's box, which must be there; f says whether it did.
// f may be called several times.
func (b *Boxes) Update(ctx context.Context, account string, f func(*Box) bool) error {
	_, err := swap(ctx, b.store, boxKey(account), true, f)
	return err
}

// Tell has all connections of an account told something, by the nodes that they
// are at.
func (b *Boxes) Tell(ctx context.Context, account string, tells ...Tell) error {
	return b.Update(ctx, account, func(box *Box) bool {
		box.tell(b.now(), tells...)
		return true
	})
}
