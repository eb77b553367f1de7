package callstate

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// serveCalls takes a question for a subscriber's calls. It does not block.
func (s *Service) serveCalls(from *callv1.Identity, q *callv1.CallsRequest, respond func(*callv1.CallsReply)) {
	if s.asking.Add(1) > maxAsking {
		s.asking.Add(-1)
		respond(&callv1.CallsReply{Error: errTryAgain.Proto()})
		return
	}
	s.goRun(func() {
		defer s.asking.Add(-1)
		calls, err := s.calls(from, q.GetTerminalId())
		respond(&callv1.CallsReply{Calls: calls, Error: schema.ToProto(err)})
	})
}

// calls lists the answered calls that a terminal's subscriber is in and the
// terminal is not, whoever owns them: the journal's index knows those that the
// subscriber placed or was called with. Of those that were pushed to it, this node
// knows its own; their owner tells the terminal of the others as soon as it sees
// it (TerminalAttached).
func (s *Service) calls(from *callv1.Identity, terminalID string) ([]*callv1.Event, error) {
	ctx, cancel := context.WithTimeout(s.ctx, questionTimeout)
	defer cancel()
	t := s.terminals.get(terminalID)
	if t == nil {
		if err := s.env.Terminals.Sync(ctx); err != nil {
			return nil, errTryAgain
		}
		t = s.terminals.get(terminalID)
	}
	if t == nil || t.GetKind() != from.GetKind() || t.GetNode() != from.GetNode() {
		return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such terminal")
	}
	found := map[string]*callv1.CallRecord{}
	for _, filter := range schema.SubscriberFilters(t.GetSubscriber()) {
		err := s.env.Bus.Records().Scan(ctx, filter, func(r bus.Record) bool {
			c := &callv1.CallRecord{}
			if proto.Unmarshal(r.Data, c) == nil && step.StatusOf(c, t) == step.ShownInCall {
				found[c.GetId()] = c
			}
			return true
		})
		if err != nil {
			s.log.Warn("journal not read", "subscriber", t.GetSubscriber(), "error", err)
			return nil, errTryAgain
		}
	}
	for _, a := range s.subs.list(t.GetSubscriber()) {
		if c := a.record.Load(); found[c.GetId()] == nil && step.StatusOf(c, t) == step.ShownInCall {
			found[c.GetId()] = c
		}
	}
	events := make([]*callv1.Event, 0, len(found))
	for _, c := range found {
		events = append(events, step.InCallEvent(c, t))
	}
	slices.SortFunc(events, func(a, b *callv1.Event) int {
		return b.GetInCall().GetSince().AsTime().Compare(a.GetInCall().GetSince().AsTime())
	})
	return events[:min(len(events), maxCallsShown)], nil
}
