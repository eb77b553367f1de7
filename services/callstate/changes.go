package callstate

import (
	"slices"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// terminalChanged hears of every terminal that comes and goes. One that comes
// may ring with its subscriber's call, or take a lost leg up. Of one that goes
// its node gives up the legs before it leaves the table, as far as the node
// knows them: a leg that the terminal took up may be unknown there.
func (s *Service) terminalChanged(t *callv1.Terminal, up bool) {
	known := s.terminals.has(t)
	s.terminals.change(t, up)
	if up && known && !t.GetRings() {
		return
	}
	for _, a := range s.subs.list(t.GetSubscriber()) {
		if up {
			a.own(attached(a.id, t))
			continue
		}
		for _, l := range a.record.Load().GetLegs() {
			if l.GetTerminal().GetId() == t.GetId() {
				a.legLost(l, "its terminal is gone")
			}
		}
	}
}

// newcomer is how long after it attached a terminal counts as alive although its
// node has not been seen yet: the two tables are watched side by side.
const newcomer = 10 * time.Second

// dead reports whether a terminal's node is gone: its terminals stay in the table
// until it starts again.
func (s *Service) dead(t *callv1.Terminal) bool {
	return !s.nodes.serves(t) && s.now().Sub(t.GetAttachedAt().AsTime()) > newcomer
}

// neverCame reports whether the node of a terminal that has not answered since a
// time is not there, and nobody will notice that it went: it may have gone before
// this node of call state came.
func (s *Service) neverCame(t *callv1.Terminal, silent time.Time) bool {
	return !s.nodes.serves(t) && s.now().Sub(silent) > s.cfg.NodeGrace
}

// reachable lists a subscriber's terminals but those of dead nodes.
func (s *Service) reachable(subscriber string) []*callv1.Terminal {
	all := s.terminals.of(subscriber)
	if !slices.ContainsFunc(all, s.dead) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), s.dead)
}

func attached(callID string, t *callv1.Terminal) *callv1.Command {
	return &callv1.Command{CallId: callID, Body: &callv1.Command_TerminalAttached{
		TerminalAttached: &callv1.TerminalAttached{Terminal: t},
	}}
}

// nodeChanged hears of every node that comes and goes. One that started again
// has lost its terminals or legs, and says so before it gets new calls; one
// that is missing may be back in a moment (the bus itself may have restarted),
// so it gets a grace.
func (s *Service) nodeChanged(n bus.Node, up bool) {
	if !up {
		if s.nodes.leave(n) {
			s.goRun(func() { s.missed(n) })
		}
		return
	}
	if before, known := s.nodes.before(n); known && before.Instance != n.Instance {
		if s.twins.replaced(before, n, s.now()) {
			s.log.Error("two processes have one node name, and take each other's place", "kind", n.Kind, "node", n.Node)
		}
		s.nodeLost(before, func(t *callv1.Terminal) bool { return t.GetInstance() == before.Instance })
	}
	before, known := s.nodes.get(n.Kind, n.Node)
	if hasTerminals := n.Kind != step.KindMedia && n.Kind != step.KindCallState; hasTerminals && (!known || before.Instance != n.Instance) {
		s.goRun(func() { s.purge(n) })
	}
	s.nodes.join(n)
}

// purge removes the terminals that an earlier start of a node left in the table.
// Its adapter cannot: it may write its own keys there, and read nothing.
func (s *Service) purge(n bus.Node) {
	retry := time.NewTicker(purgeRetry)
	defer retry.Stop()
	for {
		err := s.env.Terminals.Purge(s.ctx, n.Kind, n.Node, n.Instance, n.Since)
		if err == nil || s.ctx.Err() != nil {
			return
		}
		s.log.Warn("terminals of an earlier start are not removed yet", "kind", n.Kind, "node", n.Node, "error", err)
		select {
		case <-retry.C:
		case <-s.ctx.Done():
			return
		}
		if now, ok := s.nodes.get(n.Kind, n.Node); ok && now.Instance != n.Instance {
			return // its successor's turn
		}
	}
}

// missed gives a missing node's grace, and then gives up what it held.
func (s *Service) missed(n bus.Node) {
	t := time.NewTimer(s.cfg.NodeGrace)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.ctx.Done():
		return
	}
	if gone, ok := s.nodes.forget(n); ok {
		// Whichever start of it: one that ended soon may not have been seen.
		s.nodeLost(gone, func(*callv1.Terminal) bool { return true })
	}
}

// nodeLost gives up what a node held, of its terminals those that are gone with it.
func (s *Service) nodeLost(n bus.Node, gone func(*callv1.Terminal) bool) {
	s.log.Warn("node lost", "kind", n.Kind, "node", n.Node, "instance", n.Instance)
	for _, a := range s.subs.all() {
		c := a.record.Load()
		if !step.Live(c) {
			continue
		}
		for _, l := range c.GetLegs() {
			t := l.GetTerminal()
			if t.GetKind() == n.Kind && t.GetNode() == n.Node && gone(t) {
				a.legLost(l, "its node is gone")
			}
		}
		if n.Kind == step.KindMedia && c.GetMediaNode() == n.Node {
			a.mediaLost(c, "the media node is gone")
		}
	}
}

// reconcile compares a call that was found in the journal with the nodes and terminals there are, and
// has it give up what is gone and ring what has come. A node that is missing
// gets its grace: call state may be the first to be back.
func (s *Service) reconcile(a *actor) {
	c := a.record.Load()
	if !step.Live(c) {
		return
	}
	if s.compare(a, c, false) {
		s.goRun(func() {
			t := time.NewTimer(s.cfg.NodeGrace)
			defer t.Stop()
			select {
			case <-t.C:
				s.compare(a, a.record.Load(), true)
			case <-s.ctx.Done():
			}
		})
	}
	for _, subscriber := range step.Audience(c) {
		for _, t := range s.reachable(subscriber) {
			a.own(attached(a.id, t))
		}
	}
}

// compare gives up the legs and media of a call that are gone for certain, or,
// with final, that are missing; it reports whether any node is missing.
func (s *Service) compare(a *actor, c *callv1.CallRecord, final bool) (missing bool) {
	if !step.Live(c) {
		return false
	}
	for _, l := range c.GetLegs() {
		t := l.GetTerminal()
		switch {
		case l.GetState() == callv1.LegState_LEG_STATE_ENDED || l.GetLost():
		case !s.nodes.alive(t.GetKind(), t.GetNode()) && !final:
			missing = true
		case !s.nodes.serves(t) || !s.terminals.has(t):
			a.legLost(l, "its terminal or node is gone")
		}
	}
	if !s.nodes.alive(step.KindMedia, c.GetMediaNode()) {
		if !final {
			return true
		}
		a.mediaLost(c, "the media node is gone")
	}
	return missing
}

// mediaLost has the call give up media: one leg speaks for all, one in the call
// whose terminal is not lost if there is one.
func (a *actor) mediaLost(c *callv1.CallRecord, detail string) {
	if l := step.Spokesman(c); l != nil {
		a.legMediaLost(l, detail)
	}
}

func (a *actor) legMediaLost(l *callv1.Leg, detail string) {
	a.own(&callv1.Command{CallId: a.id, LegId: l.GetId(), Body: &callv1.Command_MediaFailed{
		MediaFailed: &callv1.MediaFailed{Revision: l.GetMediaRevision(), Detail: detail},
	}})
}
