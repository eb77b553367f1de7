package play

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/tests/pairs/scenario"
)

// quiet is how long it is watched that nothing more is heard.
const quiet = 25 * time.Millisecond

// after looks at what is left when all lines were played: nothing.
func (st *stage) after() error {
	ctx, cancel := context.WithTimeout(st.ctx, st.patience)
	defer cancel()
	records, err := st.settled(ctx)
	if err != nil {
		return err
	}
	// First what is known to be told, then silence.
	var errs []error
	errs = append(errs, st.checkRecords(records)...)
	var mu sync.Mutex
	var watching sync.WaitGroup
	for _, t := range st.cast {
		watching.Go(func() {
			err := t.silent(ctx)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	watching.Wait()
	for _, t := range st.cast {
		if c, ok := t.client.(interface{ Complaints() error }); ok {
			errs = append(errs, c.Complaints())
		}
		for name, k := range t.calls {
			errs = append(errs, st.agrees(t, name, k, records))
		}
	}
	return errors.Join(errs...)
}

// tail gives the optional lines of a terminal after the last other one, about one
// of its calls, or about none.
func (t *terminal) tail(call string) []scenario.Step {
	return optionals(t.st.played, scenario.Step{Who: t.name, Call: call})
}

// silent requires that a terminal hears nothing more, but for what may come.
func (t *terminal) silent(ctx context.Context) error {
	if t.client == nil {
		return nil
	}
	var errs []error
	errs = append(errs, t.noMoreCalls(ctx))
	for name, k := range t.calls {
		errs = append(errs, t.callSilent(ctx, name, k))
	}
	errs = append(errs, t.noMoreStatus(ctx))
	return errors.Join(errs...)
}

// noMoreCalls lets those calls come that may, each of which must have ended.
func (t *terminal) noMoreCalls(ctx context.Context) error {
	for {
		short, cancel := context.WithTimeout(ctx, quiet)
		c, err := t.client.Incoming(short)
		cancel()
		if err != nil {
			return nil //nolint:nilerr // nothing came
		}
		i := slices.IndexFunc(t.st.played, t.mayHaveCome)
		if i < 0 {
			return fmt.Errorf("%s: one more call came", t.name)
		}
		s := t.st.played[i]
		if err := t.rung(c, s); err != nil {
			return err
		}
		k := t.calls[s.Call]
		h, err := t.next(ctx, k)
		if err != nil {
			return fmt.Errorf("%s/%s: the call that came did not end: %w", t.name, s.Call, err)
		}
		if err := t.endsAs(k, h, s); err != nil {
			return err
		}
	}
}

func (t *terminal) callSilent(ctx context.Context, name string, k *call) error {
	may := t.tail(name)
	ends := func(s scenario.Step) bool { return s.What == "ended" }
	for {
		wait := quiet
		if !k.over && slices.ContainsFunc(may, ends) {
			wait = t.st.patience // an end that may come, and must, since the call is over
		}
		within, cancel := context.WithTimeout(ctx, wait)
		h, err := t.next(within, k)
		cancel()
		if err != nil {
			break // nothing came
		}
		i := slices.IndexFunc(may, func(b scenario.Step) bool { return t.fits(k, h, b) == nil })
		switch {
		case i >= 0:
			if err := t.take(k, h, may[i]); err != nil {
				return err
			}
			may = may[i+1:]
		case h.What == kittest.Ended && k.over && k.reason == "":
			k.reason = itsOwn // an end that the terminal brought about
		default:
			return fmt.Errorf("%s/%s: heard also %q (reason %v, code %v)", t.name, name, h.What, h.Reason, h.Code)
		}
	}
	if !k.over {
		return fmt.Errorf("%s/%s: its call is not over", t.name, name)
	}
	return nil
}

func (t *terminal) noMoreStatus(ctx context.Context) error {
	c, ok := t.client.(kittest.StatusHearer)
	if !ok {
		return nil
	}
	may := t.tail("")
	for {
		short, cancel := context.WithTimeout(ctx, quiet)
		h, err := c.NextStatus(short)
		cancel()
		if err != nil {
			return nil //nolint:nilerr // nothing came
		}
		i := slices.IndexFunc(may, func(b scenario.Step) bool { return t.fitsStatus(h, b) == nil })
		if i < 0 {
			return fmt.Errorf("%s: heard also %+v", t.name, h)
		}
		may = may[i+1:]
	}
}

// records gives the calls of the cast.
func (st *stage) records(ctx context.Context) ([]*callv1.CallRecord, error) {
	return st.x.Records(ctx, st.ids()...)
}

// ids are the cast's subscribers.
func (st *stage) ids() []string {
	var out []string
	for _, a := range st.who {
		out = append(out, a.Subscriber)
	}
	return out
}

// settled waits until all calls are over, and gives them.
func (st *stage) settled(ctx context.Context) ([]*callv1.CallRecord, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		live := st.x.Live(st.ids()...)
		if len(live) == 0 {
			// The journal is asked only now: that is more work.
			records, err := st.records(ctx)
			if err != nil || len(records) >= st.s.Calls() || ctx.Err() != nil {
				return records, err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if len(live) > 0 {
				return nil, fmt.Errorf("call %s is not over: %s", live[0].GetId(), live[0].GetState())
			}
		}
	}
}

// checkRecords requires that the journal holds the calls that the scenario says,
// and no other.
func (st *stage) checkRecords(records []*callv1.CallRecord) (errs []error) {
	left := slices.Clone(st.s.Records)
	for _, r := range records {
		i := slices.IndexFunc(left, func(want scenario.Record) bool { return st.is(r, want) })
		if i < 0 {
			errs = append(errs, fmt.Errorf("the journal has a call from %s to %s: %s, %s, answered: %v",
				r.GetCaller().GetSubscriber(), r.GetCallee().GetSubscriber(), r.GetState(), schema.ReasonName(r.GetReason()),
				r.GetAnsweredAt() != nil))
			continue
		}
		left = slices.Delete(left, i, i+1)
		if r.GetEndedAt() == nil && r.GetState() != callv1.CallState_CALL_STATE_REDIRECTED {
			errs = append(errs, fmt.Errorf("call %s has no end", r.GetId()))
		}
		for _, l := range r.GetLegs() {
			if l.GetState() != callv1.LegState_LEG_STATE_ENDED && r.GetState() != callv1.CallState_CALL_STATE_REDIRECTED {
				errs = append(errs, fmt.Errorf("leg %s of a call that is over is %s", l.GetId(), l.GetState()))
			}
		}
		if d := r.GetDeadlines(); len(d) > 0 {
			errs = append(errs, fmt.Errorf("call %s is over and has deadlines: %v", r.GetId(), d))
		}
	}
	for _, want := range left {
		if want.Maybe {
			continue
		}
		errs = append(errs, fmt.Errorf("the journal has no call as line %d says", want.Line))
	}
	return errs
}

// is reports whether a record is the one that a line means.
func (st *stage) is(r *callv1.CallRecord, want scenario.Record) bool {
	caller, callee := st.who[want.Caller].Subscriber, st.who[want.Callee].Subscriber
	if want.Callee == scenario.Nobody {
		callee = ""
	}
	from, to := r.GetCaller().GetSubscriber(), r.GetCallee().GetSubscriber()
	if (from != caller || to != callee) && (!want.Either || from != callee || to != caller) {
		return false
	}
	why := schema.ReasonName(r.GetReason())
	if r.GetState() == callv1.CallState_CALL_STATE_REDIRECTED {
		why = "redirected"
	}
	return (r.GetAnsweredAt() != nil) == want.Answered && slices.Contains(want.Reasons, why)
}

// agrees requires that the journal has a leg of the terminal's person that ended as
// the terminal was told.
func (st *stage) agrees(t *terminal, name string, k *call, records []*callv1.CallRecord) error {
	if k.reason == "" || k.reason == itsOwn {
		return nil
	}
	if reasonOf(k.reason) == callv1.Reason_REASON_ANSWERED_ELSEWHERE && st.sharesWith(t) {
		return nil // elsewhere is another of those that are one terminal: its leg goes on
	}
	who := st.who[t.person].Subscriber
	var had []string
	for _, r := range records {
		for _, l := range r.GetLegs() {
			if l.GetTerminal().GetSubscriber() != who {
				continue
			}
			if l.GetReason() == reasonOf(k.reason) {
				return nil
			}
			had = append(had, schema.ReasonName(l.GetReason()))
		}
	}
	return fmt.Errorf("%s/%s heard %s, and the journal has legs that ended as %q", t.name, name, k.reason, had)
}

// sharesWith reports whether another of the cast is one terminal with this one.
func (st *stage) sharesWith(t *terminal) bool {
	for _, other := range st.cast {
		if other != t && other.person == t.person && t.p.Shares != "" && other.p.Shares == t.p.Shares {
			return true
		}
	}
	return false
}
