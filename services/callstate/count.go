package callstate

import (
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// count keeps the numbers that people watch.
func (a *actor) count(in step.Input, out step.Output) {
	m := a.p.s.env.Metrics
	if in.Call == nil && step.Live(out.Call) {
		m.CallPlaced()
	}
	if step.Live(out.Call) {
		a.countLive()
		return
	}
	a.countOver()
	if out.Call.GetState() == callv1.CallState_CALL_STATE_ENDED {
		a.reported.Do(func() { a.reportEnd(out.Call) })
	}
}

func (a *actor) countLive() {
	if a.counted.CompareAndSwap(false, true) {
		a.p.s.env.Metrics.Live(int(a.p.s.live.Add(1)))
	}
}

func (a *actor) countOver() {
	if a.counted.CompareAndSwap(true, false) {
		a.p.s.env.Metrics.Live(int(a.p.s.live.Add(-1)))
	}
}

func (a *actor) reportEnd(c *callv1.CallRecord) {
	caller, callee := "", ""
	for _, l := range c.GetLegs() {
		if l.GetSide() == callv1.Side_SIDE_CALLER {
			caller = l.GetTerminal().GetKind()
		} else if callee == "" || l.GetState() != callv1.LegState_LEG_STATE_ENDED || l.GetReason() == c.GetReason() {
			callee = l.GetTerminal().GetKind()
		}
	}
	var setup, duration time.Duration
	if c.GetAnsweredAt() != nil {
		setup = c.GetAnsweredAt().AsTime().Sub(c.GetCreatedAt().AsTime())
		duration = c.GetEndedAt().AsTime().Sub(c.GetAnsweredAt().AsTime())
	}
	a.p.s.env.Metrics.CallEnded(caller, callee, step.ReasonName(c.GetReason()), setup, duration)
}
