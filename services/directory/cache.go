package directory

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/tandem-rtc/tandem/bus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// cache is the bucket in memory. One goroutine, the watcher's, applies entries;
// everybody reads.
type cache struct {
	mu       sync.RWMutex
	subs     map[string]*subscriberRecord // by id
	claims   map[string]string            // address → subscriber id
	services map[string]*serviceRecord    // by name
	clients  map[client]*serviceRecord
	devices  map[string]*deviceRecord // by account, a sip: address
	matrix   int                      // how many of subs were made for Matrix users
	tokens   map[tokenHash][]holder
	// keys are what the bucket held at the last full view and since: key → what
	// removing it undoes.
	keys     map[string]func()
	seen     map[string]bool
	revision uint64
	changed  chan struct{} // closed and replaced when revision grows
	synced   bool
}

// holder is who a token belongs to: a subscriber or a service.
type holder struct{ subscriber, service string }

func newCache() *cache {
	return &cache{
		subs: map[string]*subscriberRecord{}, claims: map[string]string{},
		services: map[string]*serviceRecord{}, tokens: map[tokenHash][]holder{},
		clients: map[client]*serviceRecord{}, devices: map[string]*deviceRecord{},
		keys: map[string]func(){}, seen: map[string]bool{}, changed: make(chan struct{}),
	}
}

// apply takes one entry of the watcher. An entry that cannot be read counts as
// absent; bad is its key.
func (c *cache) apply(e bus.Entry) (bad string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Key == "" { // a full view ended: what was not in it is gone
		for key := range c.keys {
			if !c.seen[key] {
				c.drop(key)
			}
		}
		clear(c.seen)
		c.synced = true
		c.advance(c.revision)
		return ""
	}
	c.drop(e.Key)
	if !e.Deleted {
		c.seen[e.Key] = true
		if undo := c.add(e.Key, e.Value); undo != nil {
			c.keys[e.Key] = undo
		} else {
			bad = e.Key
		}
	}
	c.advance(max(c.revision, e.Revision))
	return bad
}

func (c *cache) advance(revision uint64) {
	c.revision = revision
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *cache) drop(key string) {
	if undo := c.keys[key]; undo != nil {
		undo()
		delete(c.keys, key)
	}
}

// add takes an entry in and gives what undoes it; nil if it is unreadable.
func (c *cache) add(key string, value []byte) (undo func()) {
	switch {
	case strings.HasPrefix(key, subPrefix):
		r := &subscriberRecord{}
		if json.Unmarshal(value, r) != nil || subKey(r.ID) != key {
			return nil
		}
		c.subs[r.ID] = r
		own := 0
		if r.isOwn() {
			own = 1
		}
		c.matrix += own
		undoTokens := c.addTokens(holder{subscriber: r.ID}, r.Tokens...)
		return func() { delete(c.subs, r.ID); c.matrix -= own; undoTokens() }
	case strings.HasPrefix(key, addrPrefix):
		cl := claim{}
		if json.Unmarshal(value, &cl) != nil {
			return nil
		}
		address, ok := keyText(strings.TrimPrefix(key, addrPrefix))
		if !ok {
			return nil
		}
		c.claims[address] = cl.Subscriber
		return func() { delete(c.claims, address) }
	case strings.HasPrefix(key, svcPrefix):
		r := &serviceRecord{}
		if json.Unmarshal(value, r) != nil || svcKey(r.Name) != key {
			return nil
		}
		return c.addService(r)
	case strings.HasPrefix(key, devPrefix):
		r := &deviceRecord{}
		if json.Unmarshal(value, r) != nil || devKey(r.Account) != key {
			return nil
		}
		c.devices[r.Account] = r
		return func() { delete(c.devices, r.Account) }
	case strings.HasPrefix(key, syncPrefix):
		return func() {}
	}
	return nil
}

func (c *cache) addService(r *serviceRecord) (undo func()) {
	c.services[r.Name] = r
	if r.Client == "" {
		undoTokens := c.addTokens(holder{service: r.Name}, r.Token)
		return func() { delete(c.services, r.Name); undoTokens() }
	}
	c.clients[r.clientOf()] = r
	return func() {
		delete(c.services, r.Name)
		if c.clients[r.clientOf()] == r {
			delete(c.clients, r.clientOf())
		}
	}
}

func (c *cache) addTokens(h holder, hashes ...string) (undo func()) {
	var mine []tokenHash
	for _, text := range hashes {
		if t, ok := parseTokenHash(text); ok {
			c.tokens[t] = append(c.tokens[t], h)
			mine = append(mine, t)
		}
	}
	return func() {
		for _, t := range mine {
			c.tokens[t] = slices.DeleteFunc(c.tokens[t], func(o holder) bool { return o == h })
			if len(c.tokens[t]) == 0 {
				delete(c.tokens, t)
			}
		}
	}
}

// await returns once everything up to a revision was applied and a full view
// was had.
func (c *cache) await(ctx context.Context, revision uint64) error {
	for {
		c.mu.RLock()
		done, changed := c.synced && c.revision >= revision, c.changed
		c.mu.RUnlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// owner gives the subscriber that an address names. The caller holds mu.
func (c *cache) owner(address string) *subscriberRecord {
	r := c.subs[c.claims[address]]
	if r == nil || !r.lists(address) {
		return nil
	}
	return r
}

// party gives how others see a subscriber: own addresses first, then an alias
// for each scheme it has none in. The caller holds mu.
func (c *cache) party(r *subscriberRecord) *callv1.Party {
	p := &callv1.Party{Subscriber: r.ID, DisplayName: r.DisplayName}
	for _, a := range r.Addresses {
		if c.claims[a] == r.ID {
			p.Addresses = append(p.Addresses, a)
		}
	}
	for _, a := range r.Aliases {
		scheme, _, _ := strings.Cut(a, ":")
		if c.claims[a] == r.ID && first(r.Addresses, scheme+":") == "" {
			p.Addresses = append(p.Addresses, a)
		}
	}
	return p
}

// whole reports whether all that a subscriber lists is claimed, and both kinds
// of address are there. The caller holds mu.
func (c *cache) whole(r *subscriberRecord) bool {
	unclaimed := func(a string) bool { return c.claims[a] != r.ID }
	return len(r.missing()) == 0 && !slices.ContainsFunc(r.Addresses, unclaimed) && !slices.ContainsFunc(r.Aliases, unclaimed)
}
