package callstate

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// partition is one share of the calls, served while its lease is held.
type partition struct {
	s *Service
	n uint32

	mu     sync.Mutex
	lease  *bus.Lease // nil while not owned
	sub    bus.Subscription
	closed bool
	calls  map[string]*actor
	busy   int // actors with a running goroutine

	// recovered: every live call of the journal is in memory.
	recovered atomic.Bool

	quiet     chan struct{} // closed when busy is 0 after stop
	quietOnce sync.Once
}

func newPartition(s *Service, n uint32) *partition {
	return &partition{s: s, n: n, calls: map[string]*actor{}, quiet: make(chan struct{})}
}

func (p *partition) leaseName() string { return "p." + uintText(p.n) }

// take acquires the lease and serves the partition; false if another has it. Its
// calls are loaded behind: a command loads its own.
func (p *partition) take(ctx context.Context) (bool, error) {
	lease, err := p.s.env.Leases.Acquire(ctx, p.leaseName(), p.s.cfg.LeaseTTL)
	if errors.Is(err, bus.ErrHeld) || errors.Is(err, bus.ErrConflict) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	p.lease = lease
	p.mu.Unlock()
	sub, err := p.s.env.Bus.ServeCommandsLending(p.n, p.command)
	if err != nil {
		p.mu.Lock()
		p.loseLocked() // the lease runs out, or is acquired again
		p.mu.Unlock()
		return false, err
	}
	p.mu.Lock()
	p.sub = sub
	p.mu.Unlock()
	p.s.goRun(func() { p.recoverAll(lease.Epoch) })
	return true, nil
}

// renew prolongs the lease; a lost one ends the service of the partition, and the error
// says why.
func (p *partition) renew(ctx context.Context) (lost bool, err error) {
	p.mu.Lock()
	lease := p.lease
	p.mu.Unlock()
	next, err := p.s.env.Leases.Renew(ctx, lease, p.s.cfg.LeaseTTL)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.lease == nil: // stepped down meanwhile
	case err == nil:
		p.lease = next
	case errors.Is(err, bus.ErrConflict), p.s.now().After(lease.Expires):
		p.loseLocked()
		return true, err
	}
	return false, nil
}

// stepDown gives the partition up because another owner wrote to it.
func (p *partition) stepDown() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lease != nil {
		p.s.log.Warn("partition given up: another owner wrote to it", "partition", p.n)
		p.loseLocked()
	}
}

func (p *partition) loseLocked() {
	p.lease = nil
	p.recovered.Store(false)
	if p.sub != nil {
		sub := p.sub
		p.sub = nil
		p.s.goRun(sub.Stop) // Stop waits for a handler, which may wait for the lock
	}
	for id, a := range p.calls {
		a.abandon()
		delete(p.calls, id)
	}
}

// stop ends the taking of commands.
func (p *partition) stop() {
	p.mu.Lock()
	sub := p.sub
	p.sub, p.closed = nil, true
	p.quietLocked()
	p.mu.Unlock()
	if sub != nil {
		sub.Stop()
	}
}

// quietLocked tells a stopped partition's drain when the last actor settled.
func (p *partition) quietLocked() {
	if p.closed && p.busy == 0 {
		p.quietOnce.Do(func() { close(p.quiet) })
	}
}

func (p *partition) idle(limit <-chan time.Time) bool {
	select {
	case <-p.quiet:
		return true
	case <-limit:
		return false
	}
}

func (p *partition) owned() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lease != nil
}

func (p *partition) epoch() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lease == nil {
		return 0
	}
	return p.lease.Epoch
}

// command takes one from the bus.
func (p *partition) command(from *callv1.Identity, callID string, c *callv1.Command, respond func(*callv1.Reply), lend bus.Lend) {
	refuse := func(err error) {
		respond(&callv1.Reply{CommandId: c.GetId(), CallId: c.GetCallId(), LegId: c.GetLegId(), Error: schema.ToProto(err)})
	}
	if c.GetCallId() != callID || schema.Partition(callID) != p.n {
		refuse(schema.Invalid("call_id", "the subject names another call or partition"))
		return
	}
	if err := schema.ValidateCommand(c, p.s.env.Limits); err != nil {
		refuse(err)
		return
	}
	if !p.post(callID, job{from: from, command: c, respond: respond, at: p.s.now(), lend: lend}) {
		refuse(schema.Errorf(callv1.Code_CODE_RETRY, "too many commands wait for this call"))
	}
}

// post hands a job to its call; false if the call's queue is full. After the
// partition was closed or lost a job is dropped: its sender asks the next owner.
func (p *partition) post(callID string, j job) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lease == nil || p.closed {
		return true
	}
	a := p.calls[callID]
	if a == nil {
		a = newActor(p, callID)
		p.calls[callID] = a
	}
	return a.pushLocked(j)
}

// records gives the records in memory of live calls.
func (p *partition) records() []*callv1.CallRecord {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*callv1.CallRecord
	for _, a := range p.calls {
		if c := a.record.Load(); c != nil {
			out = append(out, c)
		}
	}
	return out
}
