package callstate

import (
	"slices"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// count keeps the numbers that people watch.
func (a *actor) count(before, after *callv1.CallRecord) {
	m := a.p.s.env.Metrics
	if before == nil && step.Live(after) {
		m.CallPlaced()
	}
	a.countStages(before, after)
	if step.Live(after) {
		a.countLive(after)
		return
	}
	a.countOver()
	if after.GetState() == callv1.CallState_CALL_STATE_ENDED {
		a.reported.Do(func() { a.reportEnd(after) })
	}
}

// countLive counts a live call, also for its caller's limits.
func (a *actor) countLive(c *callv1.CallRecord) {
	s := a.p.s
	if a.counted.CompareAndSwap(false, true) {
		s.env.Metrics.Live(int(s.live.Add(1)))
		if caller := c.GetCaller().GetSubscriber(); a.slot.Load() == nil {
			_ = s.callers.begin(caller, s.now(), false) // what is there is not refused
			a.slot.Store(&caller)
		}
	}
}

func (a *actor) countOver() {
	if a.counted.CompareAndSwap(true, false) {
		a.p.s.env.Metrics.Live(int(a.p.s.live.Add(-1)))
	}
	a.freeSlot()
}

// freeSlot gives back what the call took of its caller's limits.
func (a *actor) freeSlot() {
	if caller := a.slot.Swap(nil); caller != nil {
		a.p.s.callers.end(*caller, a.p.s.now())
	}
}

// countStages counts how long a call took to where it has come now.
func (a *actor) countStages(before, after *callv1.CallRecord) {
	offered := after.GetCreatedAt().AsTime()
	tell := func(stage string, at time.Time) {
		caller, callee := kindsOf(after)
		a.p.s.env.Metrics.CallSetUp(caller, callee, stage, at.Sub(offered))
	}
	if !alerted(before) && alerted(after) {
		tell("alerting", a.p.s.now())
	}
	if before.GetAnsweredAt() == nil && after.GetAnsweredAt() != nil {
		tell("answered", after.GetAnsweredAt().AsTime())
	}
	if before.GetEstablishedAt() == nil && after.GetEstablishedAt() != nil {
		tell("established", after.GetEstablishedAt().AsTime())
	}
}

// alerted reports whether the caller has been told that it rings.
func alerted(c *callv1.CallRecord) bool {
	return slices.ContainsFunc(c.GetLegs(), func(l *callv1.Leg) bool {
		return l.GetSide() == callv1.Side_SIDE_CALLER && l.GetAlerted()
	})
}

// kindsOf gives the protocols of a call's sides: of several called terminals that
// of the one that matters, which answered, rang, or gave the call its reason.
func kindsOf(c *callv1.CallRecord) (caller, callee string) {
	for _, l := range c.GetLegs() {
		if l.GetSide() == callv1.Side_SIDE_CALLER {
			caller = l.GetTerminal().GetKind()
		} else if callee == "" || l.GetState() != callv1.LegState_LEG_STATE_ENDED || l.GetReason() == c.GetReason() {
			callee = l.GetTerminal().GetKind()
		}
	}
	return caller, callee
}

func (a *actor) reportEnd(c *callv1.CallRecord) {
	caller, callee := kindsOf(c)
	var duration time.Duration
	if c.GetAnsweredAt() != nil {
		duration = c.GetEndedAt().AsTime().Sub(c.GetAnsweredAt().AsTime())
	}
	a.p.s.env.Metrics.CallEnded(caller, callee, schema.ReasonName(c.GetReason()), duration)
	if a.p.s.env.Bus.Tracing() {
		a.p.s.env.Bus.Trace(spanOf(c, caller+" to "+callee))
	}
}

// spanOf is a call that is over, for traces.
func spanOf(c *callv1.CallRecord, kinds string) bus.Span {
	s := bus.Span{
		Part: bus.PartCall, Served: true, Final: true, Name: "call", Call: c.GetId(), Peer: kinds,
		Outcome: schema.ReasonName(c.GetReason()), Began: c.GetCreatedAt().AsTime(), Ended: c.GetEndedAt().AsTime(),
	}
	if t := c.GetAnsweredAt(); t != nil {
		s.Stages = append(s.Stages, bus.Stage{Name: "answered", At: t.AsTime()})
	}
	if t := c.GetEstablishedAt(); t != nil {
		s.Stages = append(s.Stages, bus.Stage{Name: "established", At: t.AsTime()})
	}
	return s
}
