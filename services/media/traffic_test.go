package media

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

// counter is Metrics that remembers.
type counter struct {
	noMetrics
	mu     sync.Mutex
	counts map[string]int
}

func (c *counter) Count(name string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[name] += n
}

// still is a leg that has carried something.
type still struct {
	leg.Leg
	stats leg.Stats
}

func (s *still) Stats() leg.Stats { return s.stats }

func TestTrafficIsCountedOnce(t *testing.T) {
	c := &counter{counts: map[string]int{}}
	l := &still{stats: leg.Stats{PacketsIn: 5, BytesIn: 500, PacketsOut: 4, BytesOut: 400, LostIn: 1, LostOut: 2}}
	i := &instance{m: &member{s: &Service{metrics: c}}, leg: l}
	i.count()
	i.count()
	l.stats.PacketsIn, l.stats.Retransmitted, l.stats.KeyFrameRequests = 7, 1, 3
	i.count()
	want := map[string]int{
		MetricPackets: 7, MetricBytes: 500, MetricPacketsSent: 4, MetricBytesSent: 400, MetricLost: 1, MetricLostSent: 2,
		MetricRetransmitted: 1, MetricKeyFrames: 3,
	}
	if !maps.Equal(c.counts, want) {
		t.Errorf("counted %v, want %v", c.counts, want)
	}
}

// What does not arrive here is noticed, and so is what a terminal says did not
// arrive there.
func TestLossIsNoticed(t *testing.T) {
	r := newRig(t)
	a, b := client(t, mediatest.Options{}), client(t, mediatest.Options{Audio: "audio/opus"})
	raw, err := a.AddRaw("audio", "raw")
	if err != nil {
		t.Fatal(err)
	}
	c := newCall()
	r.connect(c, a, b)
	stats := func(ordinal uint32) leg.Stats { return r.s.member(c.leg(ordinal)).now.Load().leg.Stats() }

	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	n := uint16(0)
	report := func(ssrc, lost uint32) {
		t.Helper()
		if err := b.PC.WriteRTCP([]rtcp.Packet{&rtcp.ReceiverReport{
			Reports: []rtcp.ReceptionReport{{SSRC: ssrc, TotalLost: lost}},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	var ours uint32
	var last uint16
	// Seven before the gap; of twelve after it, the three did not get as far as here.
	for late := time.After(patience); stats(1).LostIn < 3 || stats(2).LostOut < 9; {
		select {
		case <-tick.C:
			if n++; n == 10 {
				n += 3 // which are lost
			}
			if err := raw.Write(&rtp.Packet{
				Header:  rtp.Header{Version: 2, PayloadType: raw.PayloadType(), SequenceNumber: n, Timestamp: uint32(n) * 960},
				Payload: []byte{0xf8, 0xff, 0xfe},
			}); err != nil {
				t.Fatal(err)
			}
		case p := <-b.Packets:
			switch {
			case ours == 0:
				ours = p.SSRC
				report(ours, 7)
			case p.SequenceNumber-last == 4:
				report(ours, 12)
			}
			last = p.SequenceNumber
		case <-late:
			t.Fatalf("lost on the way here %d, want 3; there %d, want 9", stats(1).LostIn, stats(2).LostOut)
		}
	}
	if n := stats(2).LostOut; n != 9 {
		t.Errorf("lost on the way there %d, want 9", n)
	}
}
