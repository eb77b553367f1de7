package mailbox

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Directions of items. What is neither, like the mark that a conversation was
// read, has none.
const (
	Incoming = "incoming"
	Outgoing = "outgoing"
)

// Item is one entry of an account's history.
type Item struct {
	ID        string `json:"id"`
	Direction string `json:"direction,omitempty"`
	// Contact is the other side, as the account's user knows it: user@domain.
	Contact string `json:"contact"`
	// Peer is the account that an outgoing message was brought to.
	Peer string `json:"peer,omitempty"`
	// Name is the display name of an incoming message's sender.
	Name        string `json:"name,omitempty"`
	ContentType string `json:"content_type"`
	Content     string `json:"content"`
	Metadata    string `json:"metadata,omitempty"`
	// Timestamp is the sender's, as it was sent.
	Timestamp string `json:"timestamp"`
	State     string `json:"state,omitempty"`
	// Disposition are the notifications that its sender still wants.
	Disposition []string `json:"disposition,omitempty"`
	// Created is when it was added, Changed when its state was changed last; in
	// microseconds.
	Created int64 `json:"created"`
	Changed int64 `json:"changed,omitempty"`
}

// Ref gives the item's name.
func (i *Item) Ref() Ref { return Ref{i.ID, i.Contact} }

func (i *Item) same(o *Item) bool {
	return i.ID == o.ID && i.Direction == o.Direction && i.Contact == o.Contact
}

func (i *Item) size() int { return len(i.Content) + len(i.Metadata) + 256 }

// shelf is the items whose ids have one hash.
type shelf struct {
	Items []Item `json:"items"`
}

// Add stores an item. Order is by when it is added; an item that is there already
// stays as it is, and fresh is false. Nobody is told of it, and nothing waits,
// before Announce.
func (b *Boxes) Add(ctx context.Context, account string, it *Item) (fresh bool, err error) {
	box, err := b.Get(ctx, account)
	if err != nil {
		return false, err
	}
	return b.add(ctx, &box, it)
}

func (b *Boxes) add(ctx context.Context, box *Box, it *Item) (fresh bool, err error) {
	it.Created = max(Micros(b.now()), box.Last+1)
	_, err = Swap(ctx, b.store, shelfKey(box.Account, it.ID), func(s *shelf) bool {
		fresh = !slices.ContainsFunc(s.Items, func(o Item) bool { return o.same(it) })
		if fresh {
			s.Items = append(s.Items, *it)
			s.makeRoom()
		}
		return fresh
	})
	return fresh, err
}

// makeRoom drops the oldest items of a shelf that would not fit into a value of
// the store. Hashes spread; only who chooses ids with equal ones gets here.
func (s *shelf) makeRoom() {
	for len(s.Items) > 1 {
		size := 0
		for i := range s.Items {
			size += s.Items[i].size()
		}
		if size*worstEscape < maxValue {
			return
		}
		if text, err := json.Marshal(s); err == nil && len(text) <= maxValue {
			return
		}
		s.Items = s.Items[1:]
	}
}

// worstEscape is how many bytes JSON makes of one at most.
const worstEscape = 6

// Announce counts an item that Add stored, and has connections told of it.
func (b *Boxes) Announce(ctx context.Context, account string, it *Item, fresh bool, tells ...Tell) error {
	return b.announce(ctx, account, it, fresh, false, tells...)
}

func (b *Boxes) announce(ctx context.Context, account string, it *Item, fresh, wait bool, tells ...Tell) error {
	full := false
	err := b.Update(ctx, account, func(box *Box) bool {
		box.Last = max(box.Last, it.Created)
		if fresh {
			box.Items++
			box.Bytes += it.size()
		}
		if wait {
			box.wait(it.Ref())
		}
		box.tell(b.now(), tells...)
		full = box.Items > b.limits.Items || box.Bytes > b.limits.Bytes
		return true
	})
	if err == nil && full {
		err = b.Trim(ctx, account)
	}
	return err
}

// Deliver adds an incoming message and has it wait for a connection. One that was
// there is not told again, unless again is set: for a sender that cannot know
// whether it was. CODE_OVERLOAD: too many wait.
func (b *Boxes) Deliver(ctx context.Context, account string, it *Item, again bool, tells ...Tell) error {
	box, err := b.Get(ctx, account)
	if err != nil {
		return err
	}
	if len(box.Waiting) >= b.limits.Waiting && !slices.Contains(box.Waiting, it.Ref()) {
		return schema.Errorf(callv1.Code_CODE_OVERLOAD, "%d messages wait", len(box.Waiting))
	}
	fresh, err := b.add(ctx, &box, it)
	if err != nil || !fresh && !again {
		return err
	}
	return b.announce(ctx, account, it, fresh, true, tells...)
}

// Find gives the items with an id, of any contact and direction, without what is
// too old.
func (b *Boxes) Find(ctx context.Context, account, id string) ([]Item, error) {
	s, err := Load[shelf](ctx, b.store, shelfKey(account, id))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(s.Items, func(i Item) bool { return i.ID != id || b.expired(i) }), nil
}

// What to do with an item.
type Verdict int

// Verdicts.
const (
	Keep Verdict = iota
	Changed
	Removed
)

// Edit looks at the items with an id; f changes one, or says that it goes. f may
// be called several times. It gives how many were changed and removed.
func (b *Boxes) Edit(ctx context.Context, account, id string, f func(*Item) Verdict) (changed, removed int, err error) {
	_, err = Swap(ctx, b.store, shelfKey(account, id), func(s *shelf) bool {
		changed, removed = 0, 0
		kept := s.Items[:0]
		for _, it := range s.Items {
			verdict := Keep
			if it.ID == id {
				verdict = f(&it)
			}
			switch verdict {
			case Changed:
				changed++
				it.Changed = Micros(b.now())
			case Removed:
				removed++
				continue
			}
			kept = append(kept, it)
		}
		s.Items = kept
		return changed+removed > 0
	})
	return changed, removed, err
}

// Replace stores an item in place of the one with its name.
func (b *Boxes) Replace(ctx context.Context, account string, it *Item) (fresh bool, err error) {
	box, err := b.Get(ctx, account)
	if err != nil {
		return false, err
	}
	it.Created = max(Micros(b.now()), box.Last+1)
	_, err = Swap(ctx, b.store, shelfKey(account, it.ID), func(s *shelf) bool {
		i := slices.IndexFunc(s.Items, func(o Item) bool { return o.same(it) })
		if fresh = i < 0; fresh {
			s.Items = append(s.Items, *it)
		} else {
			s.Items[i] = *it
		}
		return true
	})
	return fresh, err
}
