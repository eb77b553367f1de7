package callstate

import (
	"slices"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// catchUp has a call meet what changed between the look at the tables and the
// commit, and what the commit makes possible: terminals that went are given up
// again, those that came ring, and those of a side whose terminal is lost are
// offered the call.
func (a *actor) catchUp(before *callv1.CallRecord, in step.Input, c *callv1.CallRecord) {
	s := a.p.s
	if len(before.GetLegs()) < len(c.GetLegs()) {
		a.giveUpGone(before, c)
	}
	if before == nil {
		for _, t := range s.reachable(c.GetCallee().GetSubscriber()) {
			if !slices.ContainsFunc(in.Targets, func(known *callv1.Terminal) bool { return known.GetId() == t.GetId() }) {
				a.own(attached(a.id, t))
			}
		}
		if in.Wakes {
			a.wake(in, c)
		}
	}
	if in.Wakes && in.Command.GetPush() != nil && c.GetPushLegId() != before.GetPushLegId() {
		a.wake(in, c)
	}
	for _, l := range step.Lost(before, c) {
		for _, t := range s.reachable(l.GetTerminal().GetSubscriber()) {
			a.own(attached(a.id, t))
		}
	}
}

// giveUpGone gives up legs that ring whose terminals have gone meanwhile.
func (a *actor) giveUpGone(before, c *callv1.CallRecord) {
	s := a.p.s
	for _, l := range c.GetLegs() {
		if l.GetState() != callv1.LegState_LEG_STATE_OFFERED || before != nil && legOf(before, l.GetId()) != nil ||
			before == nil && l.GetSide() == callv1.Side_SIDE_CALLER {
			continue
		}
		if t := l.GetTerminal(); s.dead(t) || !s.terminals.has(t) {
			a.legLost(l, "its terminal or node is gone")
		}
	}
}
