package media

import (
	"testing"

	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

// watch holds what a terminal hears against what one stream may be: one source,
// whose numbers and timestamps only run on.
type watch struct {
	c         *mediatest.Client
	kind      string
	ssrc      uint32
	last      uint16
	timestamp uint32
	n         int
	lost      int
}

func newWatch(c *mediatest.Client) *watch {
	drain(c.Packets)
	return &watch{c: c, kind: "audio"}
}

// read takes what has come, and gives how many packets that was so far.
func (w *watch) read(t testing.TB) int {
	t.Helper()
	for {
		select {
		case p := <-w.c.Packets:
			if p.Kind != w.kind {
				continue
			}
			if w.n == 0 {
				w.ssrc, w.last, w.timestamp = p.SSRC, p.SequenceNumber-1, p.Timestamp-1
			}
			if p.SSRC != w.ssrc {
				t.Fatalf("source %d after %d", p.SSRC, w.ssrc)
			}
			step := p.SequenceNumber - w.last
			if step == 0 || step > 1000 {
				t.Fatalf("number %d after %d", p.SequenceNumber, w.last)
			}
			if ahead := p.Timestamp - w.timestamp; ahead > 48000*20 {
				t.Fatalf("timestamp %d after %d", p.Timestamp, w.timestamp)
			}
			w.lost += int(step) - 1
			w.last, w.timestamp = p.SequenceNumber, p.Timestamp
			w.n++
		default:
			return w.n
		}
	}
}
