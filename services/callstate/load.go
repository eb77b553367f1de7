package callstate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// load reads the record unless it is in memory. Once all live calls are, an offer
// whose call is not is taken for a new call without asking: should the journal
// know it, the compare-and-set says so.
func (a *actor) load(ctx context.Context, j job) error {
	if a.loaded {
		return nil
	}
	if j.command.GetOffer() != nil && a.record.Load() == nil && a.seq == 0 && a.p.recovered.Load() {
		a.adopt(nil, 0)
		return nil
	}
	return a.reload(ctx)
}

// reload reads the record from the journal's leader.
func (a *actor) reload(ctx context.Context) error {
	r, err := a.p.s.env.Bus.Records().Load(ctx, schema.RecordOf(a.id))
	a.p.s.troubles.went(needRead, a.p.s.now(), err)
	if errors.Is(err, bus.ErrNotFound) {
		a.adopt(nil, 0)
		return nil
	}
	if err != nil {
		return err
	}
	return a.found(r)
}

// found adopts a record from the journal that this node has not written last:
// after a start, a takeover, or a lost compare-and-set.
func (a *actor) found(r bus.Record) error {
	c := &callv1.CallRecord{}
	if err := proto.Unmarshal(r.Data, c); err != nil {
		return fmt.Errorf("record %s: %w", r.Subject, err)
	}
	if c.GetEpoch() > a.p.epoch() {
		a.p.s.goRun(a.p.stepDown)
		return fmt.Errorf("record %s: written in epoch %d, later than ours", r.Subject, c.GetEpoch())
	}
	c = step.Recover(c, a.p.s.now())
	a.adopt(c, r.Seq)
	a.deliveries.set(c)
	a.p.s.timers.set(a.id, a.p.n, nextDeadline(c))
	a.settleMedia(c)
	a.restored = true
	if step.Live(c) {
		a.p.s.subs.add(a, c)
		a.countLive(c)
		a.p.s.goRun(func() { a.p.s.askMedia(a, c) })
		a.p.s.goRun(func() { a.p.s.reconcile(a) })
	} else {
		a.p.s.subs.remove(a)
		a.countOver()
		if a.p.s.now().Sub(c.GetEndedAt().AsTime()) < statusFor {
			a.showAll(c) // who it was shown to may not have heard of its end
		}
	}
	return nil
}

// settleFor is how long after a call's end its media is still settled: legs end
// by themselves long before.
const settleFor = time.Minute

// settleMedia says again what the commit of a record made of its legs, since
// whoever committed it may not have come to it.
func (a *actor) settleMedia(c *callv1.CallRecord) {
	ops := step.MediaOf(c)
	if len(ops) == 0 || !step.Live(c) && a.p.s.now().Sub(c.GetEndedAt().AsTime()) > settleFor {
		return
	}
	a.afterCommit(afterCommit{node: c.GetMediaNode(), id: schema.NewID(), epoch: a.p.epoch(), ops: ops})
}
