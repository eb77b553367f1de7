package directory

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// sweepEvery is how often devices are looked through that nobody has put or
// woken since they expired.
const sweepEvery = time.Hour

// keepDevicesClean forgets devices that expired, and what a writer that died has
// left of subscribers that are gone, until ctx ends.
func (s *Service) keepDevicesClean(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		s.sweep(ctx, time.Now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sweep goes through all accounts once.
func (s *Service) sweep(ctx context.Context, now time.Time) {
	var stale []string
	s.cache.mu.RLock()
	for account, r := range s.cache.devices {
		if len(r.Devices) > 0 && (!s.holds(r) || slices.ContainsFunc(r.Devices, func(d device) bool { return now.Sub(d.Heard) > s.cfg.Wake.DeviceAge })) {
			stale = append(stale, account)
		}
	}
	s.cache.mu.RUnlock()
	forgotten := 0
	for _, account := range stale {
		_, err := s.store.changeDevices(ctx, account, func(r *deviceRecord) (bool, error) {
			before := len(r.Devices)
			s.cache.mu.RLock()
			held := s.holds(r)
			s.cache.mu.RUnlock()
			if !held {
				r.Devices = nil
			}
			r.expire(now, s.cfg.Wake.DeviceAge)
			forgotten += before - len(r.Devices)
			return len(r.Devices) < before, nil
		})
		if err != nil { // the next sweep finds them again
			s.log.LogAttrs(ctx, slog.LevelWarn, "expired devices are kept for now", slog.Any("error", err))
			break
		}
	}
	if forgotten > 0 {
		s.log.LogAttrs(ctx, slog.LevelInfo, "devices forgotten", slog.Int("devices", forgotten))
	}
}

// holds reports whether a record's account is still its subscriber's. The caller
// holds the cache's mu.
func (s *Service) holds(r *deviceRecord) bool {
	owner := s.cache.owner(r.Account)
	return owner != nil && owner.ID == r.Subscriber
}
