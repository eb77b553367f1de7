package kit

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// terminal is one that this host attached.
type terminal struct {
	table    sync.Mutex       // held while the bus's table is written for it
	info     *callv1.Terminal // guarded by host.mu; never changed, only replaced
	detached bool             // guarded by host.mu
	why      DetachReason
	marks    marks // guarded by host.mu
}

// Attach implements Host.
func (h *host) Attach(ctx context.Context, t *callv1.Terminal) (*callv1.Terminal, func(DetachReason), error) {
	if t.GetSubscriber() == "" {
		return nil, nil, schema.Invalid("subscriber", "missing")
	}
	t = proto.CloneOf(t)
	t.Kind, t.Node, t.Instance = h.spec.Kind, h.env.Bus.Node(), h.instance
	if t.Id == "" {
		t.Id = schema.NewID()
	}
	t.AttachedAt = timestamppb.Now()
	if err := schema.ValidateTerminal(t, h.limits.Sizes); err != nil {
		return nil, nil, err
	}
	if t.Features == nil {
		t.Features = proto.CloneOf(h.spec.Features)
	}
	a, before, err := h.register(t)
	if err != nil {
		return nil, nil, err
	}
	if err := h.put(ctx, a); err != nil {
		h.unregister(a, before)
		return nil, nil, err
	}
	if before == nil {
		h.log.Info("terminal attached", "terminal", t.GetId(), "subscriber", t.GetSubscriber(), "rings", t.GetRings())
	}
	return proto.CloneOf(t), func(why DetachReason) { h.detach(a, why) }, nil
}

// register makes a terminal known here, before the table is written: what rings
// because of the table must find it.
func (h *host) register(t *callv1.Terminal) (a *terminal, before *callv1.Terminal, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a := h.terminals[t.GetId()]; a != nil {
		if a.detached || a.info.GetSubscriber() != t.GetSubscriber() {
			return nil, nil, errNotAttached
		}
		before, a.info = a.info, t
		return a, before, nil
	}
	switch {
	case h.closed || h.draining:
		return nil, nil, schema.Errorf(callv1.Code_CODE_RETRY, "this node is about to end")
	case len(h.terminals) >= h.limits.MaxTerminals:
		return nil, nil, schema.Errorf(callv1.Code_CODE_OVERLOAD, "too many terminals on this node")
	}
	a = &terminal{info: t}
	h.terminals[t.GetId()] = a
	h.rec.Terminals(len(h.terminals))
	return a, nil, nil
}

// unregister undoes register after the table could not be written.
func (h *host) unregister(a *terminal, before *callv1.Terminal) {
	if before == nil { // the entry may be there all the same: take it out
		h.detach(a, Lost)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	a.info = before
}

// put writes a terminal into the table, as it is then, unless it has gone.
func (h *host) put(ctx context.Context, a *terminal) error {
	a.table.Lock()
	defer a.table.Unlock()
	h.mu.Lock()
	t, gone := a.info, a.detached
	h.mu.Unlock()
	if gone {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.limits.AcceptRetryFor)
	defer cancel()
	return h.persist(ctx, func(ctx context.Context) error { return h.env.Terminals.Put(ctx, t) })
}

// persist tries f again until it succeeds or ctx ends.
func (h *host) persist(ctx context.Context, f func(context.Context) error) error {
	for try := 0; ; try++ {
		one, cancel := context.WithTimeout(ctx, h.limits.TryTimeout)
		err := f(one)
		cancel()
		if err == nil {
			return nil
		}
		if err = retryable(err); schema.CodeOf(err) == callv1.Code_CODE_INVALID || !pause(ctx, backoff(try)) {
			return err
		}
	}
}

// detach makes a terminal unreachable at once, and has its legs given up and its
// entry taken out of the table behind.
func (h *host) detach(a *terminal, why DetachReason) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.detached {
		return
	}
	a.detached, a.why = true, why
	h.log.Info("terminal detached", "terminal", a.info.GetId(), "subscriber", a.info.GetSubscriber(),
		"signed_out", why == SignedOut)
	h.flushStatuses(a)
	var going []<-chan struct{}
	for l := range h.legs.byTerminal[a.info.GetId()] {
		h.flush(l, notHere)
		if l.offers > 0 && !l.committed { // its Accept sees to it
			continue
		}
		if !l.over {
			h.giveUpDetached(l, a)
		}
		if l.givingUp != nil {
			going = append(going, l.givingUp)
		}
	}
	if !h.goLocked(func() { h.remove(a, going) }) {
		h.forget(a)
	}
}

// remove takes a detached terminal out of the table. Its legs' owners are told
// first, as long as that does not take too long: what they are told says more
// than a terminal that is gone.
func (h *host) remove(a *terminal, going []<-chan struct{}) {
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.forget(a)
	}()
	told := time.NewTimer(h.limits.TryTimeout)
	defer told.Stop()
	for _, done := range going {
		select {
		case <-done:
		case <-told.C:
		case <-h.work.Done():
		}
	}
	select {
	case h.cleanup <- struct{}{}:
		defer func() { <-h.cleanup }()
	case <-h.work.Done():
	}
	a.table.Lock()
	defer a.table.Unlock()
	ctx, cancel := context.WithTimeout(h.work, h.limits.GiveUpFor)
	defer cancel()
	err := h.persist(ctx, func(ctx context.Context) error { return h.env.Terminals.Delete(ctx, a.info) })
	if err != nil { // the next start of this node, or its absence, clears it
		h.log.Warn("terminal not taken out of the table", "terminal", a.info.GetId(), "error", err)
	}
}

// forget drops a terminal. h.mu is held.
func (h *host) forget(a *terminal) {
	delete(h.terminals, a.info.GetId())
	h.rec.Terminals(len(h.terminals))
}

// putAgain writes all terminals into the table whenever the bus was away: the
// table is in memory.
func (h *host) putAgain(back <-chan struct{}) {
	for {
		select {
		case <-back:
		case <-h.work.Done():
			return
		}
		h.mu.Lock()
		all := make([]*terminal, 0, len(h.terminals))
		for _, a := range h.terminals {
			all = append(all, a)
		}
		h.mu.Unlock()
		failed := 0
		for _, a := range all {
			if err := h.put(h.work, a); err != nil {
				failed++
			}
		}
		if len(all) > 0 {
			h.log.Info("terminals attached again after the bus was away", "terminals", len(all), "failed", failed)
		}
	}
}

// detachAll detaches what the adapter left behind.
func (h *host) detachAll() {
	h.mu.Lock()
	all := make([]*terminal, 0, len(h.terminals))
	for _, a := range h.terminals {
		all = append(all, a)
	}
	h.mu.Unlock()
	for _, a := range all {
		h.detach(a, Lost)
	}
}
