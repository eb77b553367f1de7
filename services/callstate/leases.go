package callstate

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// takePartitions takes every partition that is free.
func (s *Service) takePartitions(ctx context.Context) error {
	taken := 0
	for _, p := range s.parts {
		ok, err := p.take(ctx)
		if err != nil {
			return fmt.Errorf("callstate: partition %d: %w", p.n, err)
		}
		if ok {
			taken++
		}
	}
	s.countPartitions()
	s.log.Info("partitions taken", "taken", taken, "of", len(s.parts))
	return nil
}

// keepLeases renews what is held and takes what becomes free, until ctx ends.
func (s *Service) keepLeases(ctx context.Context) {
	t := time.NewTicker(s.cfg.LeaseTTL / 3)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		s.keepRound(ctx)
		s.countPartitions()
	}
}

// keepRound looks at each partition once. What happened is one line of the log for all
// of them, since it mostly happens to all at once.
func (s *Service) keepRound(ctx context.Context) {
	var taken, lost, failed int
	var why, lostWhy error
	for _, p := range s.parts {
		if ctx.Err() != nil {
			return
		}
		if p.owned() {
			if gone, err := p.renew(ctx); gone {
				lost, lostWhy = lost+1, err
			}
			continue
		}
		if ok, err := p.take(ctx); err != nil {
			failed, why = failed+1, err
			s.troubles.went(needLease, s.now(), err)
		} else if ok {
			taken++
		}
	}
	if failed == 0 {
		s.troubles.went(needLease, s.now(), nil)
	}
	if lost > 0 {
		s.log.Warn("partitions lost", "lost", lost, "of", len(s.parts), "error", lostWhy)
	}
	if failed > 0 {
		s.log.Warn("partitions not taken", "not_taken", failed, "of", len(s.parts), "error", why)
	}
	if taken > 0 {
		s.log.Info("partitions taken", "taken", taken, "of", len(s.parts))
	}
}

func (s *Service) countPartitions() {
	n := 0
	for _, p := range s.parts {
		if p.owned() {
			n++
		}
	}
	s.env.Metrics.Partitions(n)
}

// releasePartitions gives the leases back so that another node need not wait.
func (s *Service) releasePartitions() {
	ctx, cancel := context.WithTimeout(context.Background(), mediaTimeout)
	defer cancel()
	for _, p := range s.parts {
		p.mu.Lock()
		lease := p.lease
		p.lease = nil
		p.mu.Unlock()
		if lease == nil {
			continue
		}
		if err := s.env.Leases.Release(ctx, lease); err != nil {
			s.log.Warn("lease not released; it expires by itself", "lease", lease.Name, "error", err)
			return
		}
	}
	s.countPartitions()
}

func uintText(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
