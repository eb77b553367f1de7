package callstate

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

// twinsFor is how long it is said that two processes have one node's name since it was
// seen last: both put their key every second.
const twinsFor = 10 * time.Second

// twins finds processes that have one name: of a process that started again, the one
// before does not come back.
type twins struct {
	mu    sync.Mutex
	ended map[string]ended     // the start that another took the place of last, by kind/node
	found map[string]time.Time // when it came back, by kind/node
}

// ended is a start that has ended, as it seems.
type ended struct {
	instance string
	at       time.Time
}

func newTwins() *twins { return &twins{ended: map[string]ended{}, found: map[string]time.Time{}} }

// replaced notes that one start of a node took the place of another; first reports
// whether this shows two processes, and was not known already.
func (t *twins) replaced(before, after bus.Node, now time.Time) (first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := nodeKey(after)
	maps.DeleteFunc(t.ended, func(_ string, e ended) bool { return now.Sub(e.at) > twinsFor })
	if t.ended[key].instance == after.Instance {
		last, known := t.found[key]
		first = !known || now.Sub(last) > twinsFor
		t.found[key] = now
	}
	t.ended[key] = ended{before.Instance, now}
	return first
}

// problems says which names two processes have now.
func (t *twins) problems(now time.Time) (out []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.found, func(_ string, at time.Time) bool { return now.Sub(at) > twinsFor })
	for _, key := range slices.SortedFunc(maps.Keys(t.found), cmp.Compare[string]) {
		out = append(out, "two processes run as "+key+": give each a node name of its own, and start both anew")
	}
	return out
}
