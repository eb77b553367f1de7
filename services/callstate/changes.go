package callstate

import (
	"time"

	"github.com/tandem-rtc/tandem/bus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// terminalChanged hears of every terminal that comes and goes. One that comes
// may ring with its subscriber's call, or take a lost leg up; of one that goes
// its node gives up the legs.
func (s *Service) terminalChanged(t *callv1.Terminal, up bool) {
	known := s.terminals.has(t)
	s.terminals.change(t, up)
	if !up || known && !t.GetRings() {
		return
	}
	for _, a := range s.subs.list(t.GetSubscriber()) {
		a.own(attached(a.id, t))
	}
}

func attached(callID string, t *callv1.Terminal) *callv1.Command {
	return &callv1.Command{CallId: callID, Body: &callv1.Command_TerminalAttached{
		TerminalAttached: &callv1.TerminalAttached{Terminal: t},
	}}
}

// nodeChanged hears of every node that comes and goes. A node that started
// again has lost its terminals or legs; one that is missing may be back in a
// moment (the bus itself may have restarted), so it gets a grace.
func (s *Service) nodeChanged(n bus.Node, up bool) {
	before, known := s.nodes.change(n, up)
	switch {
	case up && known && before.Instance != n.Instance:
		s.nodeLost(before)
	case !up && known:
		s.goRun(func() {
			t := time.NewTimer(s.cfg.NodeGrace)
			defer t.Stop()
			select {
			case <-t.C:
			case <-s.ctx.Done():
				return
			}
			if now, back := s.nodes.get(n.Kind, n.Node); !back || now.Instance != before.Instance {
				s.nodeLost(before)
			}
		})
	}
}

// nodeLost gives up what a node held.
func (s *Service) nodeLost(n bus.Node) {
	s.log.Warn("node lost", "kind", n.Kind, "node", n.Node, "instance", n.Instance)
	for _, a := range s.subs.all() {
		c := a.record.Load()
		if !step.Live(c) {
			continue
		}
		for _, l := range c.GetLegs() {
			t := l.GetTerminal()
			if t.GetKind() == n.Kind && t.GetNode() == n.Node && t.GetInstance() == n.Instance {
				a.legLost(l, "its node is gone")
			}
		}
		if n.Kind == step.KindMedia && c.GetMediaNode() == n.Node {
			a.mediaLost(c, "the media node is gone")
		}
	}
}

// reconcile compares a restored call with the nodes and terminals there are, and
// has it give up what is gone and ring what has come.
func (s *Service) reconcile(a *actor, c *callv1.CallRecord) {
	if !step.Live(c) {
		return
	}
	for _, l := range c.GetLegs() {
		t := l.GetTerminal()
		if l.GetState() == callv1.LegState_LEG_STATE_ENDED || l.GetLost() || s.nodes.serves(t) && s.terminals.has(t) {
			continue
		}
		a.legLost(l, "its node is gone")
	}
	if !s.nodes.alive(step.KindMedia, c.GetMediaNode()) {
		a.mediaLost(c, "the media node is gone")
	}
	for _, t := range s.terminals.of(c.GetCallee().GetSubscriber()) {
		a.own(attached(a.id, t))
	}
	if c.GetCaller().GetSubscriber() != c.GetCallee().GetSubscriber() {
		for _, t := range s.terminals.of(c.GetCaller().GetSubscriber()) {
			a.own(attached(a.id, t))
		}
	}
}

// mediaLost has the call give up media: its first live leg speaks for all.
func (a *actor) mediaLost(c *callv1.CallRecord, detail string) {
	for _, l := range c.GetLegs() {
		if l.GetState() != callv1.LegState_LEG_STATE_ENDED {
			a.own(&callv1.Command{CallId: a.id, LegId: l.GetId(), Body: &callv1.Command_MediaFailed{
				MediaFailed: &callv1.MediaFailed{Revision: l.GetMediaRevision(), Detail: detail},
			}})
			return
		}
	}
}
