package races_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// one requires that the journal has one call of this race, and how it ended.
func (w *world) one(ctx context.Context, answered bool, why callv1.Reason) (*callv1.CallRecord, error) {
	rs, err := w.records(ctx, 1)
	if err != nil {
		return nil, err
	}
	r := rs[0]
	if (r.GetAnsweredAt() != nil) != answered || r.GetReason() != why {
		return nil, fmt.Errorf("the journal says answered: %v, %s; want %v, %s", r.GetAnsweredAt() != nil, r.GetReason(), answered, why)
	}
	return r, nil
}

// live gives the id of this race's call, which goes on.
func (w *world) live() (id string, err error) {
	all := w.x.Live(w.ids()...)
	if len(all) != 1 {
		return "", fmt.Errorf("there are %d calls", len(all))
	}
	return all[0].GetId(), nil
}

// holder waits until one side of this race's call has one leg, and gives its
// terminal.
func (w *world) holder(ctx context.Context, side callv1.Side) (terminal string, err error) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		var holders []string
		for _, r := range w.x.Live(w.ids()...) {
			for _, l := range r.GetLegs() {
				if l.GetSide() == side && l.GetState() != callv1.LegState_LEG_STATE_ENDED {
					holders = append(holders, l.GetTerminal().GetId())
				}
			}
		}
		if len(holders) == 1 {
			return holders[0], nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", fmt.Errorf("the call is at %d terminals: %q", len(holders), holders)
		}
	}
}

// pull has a phone take a call over. The leg is not yet among the world's.
func (w *world) pull(ctx context.Context, name, call string) (*leg, error) {
	f := w.ph[name]
	v, err := w.voice(name)
	if err != nil {
		return nil, err
	}
	sdp, err := v.Offer("", false)
	if err != nil {
		return nil, err
	}
	k, err := f.c.(kittest.Puller).Pull(ctx, call, sdp)
	if err != nil {
		return nil, err
	}
	return f.follow(k, v), nil
}

// ringEnded requires that whatever rang besides has ended.
func (w *world) ringEnded(ctx context.Context) error {
	for name, f := range w.ph {
		for _, k := range f.taken() {
			v, err := w.voice(name)
			if err != nil {
				return err
			}
			l := w.follow(name, k, v)
			if err := l.until(ctx, "the end of what rang", func() bool { return l.ended > 0 }); err != nil {
				return err
			}
		}
	}
	return nil
}
