package workers

import "sync"

// maxIdle bounds the goroutines that wait for work.
const maxIdle = 256

// Pool runs functions on goroutines of its own. It does not bound how many run at
// once: that is the caller's affair. The zero Pool is ready.
type Pool struct {
	mu     sync.Mutex
	idle   []chan func() // the one that worked last is the next to work
	closed bool
	all    sync.WaitGroup
}

// Go has f run on a goroutine of the pool's and does not wait. It may be called
// after Close by what still runs.
func (p *Pool) Go(f func()) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		next := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		next <- f // has room: it is idle once
		return
	}
	p.all.Add(1)
	p.mu.Unlock()
	go p.work(f)
}

// Begin counts work that somebody else's goroutine does until End: Wait waits for
// it too.
func (p *Pool) Begin() { p.all.Add(1) }

// End is the end of what Begin began.
func (p *Pool) End() { p.all.Done() }

func (p *Pool) work(f func()) {
	defer p.all.Done()
	next := make(chan func(), 1)
	for f != nil {
		f()
		p.mu.Lock()
		if p.closed || len(p.idle) >= maxIdle {
			p.mu.Unlock()
			return
		}
		p.idle = append(p.idle, next)
		p.mu.Unlock()
		f = <-next // nil ends it
	}
}

// Close ends the goroutines that wait for work; the others end with their work.
// Idempotent.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, next := range p.idle {
		close(next)
	}
	p.idle = nil
}

// Wait returns once no goroutine of the pool is left, after Close.
func (p *Pool) Wait() { p.all.Wait() }
