package kit

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

// Run runs one adapter over the bus until ctx ends and the adapter has drained,
// or until it fails. ready is called once, when peers can connect. When Run
// returns, the terminals are detached and no goroutine is left; what is not
// done in the time that Limits allow is an error.
func Run(ctx context.Context, spec Spec, cfg Config, env Env, ready func()) error {
	if err := check(spec, env); err != nil {
		return err
	}
	h := newHost(spec, env)
	defer h.workers.Close()
	defer h.cancel()
	a, err := spec.New(cfg, h)
	if err != nil {
		return fmt.Errorf("kit: %s: %w", spec.Kind, err)
	}
	h.adapter = a
	stop, err := h.start(ctx)
	if err != nil {
		return fmt.Errorf("kit: %s: %w", spec.Kind, err)
	}
	defer stop()
	err = h.runAdapter(ctx, ready)
	if err = errors.Join(err, h.drain()); err != nil {
		return fmt.Errorf("kit: %s: %w", spec.Kind, err)
	}
	return nil
}

// start makes the node known to the rest. What an earlier instance of it left,
// call state clears when it sees this one.
func (h *host) start(ctx context.Context) (stop func(), err error) {
	starting, cancel := context.WithTimeout(ctx, h.limits.StartTimeout)
	defer cancel()
	var events bus.Subscription
	if err := h.persist(starting, func(context.Context) (err error) {
		events, err = h.env.Bus.ServeEventsLending(h.onEvent)
		return err
	}); err != nil {
		return nil, fmt.Errorf("serve events: %w", err)
	}
	announcing, leave := context.WithCancel(context.Background())
	tooLate := context.AfterFunc(starting, leave)
	defer tooLate()
	var left <-chan struct{}
	if err := h.persist(starting, func(context.Context) (err error) {
		left, err = h.env.Nodes.Announce(announcing, h.state)
		return err
	}); err != nil {
		leave()
		events.Stop()
		return nil, fmt.Errorf("announce the node: %w", err)
	}
	back := make(chan struct{}, 1)
	unhook := h.env.Bus.Driver().OnReconnect(func() {
		select {
		case back <- struct{}{}:
		default:
		}
	})
	h.mu.Lock()
	h.goLocked(func() { h.putAgain(back) })
	h.mu.Unlock()
	return func() {
		unhook()
		events.Stop()
		leave()
		<-left
	}, nil
}

// state is what the liveness table says of this node.
func (h *host) state() bus.Node {
	h.mu.Lock()
	defer h.mu.Unlock()
	return bus.Node{
		Kind: h.spec.Kind, Node: h.env.Bus.Node(), Instance: h.instance, Since: h.since,
		Load: len(h.legs.live), Draining: h.draining,
	}
}

// runAdapter runs the adapter, and waits no longer for it to drain than it may
// take.
func (h *host) runAdapter(ctx context.Context, ready func()) error {
	ended := make(chan error, 1)
	go func() { ended <- h.callRun(ctx, ready) }()
	select {
	case err := <-ended:
		if err == nil && ctx.Err() == nil {
			return errors.New("the adapter ended by itself")
		}
		return err
	case <-ctx.Done():
	}
	h.mu.Lock()
	h.draining = true
	h.mu.Unlock()
	// A little more than the adapter may take: it is the one that keeps time.
	late := time.NewTimer(h.limits.DrainTimeout + h.limits.DrainTimeout/4)
	defer late.Stop()
	select {
	case err := <-ended:
		return err
	case <-late.C:
		return fmt.Errorf("the adapter did not drain in %v", h.limits.DrainTimeout)
	}
}

func (h *host) callRun(ctx context.Context, ready func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("adapter panicked in Run", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("the adapter panicked: %v", p)
		}
	}()
	return h.adapter.Run(ctx, ready)
}

// drain gives up what the adapter left and waits for it to be confirmed, then
// for every goroutine of the host.
func (h *host) drain() error {
	h.mu.Lock()
	h.closed, h.draining = true, true
	h.mu.Unlock()
	h.detachAll()
	gone := h.waitDetached(h.limits.DrainTimeout)
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	h.cancel()
	if !h.waitIdle(h.limits.DrainTimeout) {
		return errors.New("a Deliver did not end with its context")
	}
	if !gone {
		h.log.Warn("ended with legs or terminals not given up")
	}
	return nil
}

// waitDetached waits until every leg is given up and every terminal is out of
// the table.
func (h *host) waitDetached(timeout time.Duration) bool {
	deadline := time.Now().Add(timeout)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		h.mu.Lock()
		left := len(h.terminals) + h.giveUps
		h.mu.Unlock()
		if left == 0 {
			return true
		}
		if now := <-tick.C; now.After(deadline) {
			return false
		}
	}
}
