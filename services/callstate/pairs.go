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

// maxClaims bounds the record of a pair: beyond it, the oldest claim goes.
const maxClaims = 32

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
	// expires is when the record disappears from the journal by itself.
	expires time.Time
}

// pairChange is a pair's next record, to be written with a call's.
type pairChange struct {
	write bus.Write
	next  *callv1.PairRecord
}

func newPairCache() *pairCache { return &pairCache{known: map[string]pairEntry{}} }

// with gives the pair's record with a call listed, to be kept for ttl: longer
// than the call can go unanswered. Claims are not taken back: an end or an answer
// would cost a write of its own to say what the call's owner says to whoever asks.
func (e pairEntry) with(c *callv1.CallRecord, ttl time.Duration) (*pairChange, error) {
	listed := e.record.GetCalls()
	if len(listed) >= maxClaims {
		listed = listed[len(listed)-maxClaims+1:]
	}
	next := &callv1.PairRecord{
		Subscribers: sorted(c.GetCaller().GetSubscriber(), c.GetCallee().GetSubscriber()),
		Calls: append(listed[:len(listed):len(listed)],
			&callv1.PairCall{CallId: c.GetId(), Caller: c.GetCaller().GetSubscriber()}),
	}
	data, err := proto.Marshal(next)
	if err != nil {
		return nil, err
	}
	return &pairChange{write: bus.Write{Subject: pairSubject(c), Data: data, Expect: e.seq, TTL: ttl}, next: next}, nil
}

// without gives what is known of a pair once a call is known to claim nothing.
func (e pairEntry) without(callID string) pairEntry {
	var left []*callv1.PairCall
	for _, listed := range e.record.GetCalls() {
		if listed.GetCallId() != callID {
			left = append(left, listed)
		}
	}
	if len(left) < len(e.record.GetCalls()) {
		e.record = &callv1.PairRecord{Subscribers: e.record.GetSubscribers(), Calls: left}
	}
	return e
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
	e := pairEntry{record: c.next, seq: seq, expires: time.Now().Add(c.write.TTL)}
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

// settled notes that a call claims nothing any more, so that the pair's next
// call neither asks its owner nor lists it. Only this node knows: another learns
// it by asking.
func (p *pairCache) settled(c *callv1.CallRecord) {
	subject := pairSubject(c)
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.known[subject]; ok {
		p.known[subject] = e.without(c.GetId())
	}
}

// opposite lists the claims, latest first, that the called subscriber has
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
