package pionleg

import (
	"sync/atomic"

	"github.com/pion/rtcp"
)

// loss adds up what receiver reports say about lost packets. Reports count from a
// source's beginning, so what each adds is the difference to the one before.
type loss map[uint32]uint32

// maxLossSources bounds the sources that are counted.
const maxLossSources = 64

// add takes the reports of one sender and adds what is new to a sum.
func (l *loss) add(reports []rtcp.ReceptionReport, sum *atomic.Uint64) {
	for _, r := range reports {
		if r.TotalLost&(1<<23) != 0 { // negative: more came than was sent, by duplicates
			continue
		}
		before, known := (*l)[r.SSRC]
		if r.TotalLost <= before || !known && len(*l) >= maxLossSources {
			continue
		}
		if *l == nil {
			*l = loss{}
		}
		(*l)[r.SSRC] = r.TotalLost
		sum.Add(uint64(r.TotalLost - before))
	}
}
