package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// writeTries bounds how often a write is begun again because another writer
// was faster.
const writeTries = 32

// store writes the bucket. Its methods block for a few round trips to the
// bucket's leader and may be called from any goroutine.
type store struct {
	kv  bus.KV
	cfg Config
}

// taken says that an address belongs to somebody else.
type taken struct{ address, owner string }

func (t *taken) Error() string { return fmt.Sprintf("%s belongs to subscriber %q", t.address, t.owner) }

// load reads a subscriber from the leader; nil if there is none.
func (s *store) load(ctx context.Context, id string) (*subscriberRecord, uint64, error) {
	e, err := s.kv.Get(ctx, subKey(id))
	switch {
	case errors.Is(err, bus.ErrNotFound):
		return nil, 0, nil
	case err != nil:
		return nil, 0, err
	}
	r := &subscriberRecord{}
	if err := json.Unmarshal(e.Value, r); err != nil {
		return nil, 0, fmt.Errorf("directory: stored subscriber %q: %w", id, err)
	}
	return r, e.Revision, nil
}

// put writes a subscriber and claims its addresses, or changes nothing. allow
// sees what is stored (nil if nothing is) and may still change r. It gives the last revision written,
// 0 if nothing had to be.
func (s *store) put(ctx context.Context, r *subscriberRecord, allow func(old *subscriberRecord) error) (uint64, error) {
	var lostAliases []string
	for range writeTries {
		old, revision, err := s.load(ctx, r.ID)
		if err != nil {
			return 0, err
		}
		if err := allow(old); err != nil {
			return 0, err
		}
		next := *r
		next.Aliases = nil
		if old != nil {
			next.Aliases = slices.DeleteFunc(slices.Clone(old.Aliases), func(a string) bool { return slices.Contains(lostAliases, a) })
		}
		if err := s.addAliases(ctx, &next); err != nil {
			return 0, err
		}
		if old == nil || !old.same(&next) || !slices.Equal(old.Aliases, next.Aliases) {
			revision, err = s.kv.Update(ctx, subKey(r.ID), encode(&next), revision)
			if errors.Is(err, bus.ErrConflict) {
				continue
			}
			if err != nil {
				return 0, err
			}
		}
		last, err := s.claimAll(ctx, old, &next)
		var lost *taken
		switch {
		case err == nil:
			return max(revision, last), s.releaseDropped(ctx, old, &next)
		case errors.As(err, &lost):
			if err := s.rollBack(ctx, old, &next, revision); err != nil {
				return 0, err
			}
			if slices.Contains(next.Aliases, lost.address) { // another subscriber was first: choose again
				lostAliases = append(lostAliases, lost.address)
				continue
			}
			if !next.isOwn() { // who was made when heard of gives way to who is told of
				if err := s.remove(ctx, lost.owner, ownOnly); err == nil {
					continue
				} else if !errors.Is(err, errKeep) {
					return 0, err
				}
			}
			return 0, schema.Errorf(callv1.Code_CODE_CONFLICT, "%w", lost)
		default:
			return 0, err
		}
	}
	return 0, schema.Errorf(callv1.Code_CODE_RETRY, "subscriber %q is being changed by others", r.ID)
}

// change rewrites a subscriber without touching its addresses.
func (s *store) change(ctx context.Context, id string, f func(*subscriberRecord) error) error {
	for range writeTries {
		r, revision, err := s.load(ctx, id)
		if err != nil {
			return err
		}
		if r == nil {
			return schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no subscriber %q", id)
		}
		if err := f(r); err != nil {
			return err
		}
		if _, err = s.kv.Update(ctx, subKey(id), encode(r), revision); !errors.Is(err, bus.ErrConflict) {
			return err
		}
	}
	return schema.Errorf(callv1.Code_CODE_RETRY, "subscriber %q is being changed by others", id)
}

// addAliases chooses an alias for each scheme in which the subscriber has no
// address. Whether it gets it, the claim decides later.
func (s *store) addAliases(ctx context.Context, r *subscriberRecord) error {
	for _, scheme := range r.missing() {
		found := false
		for try := 0; try < aliasTries && !found; try++ {
			candidate := s.cfg.alias(scheme, r.ID, try)
			_, _, owner, err := s.holderOf(ctx, candidate)
			if err != nil {
				return err
			}
			if owner == "" || owner == r.ID {
				r.Aliases = append(r.Aliases, candidate)
				found = true
			}
		}
		if !found {
			return schema.Errorf(callv1.Code_CODE_OVERLOAD, "no free %s alias for subscriber %q", scheme, r.ID)
		}
	}
	return nil
}

// claimAll makes every address of r resolve to it.
func (s *store) claimAll(ctx context.Context, old, r *subscriberRecord) (last uint64, err error) {
	for _, a := range slices.Concat(r.Addresses, r.Aliases) {
		revision, err := s.claim(ctx, a, r.ID, old == nil || !old.lists(a))
		if err != nil {
			return 0, err
		}
		last = max(last, revision)
	}
	return last, nil
}

// claim takes an address for a subscriber whose record lists it. A claim that
// is newly needed is written even if it is there: one who found it stale just
// before then loses his compare-and-set.
func (s *store) claim(ctx context.Context, address, id string, write bool) (uint64, error) {
	for range writeTries {
		mine, revision, owner, err := s.holderOf(ctx, address)
		if err != nil {
			return 0, err
		}
		if owner != "" && owner != id {
			return 0, &taken{address, owner}
		}
		if mine == id && !write {
			return 0, nil
		}
		revision, err = s.kv.Update(ctx, addrKey(address), encode(claim{id}), revision)
		if !errors.Is(err, bus.ErrConflict) {
			return revision, err
		}
	}
	return 0, schema.Errorf(callv1.Code_CODE_RETRY, "%s is being claimed by others", address)
}

// holderOf reads a claim: whom it names, and who truly owns the address, which
// is nobody if the one it names no longer lists it.
func (s *store) holderOf(ctx context.Context, address string) (named string, revision uint64, owner string, err error) {
	e, err := s.kv.Get(ctx, addrKey(address))
	if errors.Is(err, bus.ErrNotFound) {
		return "", 0, "", nil
	}
	if err != nil {
		return "", 0, "", err
	}
	cl := claim{}
	if err := json.Unmarshal(e.Value, &cl); err != nil || cl.Subscriber == "" {
		return "", e.Revision, "", nil // released, or unreadable: free
	}
	r, _, err := s.load(ctx, cl.Subscriber)
	if err != nil {
		return "", 0, "", err
	}
	if r == nil || !r.lists(address) {
		return cl.Subscriber, e.Revision, "", nil
	}
	return cl.Subscriber, e.Revision, cl.Subscriber, nil
}

// rollBack restores what was stored before next and gives its new claims back.
func (s *store) rollBack(ctx context.Context, old, next *subscriberRecord, revision uint64) error {
	var err error
	if old == nil {
		err = s.kv.Delete(ctx, subKey(next.ID))
	} else {
		_, err = s.kv.Update(ctx, subKey(next.ID), encode(old), revision)
	}
	if err != nil && !errors.Is(err, bus.ErrConflict) {
		return err
	}
	if old == nil {
		old = &subscriberRecord{ID: next.ID}
	}
	return s.releaseDropped(ctx, next, old)
}

// releaseDropped frees what before lists and after does not, and forgets the
// devices there.
func (s *store) releaseDropped(ctx context.Context, before, after *subscriberRecord) error {
	if before == nil {
		return nil
	}
	for _, a := range slices.Concat(before.Addresses, before.Aliases) {
		if after != nil && after.lists(a) {
			continue
		}
		if strings.HasPrefix(a, schemeSIP) { // while nobody else can have the address
			if err := s.dropDevices(ctx, a, before.ID); err != nil {
				return err
			}
		}
		if _, err := s.release(ctx, a, before.ID); err != nil {
			return err
		}
	}
	return nil
}

// release empties a claim of a subscriber. The key stays, because a bucket
// knows no compare-and-delete.
func (s *store) release(ctx context.Context, address, id string) (uint64, error) {
	for range writeTries {
		named, revision, _, err := s.holderOf(ctx, address)
		if err != nil || named != id {
			return 0, err
		}
		revision, err = s.kv.Update(ctx, addrKey(address), encode(claim{}), revision)
		if !errors.Is(err, bus.ErrConflict) {
			return revision, err
		}
	}
	return 0, schema.Errorf(callv1.Code_CODE_RETRY, "%s is being claimed by others", address)
}

// remove deletes a subscriber with its credentials and frees its addresses.
func (s *store) remove(ctx context.Context, id string, allow func(old *subscriberRecord) error) error {
	old, _, err := s.load(ctx, id)
	if err != nil {
		return err
	}
	if err := allow(old); err != nil || old == nil {
		return err
	}
	if err := s.kv.Delete(ctx, subKey(id)); err != nil {
		return err
	}
	return s.releaseDropped(ctx, old, nil)
}

// putService writes a service token's entry.
func (s *store) putService(ctx context.Context, r *serviceRecord) error {
	_, err := s.kv.Put(ctx, svcKey(r.Name), encode(r))
	return err
}
