package callstate

import (
	"context"
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// takeUpFirst lets a terminal that is back speak for its leg at once: its
// command may be faster than the table of terminals, and by naming the leg it
// shows that it knows it.
func (s *Service) takeUpFirst(ctx context.Context, in *step.Input) {
	kind, node := in.From.GetKind(), in.From.GetNode()
	switch in.Command.GetBody().(type) {
	case *callv1.Command_HangUp, *callv1.Command_Answer, *callv1.Command_Ringing,
		*callv1.Command_Reoffer, *callv1.Command_Push, *callv1.Command_RefuseReoffer:
	default:
		return
	}
	l := legOf(in.Call, in.Command.GetLegId())
	t := l.GetTerminal()
	if l == nil || kind == "" || t.GetKind() != kind || t.GetSubscriber() != in.Command.GetPrincipal() ||
		!t.GetFeatures().GetResumes() || !l.GetLost() && s.terminals.has(t) && t.GetNode() == node {
		return
	}
	if err := s.env.Terminals.Sync(ctx); err != nil {
		return
	}
	for _, back := range s.reachable(t.GetSubscriber()) {
		if back.GetKind() != kind || back.GetNode() != node {
			continue
		}
		if on, ok := step.TakeUp(*in, back); ok {
			*in = on // committed with what the command does
			return
		}
	}
}

// introduce makes legs known to the hosts of the terminals that have just taken
// them up: there may be no event for a long time, and until there is one the host
// would neither pass the leg's signals on nor give it up with its terminal.
func (a *actor) introduce(before, after *callv1.CallRecord) {
	for _, l := range after.GetLegs() {
		old := legOf(before, l.GetId())
		if old == nil || old.GetTerminal().GetId() == l.GetTerminal().GetId() || l.GetState() == callv1.LegState_LEG_STATE_ENDED {
			continue
		}
		probe := &callv1.Event{
			CallId: after.GetId(), LegId: l.GetId(), Ref: l.GetRef(), TerminalId: l.GetTerminal().GetId(),
			MediaNode: after.GetMediaNode(), Subscriber: l.GetTerminal().GetSubscriber(),
			Body: &callv1.Event_Probe{Probe: &callv1.Probe{}},
		}
		a.p.s.goRun(func() { a.probe(probe, l) })
	}
}

// probe sends a probe until it is answered; a terminal that is gone again loses
// the leg again.
func (a *actor) probe(e *callv1.Event, l *callv1.Leg) {
	s, t := a.p.s, l.GetTerminal()
	backoff := eventBackoff
	begun := s.now()
	for end := begun.Add(s.cfg.Grace); s.ctx.Err() == nil && !a.gone.Load() && s.now().Before(end); {
		ctx, cancel := context.WithTimeout(s.ctx, eventTimeout)
		ack, err := s.env.Bus.Event(ctx, t.GetKind(), t.GetNode(), e)
		cancel()
		switch {
		case err == nil && ack.GetError() == nil:
			return
		case err == nil && ack.GetError().GetCode() == callv1.Code_CODE_GONE:
			a.legLost(l, "its node does not know the terminal")
			return
		case err != nil && s.neverCame(t, begun):
			a.legLost(l, "its node is not there")
			return
		}
		wait := time.NewTimer(backoff)
		select {
		case <-wait.C:
		case <-s.ctx.Done():
		}
		wait.Stop()
		backoff = min(2*backoff, eventBackoffMax)
	}
}
