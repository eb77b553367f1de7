// Package view keeps what a watcher of a bucket was told, so that a driver that
// has to start a watch over can also tell what has gone meanwhile.
package view

import "github.com/tandem-rtc/tandem/bus"

// View passes a watch's entries on to a function.
type View struct {
	f        func(bus.Entry) bool
	told     map[string]struct{} // present, as far as f knows
	snapshot map[string]struct{} // present in the snapshot under way, or nil
	revision uint64
}

// New makes the view of one Watch.
func New(f func(bus.Entry) bool) *View {
	return &View{f: f, told: map[string]struct{}{}, snapshot: map[string]struct{}{}}
}

// Restart says that all present entries come again.
func (v *View) Restart() { v.snapshot, v.revision = map[string]struct{}{}, 0 }

// Entry passes an entry on; removals in a snapshot only count for Synced.
func (v *View) Entry(e bus.Entry) bool {
	v.revision = max(v.revision, e.Revision)
	in := v.told
	if v.snapshot != nil {
		in = v.snapshot
	}
	if e.Deleted {
		delete(in, e.Key)
		return v.snapshot != nil || v.f(e)
	}
	in[e.Key] = struct{}{}
	return v.f(e)
}

// Synced ends a snapshot: it tells what is not there any more, and then that the
// view is complete up to revision, or up to the last one passed on.
func (v *View) Synced(revision uint64) bool {
	if v.snapshot == nil {
		return true
	}
	for key := range v.told {
		if _, there := v.snapshot[key]; !there && !v.f(bus.Entry{Key: key, Deleted: true}) {
			return false
		}
	}
	v.told, v.snapshot = v.snapshot, nil
	return v.f(bus.Entry{Revision: max(v.revision, revision)})
}
