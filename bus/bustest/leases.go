package bustest

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

func leaseCases() []func(*env) {
	return []func(*env){
		leaseIsAcquiredOnce, leaseIsOursAgain, leaseExpires, leaseIsRenewed, renewOfALostLeaseConflicts,
		releasedLeaseIsFreeAndKeepsItsEpoch, oneOfManyAcquires, leasesOutliveARestart,
	}
}

const long = time.Hour

func (e *env) leases(holder string) bus.Leases { return bus.NewLeases(e.connect(), holder) }

func leaseIsAcquiredOnce(e *env) {
	a, b := e.leases("k/a/1"), e.leases("k/b/1")
	l, err := a.Acquire(e.ctx, "p.1", long)
	e.ok(err)
	e.equal([]any{l.Name, l.Holder, l.Epoch}, []any{"p.1", "k/a/1", uint64(1)})
	if left := time.Until(l.Expires); left < long-time.Minute || left > long {
		e.t.Fatalf("expires in %s", left)
	}
	held, err := b.Acquire(e.ctx, "p.1", long)
	e.fails(err, bus.ErrHeld)
	e.equal([]any{held.Holder, held.Epoch, held.Expires.Equal(l.Expires)}, []any{"k/a/1", uint64(1), true})
	other, err := b.Acquire(e.ctx, "p.2", long)
	e.ok(err)
	e.equal(other.Epoch, uint64(1))
}

func leaseIsOursAgain(e *env) {
	a := e.leases("k/a/1")
	_, err := a.Acquire(e.ctx, "p.1", long)
	e.ok(err)
	l, err := a.Acquire(e.ctx, "p.1", long)
	e.ok(err)
	e.equal(l.Epoch, uint64(1))
	_, err = e.leases("k/a/2").Acquire(e.ctx, "p.1", long) // the same node, started again
	e.fails(err, bus.ErrHeld)
}

func leaseExpires(e *env) {
	a, b := e.leases("k/a/1"), e.leases("k/b/1")
	old, err := a.Acquire(e.ctx, "p.1", 100*time.Millisecond)
	e.ok(err)
	var l *bus.Lease
	e.until("the lease has expired", func() bool {
		l, err = b.Acquire(e.ctx, "p.1", long)
		return !errors.Is(err, bus.ErrHeld)
	})
	e.ok(err)
	if time.Now().Before(old.Expires) {
		e.t.Fatal("taken before it expired")
	}
	e.equal([]any{l.Holder, l.Epoch}, []any{"k/b/1", uint64(2)})
}

func leaseIsRenewed(e *env) {
	a, b := e.leases("k/a/1"), e.leases("k/b/1")
	l, err := a.Acquire(e.ctx, "p.1", 10*time.Millisecond)
	e.ok(err)
	l, err = a.Renew(e.ctx, l, long) // late, but nobody else took it
	e.ok(err)
	stale := *l
	l, err = a.Renew(e.ctx, l, 2*long)
	e.ok(err)
	e.equal([]any{l.Holder, l.Epoch}, []any{"k/a/1", uint64(1)})
	_, err = b.Acquire(e.ctx, "p.1", long)
	e.fails(err, bus.ErrHeld)
	_, err = a.Renew(e.ctx, &stale, long) // an answer got lost: it is still ours
	e.ok(err)
}

func renewOfALostLeaseConflicts(e *env) {
	a, b := e.leases("k/a/1"), e.leases("k/b/1")
	l, err := a.Acquire(e.ctx, "p.1", time.Millisecond)
	e.ok(err)
	e.until("the lease has expired", func() bool { _, err := b.Acquire(e.ctx, "p.1", long); return err == nil })
	_, err = a.Renew(e.ctx, l, long)
	e.fails(err, bus.ErrConflict)
	e.fails(a.Release(e.ctx, l), bus.ErrConflict)
	held, err := a.Acquire(e.ctx, "p.1", long)
	e.fails(err, bus.ErrHeld)
	e.equal(held.Epoch, uint64(2))
}

func releasedLeaseIsFreeAndKeepsItsEpoch(e *env) {
	a, b := e.leases("k/a/1"), e.leases("k/b/1")
	l, err := a.Acquire(e.ctx, "p.1", long)
	e.ok(err)
	e.ok(a.Release(e.ctx, l))
	e.ok(a.Release(e.ctx, l))
	l, err = b.Acquire(e.ctx, "p.1", long)
	e.ok(err)
	e.equal(l.Epoch, uint64(2))
	e.ok(b.Release(e.ctx, l))
	l, err = b.Acquire(e.ctx, "p.1", long)
	e.ok(err)
	e.equal(l.Epoch, uint64(3))
}

func oneOfManyAcquires(e *env) {
	var won atomic.Int32
	var running sync.WaitGroup
	for _, holder := range []string{"k/a/1", "k/b/1", "k/c/1", "k/d/1"} {
		s := e.leases(holder)
		running.Go(func() {
			switch _, err := s.Acquire(e.ctx, "p.1", long); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, bus.ErrHeld):
				e.t.Error(err)
			}
		})
	}
	running.Wait()
	e.equal(won.Load(), int32(1))
}

func leasesOutliveARestart(e *env) {
	d := e.connect()
	a := bus.NewLeases(d, "k/a/1")
	l, err := a.Acquire(e.ctx, "p.1", long)
	e.ok(err)
	e.restarted(d)
	e.eventually("the lease is renewed", func() error { _, err := a.Renew(e.ctx, l, long); return err })
	_, err = e.leases("k/b/1").Acquire(e.ctx, "p.1", long)
	e.fails(err, bus.ErrHeld)
}
