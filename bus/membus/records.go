package membus

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

// sweepEvery is how many commits may pass before expired records are removed.
const sweepEvery = 1024

// overhead is what a record is counted for besides its subject and data, about
// what a file store needs.
const overhead = 64

// journal holds the last record of each subject. Guarded by Server.store.
type journal struct {
	last    map[string]*record
	seq     uint64
	bytes   int64
	commits int
}

type record struct {
	data    []byte
	seq     uint64
	expires time.Time // zero: never
}

func (r *record) size(subject string) int64 { return int64(len(subject) + len(r.data) + overhead) }

// get gives the record of a subject unless it has expired.
func (j *journal) get(subject string, now time.Time) *record {
	r := j.last[subject]
	if r == nil || r.expires.IsZero() || now.Before(r.expires) {
		return r
	}
	j.bytes -= r.size(subject)
	delete(j.last, subject)
	return nil
}

// latest gives the record under a filter that was written last.
func (j *journal) latest(filter string, now time.Time) (subject string, r *record) {
	if bus.ValidSubject(filter) {
		return filter, j.get(filter, now)
	}
	for s := range j.last {
		if !bus.Match(filter, s) {
			continue
		}
		if other := j.get(s, now); other != nil && (r == nil || other.seq > r.seq) {
			subject, r = s, other
		}
	}
	return subject, r
}

func (j *journal) sweep(now time.Time) {
	for subject := range j.last {
		j.get(subject, now)
	}
}

// records is a connection's view of the journal.
type records struct{ c *Conn }

// enter begins an operation on storage; leave must follow if it succeeded.
func (c *Conn) enterStore(ctx context.Context) error {
	if ctx.Err() != nil {
		return bus.ContextError(ctx)
	}
	if err := c.enter(); err != nil {
		return err
	}
	c.s.store.Lock()
	return nil
}

func (c *Conn) leaveStore() {
	c.s.store.Unlock()
	c.leave()
}

// Load implements bus.Records.
func (v records) Load(ctx context.Context, filter string) (bus.Record, error) {
	if !bus.ValidFilter(filter) {
		return bus.Record{}, fmt.Errorf("%w: record filter %q", bus.ErrInvalid, filter)
	}
	if err := v.c.enterStore(ctx); err != nil {
		return bus.Record{}, err
	}
	defer v.c.leaveStore()
	subject, r := v.c.s.records.latest(filter, v.c.s.now())
	if r == nil {
		return bus.Record{}, bus.ErrNotFound
	}
	return bus.Record{Subject: subject, Data: bytes.Clone(r.data), Seq: r.seq}, nil
}

// Commit implements bus.Records.
func (v records) Commit(ctx context.Context, writes ...bus.Write) ([]uint64, error) {
	if err := bus.CheckWrites(writes); err != nil {
		return nil, err
	}
	if err := v.c.enterStore(ctx); err != nil {
		return nil, err
	}
	defer v.c.leaveStore()
	j, now := &v.c.s.records, v.c.s.now()
	if j.commits++; j.commits%sweepEvery == 0 {
		j.sweep(now)
	}
	grow := int64(0)
	for _, w := range writes {
		have := uint64(0)
		grow += int64(len(w.Subject) + len(w.Data) + overhead)
		if r := j.get(w.Subject, now); r != nil {
			have = r.seq
			grow -= r.size(w.Subject)
		}
		if have != w.Expect {
			return nil, fmt.Errorf("%w: %s is at %d, not %d", bus.ErrConflict, w.Subject, have, w.Expect)
		}
	}
	if v.c.s.maxBytes > 0 && j.bytes+grow > v.c.s.maxBytes {
		return nil, bus.ErrFull
	}
	j.bytes += grow
	seqs := make([]uint64, len(writes))
	for i, w := range writes {
		j.seq++
		seqs[i] = j.seq
		r := &record{data: bytes.Clone(w.Data), seq: j.seq}
		if w.TTL > 0 {
			r.expires = now.Add(bus.WholeSeconds(w.TTL))
		}
		j.last[w.Subject] = r
	}
	return seqs, nil
}

// Scan implements bus.Records.
func (v records) Scan(ctx context.Context, filter string, f func(bus.Record) bool) error {
	if !bus.ValidFilter(filter) {
		return fmt.Errorf("%w: filter %q", bus.ErrInvalid, filter)
	}
	if err := v.c.enterStore(ctx); err != nil {
		return err
	}
	j := &v.c.s.records
	j.sweep(v.c.s.now())
	var found []bus.Record
	for subject, r := range j.last {
		if bus.Match(filter, subject) {
			found = append(found, bus.Record{Subject: subject, Data: bytes.Clone(r.data), Seq: r.seq})
		}
	}
	v.c.leaveStore()
	slices.SortFunc(found, func(a, b bus.Record) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, r := range found {
		if ctx.Err() != nil {
			return bus.ContextError(ctx)
		}
		if !f(r) {
			return nil
		}
	}
	return nil
}

// Usage implements bus.Records.
func (v records) Usage(ctx context.Context) (float64, error) {
	if err := v.c.enterStore(ctx); err != nil {
		return 0, err
	}
	defer v.c.leaveStore()
	if v.c.s.maxBytes <= 0 {
		return 0, nil
	}
	v.c.s.records.sweep(v.c.s.now())
	return float64(v.c.s.records.bytes) / float64(v.c.s.maxBytes), nil
}
