package callstate

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// commit writes the next record. again means that another writer was first:
// what is in the journal has been read and the command must be tried on that.
//
// The pair's record is written before a call's first record, so that it never
// misses an unanswered call; it may name one that is answered, over, or was never
// made, which its owner says to whoever asks. (One atomic batch would say it more
// exactly, and costs a hundred times as much: the server makes a store of its own
// on disk for each.)
func (a *actor) commit(ctx context.Context, in step.Input, out *step.Output) (again bool, err error) {
	s := a.p.s
	step.DropDelivered(out.Call, a.deliveries.acked)
	data, err := proto.Marshal(out.Call)
	if err != nil {
		return false, err
	}
	if in.Call == nil && step.Live(out.Call) {
		if claimed, err := a.claim(ctx, out.Call); err != nil || !claimed {
			if errors.Is(err, bus.ErrFull) {
				s.full.Store(true)
			}
			return !claimed && err == nil, err
		}
	}
	seqs, err := s.env.Bus.Records().Commit(ctx, bus.Write{
		Subject: recordSubject(out.Call), Data: data, Expect: a.seq, TTL: s.recordTTL(out.Call),
	})
	s.troubles.went(needWrite, s.now(), err)
	switch {
	case err == nil:
		a.adopt(out.Call, seqs[0])
		return false, nil
	case errors.Is(err, bus.ErrConflict):
		s.env.Metrics.Conflict()
		return true, a.reload(ctx)
	case errors.Is(err, bus.ErrFull) && in.Call == nil:
		s.full.Store(true)
	}
	// The outcome is unknown: only the journal knows whether it was written.
	return false, err
}

// tell does without the commit of a transition that decides nothing: its events
// are delivered first. Once they are acknowledged, nothing that anybody was told
// can be lost, and the transition is written with the next one. False: it must be
// committed like any other, and the events are sent until they are acknowledged.
func (a *actor) tell(ctx context.Context, in step.Input, out step.Output) bool {
	ctx, cancel := bus.WithTimeout(ctx, provisionalWait)
	defer cancel()
	a.deliveries.set(out.Call)
	if !a.deliveries.now(ctx) {
		return false
	}
	out.Call.Version = in.Call.GetVersion() // which counts commits
	a.adopt(out.Call, a.seq)
	a.committed(in.Call, in, out)
	return true
}

// claim lists a new call with its pair, provided that no other call of the pair
// came since the offer was checked for glare; false if one did.
func (a *actor) claim(ctx context.Context, c *callv1.CallRecord) (bool, error) {
	s := a.p.s
	for _, listed := range a.pair.record.GetCalls() {
		if listed.GetCallId() == c.GetId() {
			return true, nil // by an earlier attempt at this offer
		}
	}
	change, err := a.pair.with(c, s.claimTTL())
	if err != nil {
		return false, err
	}
	seqs, err := s.env.Bus.Records().Commit(ctx, change.write)
	s.troubles.went(needWrite, s.now(), err)
	switch {
	case err == nil:
		a.pair = s.pairs.store(change, seqs[0])
		return true, nil
	case errors.Is(err, bus.ErrConflict):
		s.env.Metrics.Conflict()
		return false, s.pairs.read(ctx, s.env.Bus.Records(), change.write.Subject)
	}
	s.pairs.forget(change.write.Subject)
	return false, err
}

func recordSubject(c *callv1.CallRecord) string {
	return schema.RecordSubject(c.GetId(), c.GetCaller().GetSubscriber(), c.GetCallee().GetSubscriber())
}

// claimTTL is how long a pair's record is kept after a call was placed: as long
// as it can ring, with time for another node to take its deadline over.
func (s *Service) claimTTL() time.Duration {
	return s.cfg.RingTimeout + s.cfg.LeaseTTL + commandBudget
}

// recordTTL is how long a record is kept: a call that is over is a CDR, one
// that was redirected serves as long as a call can last.
func (s *Service) recordTTL(c *callv1.CallRecord) time.Duration {
	switch c.GetState() {
	case callv1.CallState_CALL_STATE_ENDED:
		return s.cfg.RecordTTL
	case callv1.CallState_CALL_STATE_REDIRECTED:
		if s.cfg.MaxDuration == 0 {
			return 7 * 24 * time.Hour
		}
		return s.cfg.MaxDuration + s.cfg.RingTimeout + s.cfg.RecordTTL
	}
	return 0
}
