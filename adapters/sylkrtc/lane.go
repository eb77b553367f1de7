package sylkrtc

import "sync"

// lane carries items, in order, to one goroutine that lives only while there
// are any, so a connection that is idle costs none.
type lane[T any] struct {
	handle func(T)
	limit  int // items that may wait
	size   int // bytes that may wait; 0 for no limit

	mu      sync.Mutex
	change  sync.Cond
	items   []laneItem[T]
	bytes   int
	running bool
	closed  bool
}

type laneItem[T any] struct {
	v    T
	size int
}

func (l *lane[T]) init(limit, size int, handle func(T)) {
	l.handle, l.limit, l.size = handle, limit, size
	l.change.L = &l.mu
}

// push adds an item and reports whether there was room. It does not block. A
// lane that is closed takes nothing and says so by closed.
func (l *lane[T]) push(v T, size int) (ok, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.full() {
		return false, l.closed
	}
	l.add(v, size)
	return true, false
}

// pushAnyway adds an item even when the lane is full: for what is bounded
// otherwise.
func (l *lane[T]) pushAnyway(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.add(v, 0)
	}
}

// pushWait adds an item once there is room; false if the lane was closed.
func (l *lane[T]) pushWait(v T, size int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed && l.full() {
		l.change.Wait()
	}
	if l.closed {
		return false
	}
	l.add(v, size)
	return true
}

func (l *lane[T]) full() bool {
	return len(l.items) >= l.limit || l.size > 0 && l.bytes >= l.size
}

func (l *lane[T]) add(v T, size int) {
	l.items = append(l.items, laneItem[T]{v, size})
	l.bytes += size
	if !l.running {
		l.running = true
		go l.run()
	}
}

func (l *lane[T]) run() {
	for {
		l.mu.Lock()
		if len(l.items) == 0 {
			l.items, l.running = nil, false
			l.change.Broadcast()
			l.mu.Unlock()
			return
		}
		it := l.items[0]
		l.items[0] = laneItem[T]{} // let go of what was carried
		l.items = l.items[1:]
		l.bytes -= it.size
		l.change.Broadcast()
		l.mu.Unlock()
		l.handle(it.v)
	}
}

// close drops what waits and gives it back. What is being handled goes on.
func (l *lane[T]) close() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	dropped := make([]T, 0, len(l.items))
	for _, it := range l.items {
		dropped = append(dropped, it.v)
	}
	l.items, l.bytes = nil, 0
	l.change.Broadcast()
	return dropped
}

// wait returns once nothing is carried.
func (l *lane[T]) wait() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.running {
		l.change.Wait()
	}
}
