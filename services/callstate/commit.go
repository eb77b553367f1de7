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

// commit writes the next record, and with a call's first and last one the
// record of its pair, atomically. again means that another writer was first:
// what is in the journal has been read and the command must be tried on that.
func (a *actor) commit(ctx context.Context, in step.Input, out *step.Output) (again bool, err error) {
	s := a.p.s
	out.Call = step.WithoutDelivered(out.Call, a.deliveries.acked())
	data, err := proto.Marshal(out.Call)
	if err != nil {
		return false, err
	}
	record := bus.Write{Subject: schema.RecordSubject(a.id), Data: data, Expect: a.seq, TTL: s.recordTTL(out.Call)}
	pair, err := s.pairs.change(ctx, s.env.Bus.Records(), in.Call, out.Call, a.pair)
	if err != nil {
		return false, err
	}
	var seqs []uint64
	if pair == nil {
		seqs, err = s.env.Bus.Records().Commit(ctx, record)
	} else {
		seqs, err = s.env.Bus.Records().Commit(ctx, record, pair.write)
	}
	switch {
	case err == nil:
		a.adopt(out.Call, seqs[0])
		if pair != nil {
			s.pairs.store(pair, seqs[1])
		}
		return false, nil
	case errors.Is(err, bus.ErrConflict):
		s.env.Metrics.Conflict()
		if pair != nil {
			s.pairs.forget(pair.write.Subject)
			if err := s.pairs.read(ctx, s.env.Bus.Records(), pair.write.Subject); err != nil {
				return false, err
			}
		}
		return true, a.reload(ctx)
	case errors.Is(err, bus.ErrFull) && in.Call == nil:
		s.full.Store(true)
		return false, err
	}
	// The outcome is unknown: only the journal knows whether it was written.
	if pair != nil {
		s.pairs.forget(pair.write.Subject)
	}
	return false, err
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
