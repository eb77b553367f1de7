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
		ssrc, total uint32
		want        uint64
	}{
		{1, 0, 0}, {1, 3, 3}, {1, 3, 3}, {2, 4, 7}, {1, 5, 9},
		{1, 1<<24 - 2, 9}, // minus two
		{1, 4, 9}, {1, 6, 10},
	} {
		l.add([]rtcp.ReceptionReport{{SSRC: step.ssrc, TotalLost: step.total}}, &sum)
		if sum.Load() != step.want {
			t.Errorf("step %d: %d, want %d", i, sum.Load(), step.want)
		}
	}
	for ssrc := range uint32(2 * maxLossSources) {
		l.add([]rtcp.ReceptionReport{{SSRC: 100 + ssrc, TotalLost: 1}}, &sum)
	}
	if len(l) != maxLossSources {
		t.Errorf("%d sources are counted", len(l))
	}
}
