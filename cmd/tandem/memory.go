package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

const (
	// gcPercent lets the heap grow to five times of what is live before it is
	// collected, instead of twice: what is live is small (some 10 kB a call), most
	// garbage is messages, and collecting them less often saves a sixth of the CPU.
	// The environment variable GOGC overrides it; GOMEMLIMIT bounds it.
	gcPercent = 400
	// garbage is how much of it there may be all the same, beyond what is live: a
	// crowd of connections has a large heap, and is not to have one five times that.
	garbage = 512 << 20
)

// percent gives the garbage that may be there, as a share of what is live.
func percent(live uint64) int {
	if live == 0 {
		return gcPercent
	}
	return int(min(gcPercent, max(100, 100*garbage/min(live, math.MaxInt64))))
}

// cycle is an object that nobody needs. The pointer gives it memory of its own.
type cycle struct{ _ *cycle }

// tuneGC has every collection set how soon the next one comes, until stop is called.
func tuneGC(set func(percent int)) (stop func()) {
	set(gcPercent)
	var stopped atomic.Bool
	var collected func(*cycle)
	last := gcPercent
	collected = func(c *cycle) { // called after each collection, one at a time
		if stopped.Load() {
			return
		}
		if next := percent(liveHeap()); next != last {
			last = next
			set(next)
		}
		runtime.SetFinalizer(c, collected)
	}
	runtime.SetFinalizer(new(cycle), collected)
	return func() { stopped.Store(true) }
}

// liveHeap is what the last collection has left.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

func setGC(percent int) { debug.SetGCPercent(percent) }
