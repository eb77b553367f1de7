package media

import (
	"context"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
)

// trafficEvery is how often what legs carry is counted while they live.
const trafficEvery = 5 * time.Second

// traffic is what of a leg's traffic has been counted.
type traffic struct {
	mu      sync.Mutex
	counted leg.Stats
}

// countTraffic counts what live legs carry until ctx ends.
func (s *Service) countTraffic(ctx context.Context) {
	tick := time.NewTicker(trafficEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		legs := make([]*instance, 0, len(s.legs))
		for _, m := range s.legs {
			legs = append(legs, m.now.Load())
		}
		s.mu.Unlock()
		for _, i := range legs {
			i.count()
		}
	}
}

// count counts what is new of a leg's traffic.
func (i *instance) count() {
	t := &i.traffic
	t.mu.Lock()
	defer t.mu.Unlock()
	now, before, metrics := i.leg.Stats(), t.counted, i.m.s.metrics
	t.counted = now
	for _, c := range [...]struct {
		name        string
		now, before uint64
	}{
		{MetricPackets, now.PacketsIn, before.PacketsIn},
		{MetricBytes, now.BytesIn, before.BytesIn},
		{MetricPacketsSent, now.PacketsOut, before.PacketsOut},
		{MetricBytesSent, now.BytesOut, before.BytesOut},
		{MetricLost, now.LostIn, before.LostIn},
		{MetricLostSent, now.LostOut, before.LostOut},
		{MetricRetransmitted, now.Retransmitted, before.Retransmitted},
		{MetricKeyFrames, now.KeyFrameRequests, before.KeyFrameRequests},
	} {
		if c.now > c.before {
			metrics.Count(c.name, int(c.now-c.before)) //nolint:gosec // a few seconds' packets
		}
	}
}
