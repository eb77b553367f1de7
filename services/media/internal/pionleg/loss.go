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

// add takes the reports of one sender and adds what is new to a sum. Of what they
// call lost, some was never sent.
func (l *loss) add(reports []rtcp.ReceptionReport, notSent uint32, sum *atomic.Uint64) {
	for _, r := range reports {
		if r.TotalLost&(1<<23) != 0 { // negative: more came than was sent, by duplicates
			continue
		}
		total := max(r.TotalLost, notSent) - notSent
		before, known := (*l)[r.SSRC]
		if total <= before || !known && len(*l) >= maxLossSources {
			continue
		}
		if *l == nil {
			*l = loss{}
		}
		(*l)[r.SSRC] = total
		sum.Add(uint64(total - before))
	}
}
