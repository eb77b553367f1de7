package mailbox

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// List gives an account's history, the oldest first, without what is too old.
func (b *Boxes) List(ctx context.Context, account string) ([]Item, error) {
	items, err := b.list(ctx, account)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(items, b.expired), nil
}

func (b *Boxes) expired(it Item) bool { return it.Created < Micros(b.now().Add(-b.limits.Age)) }

func (b *Boxes) list(ctx context.Context, account string) ([]Item, error) {
	shelves, complete := map[string][]Item{}, false
	err := b.store.Watch(ctx, "item/"+Key(account), func(i kit.Item) bool {
		var s shelf
		switch {
		case i.Key == "":
			complete = true
			return false
		case i.Deleted || json.Unmarshal(i.Value, &s) != nil:
			delete(shelves, i.Key)
		default:
			shelves[i.Key] = s.Items
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if !complete { // the watch ended with its context
		return nil, schema.Errorf(callv1.Code_CODE_RETRY, "the history was not read to its end")
	}
	var all []Item
	for _, s := range shelves {
		all = append(all, s...)
	}
	slices.SortFunc(all, func(a, b Item) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// Trim takes an account's oldest items away, so many that the history has room
// again, and counts what is left. Messages that wait are spared unless they are
// too old.
func (b *Boxes) Trim(ctx context.Context, account string) error {
	box, err := b.Get(ctx, account)
	if err != nil {
		return err
	}
	all, err := b.list(ctx, account)
	if err != nil {
		return err
	}
	items, bytes := 0, 0
	for i := range all {
		items, bytes = items+1, bytes+all[i].size()
	}
	gone := map[string][]Item{} // by shelf
	var lost []Ref
	for i := range all {
		it := &all[i]
		room := items <= b.limits.Items-b.limits.Items/8 && bytes <= b.limits.Bytes-b.limits.Bytes/8
		waits := it.Direction == Incoming && slices.Contains(box.Waiting, it.Ref())
		if !b.expired(*it) && (room || waits) {
			continue
		}
		if waits {
			lost = append(lost, it.Ref())
		}
		items, bytes = items-1, bytes-it.size()
		key := shelfKey(account, it.ID)
		gone[key] = append(gone[key], *it)
	}
	for key, these := range gone {
		if err := b.takeAway(ctx, key, these); err != nil {
			return err
		}
	}
	return b.Update(ctx, account, func(box *Box) bool {
		box.Items, box.Bytes = items, bytes
		box.Delivered(lost...)
		return true
	})
}

// takeAway removes items from a shelf.
func (b *Boxes) takeAway(ctx context.Context, key string, these []Item) error {
	_, err := Swap(ctx, b.store, key, func(s *shelf) bool {
		before := len(s.Items)
		s.Items = slices.DeleteFunc(s.Items, func(it Item) bool {
			return slices.ContainsFunc(these, func(o Item) bool { return o.same(&it) && o.Created == it.Created })
		})
		return len(s.Items) != before
	})
	return err
}

// Sweep goes through an account's whole history: f changes an item, or says that
// it goes. It gives what was changed and removed.
func (b *Boxes) Sweep(ctx context.Context, account string, f func(*Item) Verdict) (touched int, err error) {
	all, err := b.list(ctx, account)
	if err != nil {
		return 0, err
	}
	ids := map[string]bool{}
	for i := range all {
		it := all[i]
		if f(&it) != Keep {
			ids[it.ID] = true
		}
	}
	gone := 0
	for id := range ids {
		changed, removed, err := b.Edit(ctx, account, id, f)
		if err != nil {
			return touched, err
		}
		touched, gone = touched+changed+removed, gone+removed
	}
	if gone == 0 {
		return touched, nil
	}
	return touched, b.Update(ctx, account, func(box *Box) bool {
		box.Items = max(0, box.Items-gone)
		return true
	})
}
