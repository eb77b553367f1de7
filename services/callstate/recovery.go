package callstate

import (
	"context"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// recoverAll recovers until it succeeds or the partition is another's again.
func (p *partition) recoverAll(epoch uint64) {
	for told := false; p.epoch() == epoch && p.s.ctx.Err() == nil; {
		err := p.recover(p.s.ctx)
		if err == nil {
			return
		}
		if !told {
			p.s.log.Warn("calls not loaded yet", "partition", p.n, "error", err)
			told = true
		}
		t := time.NewTimer(internalRetry)
		select {
		case <-t.C:
		case <-p.s.ctx.Done():
		}
		t.Stop()
	}
}

// recover loads the partition's calls from the journal: deadlines are armed,
// events that nobody acknowledged are sent again, and every live call is
// compared with what is there now. Commands are served meanwhile; a call that
// one of them loaded first is left alone.
func (p *partition) recover(ctx context.Context) error {
	var found []bus.Record
	err := p.s.env.Bus.Records().Scan(ctx, schema.RecordFilter(p.n), func(r bus.Record) bool {
		found = append(found, r)
		return true
	})
	p.s.troubles.went(needRead, p.s.now(), err)
	if err != nil {
		return err
	}
	for _, r := range found {
		p.restore(r)
	}
	p.recovered.Store(true)
	return nil
}

func (p *partition) restore(r bus.Record) {
	id := schema.CallOfRecord(r.Subject)
	p.mu.Lock()
	if p.lease == nil || p.closed || p.calls[id] != nil {
		p.mu.Unlock()
		return // or a command loads it first
	}
	// Held as running, so that no command's goroutine touches it meanwhile.
	a := newActor(p, id)
	a.running = true
	p.busy++
	p.calls[id] = a
	p.mu.Unlock()

	s := p.s
	if err := a.found(r); err != nil {
		s.log.Error("record not restored", "call", id, "error", err)
		a.loaded = false
	}
	c := a.call
	a.deliveries.wake()
	if step.Live(c) {
		s.log.Info("call restored", "call", id, "state", step.StateName(c), "pending", len(c.GetPendingEvents()))
	}
	a.run()
}

// askMedia has the media node say how the legs of a call stand whose facts this
// node may have missed.
func (s *Service) askMedia(a *actor, c *callv1.CallRecord) {
	ctx, cancel := context.WithTimeout(s.ctx, commandBudget)
	defer cancel()
	for _, l := range c.GetLegs() {
		if l.GetState() == callv1.LegState_LEG_STATE_ENDED {
			continue
		}
		op := &callv1.MediaOp{LegId: l.GetId(), Revision: l.GetMediaRevision(), Op: &callv1.MediaOp_Report{Report: &callv1.Report{}}}
		results, err := s.media(ctx, c.GetMediaNode(), c.GetId(), schema.NewID(), a.p.epoch(), []*callv1.MediaOp{op})
		switch {
		case err != nil:
			s.log.Warn("media node does not report", "call", c.GetId(), "leg", l.GetId(), "error", err)
		case results[0].GetError().GetCode() == callv1.Code_CODE_NOT_FOUND:
			a.legMediaLost(l, "the media node does not know the leg")
		case results[0].GetConnected() && !l.GetMediaConnected():
			a.own(&callv1.Command{CallId: c.GetId(), LegId: l.GetId(), Body: &callv1.Command_MediaConnected{
				MediaConnected: &callv1.MediaConnected{Revision: l.GetMediaRevision()},
			}})
		}
	}
}
