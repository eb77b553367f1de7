package workers_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tandem-rtc/tandem/bus/workers"
)

// TestEverythingRunsAndNothingIsLeft: work that starts work, before and after
// Close.
func TestEverythingRunsAndNothingIsLeft(t *testing.T) {
	var p workers.Pool
	var ran atomic.Int64
	var first sync.WaitGroup
	for range 1000 {
		first.Add(1)
		p.Go(func() {
			defer first.Done()
			ran.Add(1)
			p.Go(func() { ran.Add(1) })
		})
	}
	first.Wait()
	block, late := make(chan struct{}), make(chan struct{})
	p.Go(func() {
		<-block
		p.Go(func() { close(late) })
	})
	p.Close()
	p.Close()
	close(block)
	p.Wait()
	<-late
	if ran.Load() != 2000 {
		t.Errorf("%d of 2000 ran", ran.Load())
	}
}

// TestAGoroutineIsUsedAgain: what is idle works before anything new is started.
func TestAGoroutineIsUsedAgain(t *testing.T) {
	var p workers.Pool
	defer p.Wait()
	defer p.Close()
	allocs := testing.AllocsPerRun(1000, func() {
		done := make(chan struct{})
		p.Go(func() { close(done) })
		<-done
	})
	if allocs > 4 {
		t.Errorf("%v allocations each", allocs)
	}
}
