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

// with gives the pair's record with a call listed.
func (e pairEntry) with(c *callv1.CallRecord) (*pairChange, error) {
	next := e.others(c)
	next.Calls = append(next.Calls, &callv1.PairCall{CallId: c.GetId(), Caller: c.GetCaller().GetSubscriber()})
	return e.change(c, next)
}

// without gives the pair's record without a call; nil if it is not listed.
func (e pairEntry) without(c *callv1.CallRecord) (*pairChange, error) {
	next := e.others(c)
	if len(next.GetCalls()) == len(e.record.GetCalls()) {
		return nil, nil //nolint:nilnil // no change is not an error
	}
	return e.change(c, next)
}

func (e pairEntry) others(c *callv1.CallRecord) *callv1.PairRecord {
	next := &callv1.PairRecord{Subscribers: sorted(c.GetCaller().GetSubscriber(), c.GetCallee().GetSubscriber())}
	for _, listed := range e.record.GetCalls() {
		if listed.GetCallId() != c.GetId() {
			next.Calls = append(next.Calls, listed)
		}
	}
	return next
}

func (e pairEntry) change(c *callv1.CallRecord, next *callv1.PairRecord) (*pairChange, error) {
	w := bus.Write{Subject: pairSubject(c), Expect: e.seq}
	var err error
	if w.Data, err = proto.Marshal(next); err != nil {
		return nil, err
	}
	if len(next.GetCalls()) == 0 {
		w.TTL = emptyPairTTL
	}
	return &pairChange{write: w, next: next}, nil
}

func pairSubject(c *callv1.CallRecord) string {
	return schema.PairSubject(c.GetCaller().GetSubscriber(), c.GetCallee().GetSubscriber())
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

func (p *pairCache) store(c *pairChange, seq uint64) pairEntry {
	e := pairEntry{record: c.next, seq: seq}
	if c.write.TTL > 0 {
		e.expires = time.Now().Add(c.write.TTL)
	}
	p.put(c.write.Subject, e)
	return e
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

// of gives what is known of the pair of a call.
func (p *pairCache) of(c *callv1.CallRecord) pairEntry {
	e, _ := p.get(pairSubject(c))
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
