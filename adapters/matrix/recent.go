package matrix

// recent remembers the last keys that were added, up to a limit. It is not safe
// for use by several goroutines.
type recent[K comparable] struct {
	max  int
	keys map[K]struct{}
	ring []K
	next int
}

func newRecent[K comparable](limit int) *recent[K] {
	return &recent[K]{max: limit, keys: map[K]struct{}{}}
}

func (r *recent[K]) has(k K) bool {
	_, ok := r.keys[k]
	return ok
}

// add remembers a key; false if it was there.
func (r *recent[K]) add(k K) bool {
	if r.has(k) {
		return false
	}
	r.keys[k] = struct{}{}
	if len(r.ring) < r.max {
		r.ring = append(r.ring, k)
		return true
	}
	delete(r.keys, r.ring[r.next])
	r.ring[r.next] = k
	r.next = (r.next + 1) % r.max
	return true
}
