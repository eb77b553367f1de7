package port

import "sync/atomic"

// Budget is how many connections several ports may have together. A part is kept for
// each of them, so that a flood at one leaves the others room; the rest is there for
// any that needs it.
type Budget struct {
	kept   int // for each
	shared atomic.Int64
}

// NewBudget gives one for so many connections of so many ports: a fifth of it is kept,
// in equal parts.
func NewBudget(connections, ports int) *Budget {
	b := &Budget{kept: connections / (5 * ports)}
	b.shared.Store(int64(connections - ports*b.kept))
	return b
}

// take takes one out for a port that has so many already. A nil Budget has no end.
func (b *Budget) take(has int) bool {
	if b == nil || has < b.kept || b.shared.Add(-1) >= 0 {
		return true
	}
	b.shared.Add(1)
	return false
}

// give puts one back of a port that still has so many.
func (b *Budget) give(has int) {
	if b != nil && has >= b.kept {
		b.shared.Add(1)
	}
}
