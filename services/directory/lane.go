package directory

import "sync"

// lane runs work that may block, each on a goroutine of its own, and only so
// many at a time.
type lane struct {
	slots   chan struct{}
	running *sync.WaitGroup
}

func newLane(size int, running *sync.WaitGroup) *lane {
	return &lane{slots: make(chan struct{}, size), running: running}
}

// run starts f and reports whether there was room. It does not block.
func (l *lane) run(f func()) bool {
	select {
	case l.slots <- struct{}{}:
	default:
		return false
	}
	l.running.Go(func() {
		defer func() { <-l.slots }()
		f()
	})
	return true
}
