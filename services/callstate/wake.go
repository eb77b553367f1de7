package callstate

import (
	"context"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// wake has the directory wake the devices of the subscriber that a committed
// transition rings. Nobody waits for it: a terminal that signs in rings.
func (a *actor) wake(in step.Input, c *callv1.CallRecord) {
	from := c.GetCaller()
	if in.Command.GetPush() != nil {
		if l := legOf(c, in.Command.GetLegId()); l.GetSide() == callv1.Side_SIDE_CALLER {
			from = c.GetCallee()
		}
	}
	s, w := a.p.s, &callv1.Wake{Subscriber: in.Callee.GetSubscriber(), What: "call", Id: c.GetId(), From: from}
	s.goRun(func() {
		ctx, cancel := bus.WithTimeout(s.ctx, questionTimeout)
		defer cancel()
		if _, err := s.env.Bus.Ask(ctx, &callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Wake{Wake: w}}); err != nil {
			s.log.Warn("directory did not wake", "call", a.id, "subscriber", w.GetSubscriber(), "error", err)
		}
	})
}

// gatherPush answers what a push depends on: which address is the phone, whom it
// names, and where that rings.
func (s *Service) gatherPush(ctx context.Context, in *step.Input) error {
	l := legOf(in.Call, in.Command.GetLegId())
	subscriber := l.GetTerminal().GetSubscriber()
	if l == nil || subscriber != in.Command.GetPrincipal() || in.Call.GetPushLegId() != "" {
		return nil // it is refused
	}
	r, err := s.env.Bus.Ask(ctx, &callv1.DirectoryRequest{
		Body: &callv1.DirectoryRequest_Phone{Phone: &callv1.Phone{Subscriber: subscriber}},
	})
	if schema.CodeOf(err) == callv1.Code_CODE_NOT_FOUND {
		return nil
	}
	if err != nil {
		s.log.Warn("directory did not name a phone", "call", in.Call.GetId(), "leg", l.GetId(), "error", err)
		return errTryAgain
	}
	in.Callee, in.Phone, in.Wakes = r.GetParty(), r.GetAddress(), r.GetWakes()
	in.Targets = s.reachableNow(ctx, r.GetParty().GetSubscriber())
	return nil
}

// reachableNow is reachable for one that must not miss a terminal that signed in
// a moment ago, should there be no other.
func (s *Service) reachableNow(ctx context.Context, subscriber string) []*callv1.Terminal {
	found := s.reachable(subscriber)
	if len(found) > 0 {
		return found
	}
	if err := s.env.Terminals.Sync(ctx); err != nil {
		s.log.Warn("table of terminals not current", "subscriber", subscriber, "error", err)
	}
	return s.reachable(subscriber)
}
