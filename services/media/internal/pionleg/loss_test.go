package pionleg

import (
	"sync/atomic"
	"testing"

	"github.com/pion/rtcp"
)

func TestLossIsAddedUp(t *testing.T) {
	var l loss
	var sum atomic.Uint64
	for i, step := range []struct {
		ssrc, total, notSent uint32
		want                 uint64
	}{
		{1, 0, 0, 0}, {1, 3, 0, 3}, {1, 3, 0, 3}, {2, 4, 0, 7}, {1, 5, 0, 9},
		{1, 1<<24 - 2, 0, 9}, // minus two
		{1, 4, 0, 9}, {1, 6, 0, 10},
		{3, 5, 5, 10}, {3, 5, 7, 10}, {3, 9, 7, 12}, {3, 10, 9, 12},
	} {
		l.add([]rtcp.ReceptionReport{{SSRC: step.ssrc, TotalLost: step.total}}, step.notSent, &sum)
		if sum.Load() != step.want {
			t.Errorf("step %d: %d, want %d", i, sum.Load(), step.want)
		}
	}
	for ssrc := range uint32(2 * maxLossSources) {
		l.add([]rtcp.ReceptionReport{{SSRC: 100 + ssrc, TotalLost: 1}}, 0, &sum)
	}
	if len(l) != maxLossSources {
		t.Errorf("%d sources are counted", len(l))
	}
}
