package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
)

// seed makes the stored directory say what the configuration says, and leaves
// alone what was added by other means. What is the same already costs nothing.
// It gives how many entries it touched.
//
// Entries that an earlier configuration put there are removed first: access
// that the operator took out of the file must not live on, and its addresses
// must be free for those who have them now.
func (s *Service) seed(ctx context.Context, b *book) (changes int, err error) {
	wanted := map[string]*subscriberRecord{}
	for _, r := range b.subscribers {
		wanted[r.ID] = r
	}
	wantedServices := map[string]*serviceRecord{}
	for _, r := range b.services {
		wantedServices[r.Name] = r
	}
	s.cache.mu.RLock()
	subs, services := maps.Clone(s.cache.subs), maps.Clone(s.cache.services)
	whole := map[string]bool{}
	for id, r := range subs {
		whole[id] = s.cache.whole(r)
	}
	s.cache.mu.RUnlock()

	fromConfig := func(old *subscriberRecord) error {
		if old != nil && old.Source != sourceConfig {
			return errKeep
		}
		return nil
	}
	removed, written := 0, 0
	for _, id := range slices.Sorted(maps.Keys(subs)) {
		if wanted[id] != nil || subs[id].Source != sourceConfig {
			continue
		}
		if err := s.store.remove(ctx, id, fromConfig); err != nil && !errors.Is(err, errKeep) {
			return 0, fmt.Errorf("directory: removing subscriber %q: %w", id, err)
		}
		removed++
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		if wantedServices[name] != nil || services[name].Source != sourceConfig {
			continue
		}
		if err := s.store.kv.Delete(ctx, svcKey(name)); err != nil {
			return 0, fmt.Errorf("directory: removing service token %q: %w", name, err)
		}
		removed++
	}
	retired, err := s.retire(ctx, subs)
	if err != nil {
		return 0, fmt.Errorf("directory: removing a Matrix user: %w", err)
	}
	removed += retired
	if err := s.fits(subs, wanted); err != nil {
		return 0, err
	}
	if err := s.narrow(ctx, subs, b.subscribers); err != nil {
		return 0, err
	}
	for i, r := range b.subscribers {
		if old := subs[r.ID]; old != nil && old.same(r) && whole[r.ID] {
			continue
		}
		if _, err := s.store.put(ctx, r, always); err != nil {
			return 0, fmt.Errorf("directory: subscribers[%d]: %w", i, err)
		}
		written++
	}
	for _, r := range b.services {
		if old := services[r.Name]; old != nil && old.same(r) {
			continue
		}
		if err := s.store.putService(ctx, r); err != nil {
			return 0, fmt.Errorf("directory: service token %q: %w", r.Name, err)
		}
		written++
	}
	repaired := s.repair(ctx, subs, wanted, whole)
	s.log.LogAttrs(ctx, slog.LevelInfo, "directory seeded", slog.Int("written", written),
		slog.Int("removed", removed), slog.Int("repaired", repaired), slog.Int("configured", len(b.subscribers)))
	return removed + written + repaired, nil
}

// repair finishes what a writer that died in the middle left undone.
func (s *Service) repair(ctx context.Context, subs, wanted map[string]*subscriberRecord, whole map[string]bool) (n int) {
	for _, id := range slices.Sorted(maps.Keys(subs)) {
		if wanted[id] != nil || whole[id] || subs[id].Source == sourceConfig {
			continue
		}
		r := subs[id]
		_, err := s.store.put(ctx, r, func(old *subscriberRecord) error {
			if old == nil || !old.same(r) {
				return errKeep // changed in the meantime, by one who claims for himself
			}
			return nil
		})
		if err != nil && !errors.Is(err, errKeep) {
			s.log.LogAttrs(ctx, slog.LevelWarn, "subscriber lacks an address", slog.String("subscriber", id), slog.Any("error", err))
			continue
		}
		n++
	}
	return n
}

func always(*subscriberRecord) error { return nil }

// fits checks the number of subscribers there will be.
func (s *Service) fits(subs, wanted map[string]*subscriberRecord) error {
	n := len(wanted)
	for id, r := range subs {
		if wanted[id] == nil && r.Source != sourceConfig {
			n++
		}
	}
	if n > s.cfg.MaxSubscribers {
		return fmt.Errorf("directory: %d subscribers are more than max_subscribers %d", n, s.cfg.MaxSubscribers)
	}
	return nil
}

// narrow frees the addresses that subscribers are to lose before any is
// claimed, so that two of them can swap.
func (s *Service) narrow(ctx context.Context, subs map[string]*subscriberRecord, wanted []*subscriberRecord) error {
	for _, r := range wanted {
		old := subs[r.ID]
		if old == nil {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(old.Addresses), func(a string) bool { return !slices.Contains(r.Addresses, a) })
		if len(kept) == len(old.Addresses) {
			continue
		}
		less := *r
		less.Addresses = kept
		if _, err := s.store.put(ctx, &less, always); err != nil {
			return fmt.Errorf("directory: subscriber %q: %w", r.ID, err)
		}
	}
	return nil
}
