package mailbox

import (
	"encoding/json"
	"slices"
	"time"
)

// Box is what the nodes know of an account's messages without reading them.
type Box struct {
	// Account is whose it is.
	Account string `json:"account"`
	// Born is when it was made, in microseconds; it tells one box from another that
	// was made when the store had been emptied.
	Born int64 `json:"born"`
	// Last is when its latest item was added, in microseconds. Items are in the
	// order of that, whatever the nodes' clocks say.
	Last int64 `json:"last,omitempty"`
	// Items and Bytes are what its history has. They may be off after a crash;
	// who trims counts.
	Items int `json:"items,omitempty"`
	Bytes int `json:"bytes,omitempty"`
	// Waiting are the messages that were not delivered to any connection.
	Waiting []Ref `json:"waiting,omitempty"`
	// N is the number of the latest tell; Tells are the latest ones.
	N     uint64 `json:"n,omitempty"`
	Tells []Tell `json:"tells,omitempty"`
}

// Ref names an incoming message: ids are their senders' choice, and two senders
// may choose the same.
type Ref struct {
	ID      string `json:"id"`
	Contact string `json:"contact"`
}

// Tell is something to be told to an account's connections that live now.
type Tell struct {
	// N numbers an account's tells, from 1.
	N uint64 `json:"n"`
	// At is when it was written, in milliseconds.
	At int64 `json:"at"`
	// Kind says what it is; that is the adapter's business.
	Kind string `json:"kind"`
	// Ref is the item that it is about.
	Ref Ref `json:"ref"`
	// But is the terminal that is not told, since it did it.
	But string `json:"but,omitempty"`
	// Body is more of it; short.
	Body json.RawMessage `json:"body,omitempty"`
}

// A watcher that is behind by more than these misses tells.
const (
	keepTells     = 10 * time.Second
	maxTells      = 64
	maxTellsBytes = 64 << 10
)

// tell adds tells and forgets old ones.
func (b *Box) tell(now time.Time, tells ...Tell) {
	for _, t := range tells {
		b.N++
		t.N, t.At = b.N, now.UnixMilli()
		b.Tells = append(b.Tells, t)
	}
	size, keep := 0, len(b.Tells)
	for keep > 0 {
		t := b.Tells[keep-1]
		size += 128 + len(t.Ref.ID) + len(t.Ref.Contact) + len(t.Body)
		old := now.UnixMilli()-t.At > keepTells.Milliseconds()
		if len(b.Tells)-keep >= len(tells) && (old || size > maxTellsBytes || len(b.Tells)-keep >= maxTells) {
			break
		}
		keep--
	}
	b.Tells = slices.Clone(b.Tells[keep:])
}

// Since gives the tells after number n, and whether some of them are not kept
// any more.
func (b *Box) Since(n uint64) (tells []Tell, missed bool) {
	i := slices.IndexFunc(b.Tells, func(t Tell) bool { return t.N > n })
	if i < 0 {
		return nil, n < b.N
	}
	return b.Tells[i:], b.Tells[i].N > n+1
}

// wait has a message wait for a connection.
func (b *Box) wait(r Ref) {
	if !slices.Contains(b.Waiting, r) {
		b.Waiting = append(b.Waiting, r)
	}
}

// Delivered takes messages off those that wait; it says whether one of them did.
func (b *Box) Delivered(refs ...Ref) bool {
	before := len(b.Waiting)
	b.Waiting = slices.DeleteFunc(b.Waiting, func(r Ref) bool { return slices.Contains(refs, r) })
	return len(b.Waiting) != before
}
