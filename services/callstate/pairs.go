package callstate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// emptyPairTTL removes the record of a pair without live calls.
const emptyPairTTL = 2 * time.Second

// maxCachedPairs bounds the cache; beyond it, it starts afresh.
const maxCachedPairs = 20_000

// pairCache remembers the last known records of pairs, so that a call needs no
// read before its first commit: a stale one loses the compare-and-set.
type pairCache struct {
	mu    sync.Mutex
	known map[string]pairEntry
}

type pairEntry struct {
	record *callv1.PairRecord
	seq    uint64
	// expires is when an empty record disappears from the journal by itself.
	expires time.Time
}

// pairChange is a pair's next record, to be written with a call's.
type pairChange struct {
	write bus.Write
	next  *callv1.PairRecord
}

func newPairCache() *pairCache { return &pairCache{known: map[string]pairEntry{}} }

// change gives the pair's next record if the transition is the call's first or
// last, else nil. It does not read the journal if it can help it.
// seen is the pair as it was when the offer was checked for glare: a call that
// came in between must lose the compare-and-set.
func (p *pairCache) change(ctx context.Context, records bus.Records, before, after *callv1.CallRecord, seen pairEntry) (*pairChange, error) {
	first, last := before == nil && step.Live(after), step.Live(before) && !step.Live(after)
	if !first && !last {
		return nil, nil //nolint:nilnil // no change is not an error
	}
	caller, callee := after.GetCaller().GetSubscriber(), after.GetCallee().GetSubscriber()
	subject := schema.PairSubject(caller, callee)
	e := seen
	if last {
		var ok bool
		if e, ok = p.get(subject); !ok {
			if err := p.read(ctx, records, subject); err != nil {
				return nil, err
			}
			e, _ = p.get(subject)
		}
	}
	next := &callv1.PairRecord{Subscribers: sorted(caller, callee)}
	for _, c := range e.record.GetCalls() {
		if c.GetCallId() != after.GetId() {
			next.Calls = append(next.Calls, c)
		}
	}
	if first {
		next.Calls = append(next.Calls, &callv1.PairCall{CallId: after.GetId(), Caller: caller})
	}
	w := bus.Write{Subject: subject, Expect: e.seq}
	var err error
	if w.Data, err = proto.Marshal(next); err != nil {
		return nil, err
	}
	if len(next.GetCalls()) == 0 {
		w.TTL = emptyPairTTL
	}
	return &pairChange{write: w, next: next}, nil
}

func sorted(a, b string) []string {
	if a > b {
		a, b = b, a
	}
	return []string{a, b}
}

func (p *pairCache) get(subject string) (pairEntry, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.known[subject]
	if ok && !e.expires.IsZero() && time.Now().After(e.expires) {
		delete(p.known, subject)
		return pairEntry{}, false
	}
	return e, ok
}

// read asks the journal's leader.
func (p *pairCache) read(ctx context.Context, records bus.Records, subject string) error {
	r, err := records.Load(ctx, subject)
	if errors.Is(err, bus.ErrNotFound) {
		p.forget(subject)
		return nil
	}
	if err != nil {
		return err
	}
	rec := &callv1.PairRecord{}
	if err := proto.Unmarshal(r.Data, rec); err != nil {
		return fmt.Errorf("pair record %s: %w", subject, err)
	}
	p.put(subject, pairEntry{record: rec, seq: r.Seq})
	return nil
}

func (p *pairCache) store(c *pairChange, seq uint64) {
	e := pairEntry{record: c.next, seq: seq}
	if c.write.TTL > 0 {
		e.expires = time.Now().Add(c.write.TTL)
	}
	p.put(c.write.Subject, e)
}

func (p *pairCache) put(subject string, e pairEntry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxCachedPairs {
		clear(p.known)
	}
	p.known[subject] = e
}

func (p *pairCache) forget(subject string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, subject)
}

// of gives what is known of a pair.
func (p *pairCache) of(a, b string) pairEntry {
	e, _ := p.get(schema.PairSubject(a, b))
	return e
}

// opposite lists the live calls, latest first, that the called subscriber has
// placed to the caller.
func (e pairEntry) opposite(caller, callee string) []string {
	var out []string
	for i := len(e.record.GetCalls()) - 1; i >= 0; i-- {
		if c := e.record.GetCalls()[i]; c.GetCaller() == callee && caller != callee {
			out = append(out, c.GetCallId())
		}
	}
	return out
}
