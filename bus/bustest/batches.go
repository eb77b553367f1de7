package bustest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/tandem-rtc/tandem/bus"
)

func batchCases() []func(*env) {
	return []func(*env){
		batchWritesAll, batchSequencesAreWhatTheNextMustExpect, batchWritesNothingOnConflict,
		batchWithASubjectTwiceIsRefused, batchOfNothingIsRefused, oneOfManyBatchesWins, batchOfMany,
	}
}

func batchWritesAll(e *env) {
	d := e.connect()
	seqs, err := d.Records().Commit(e.ctx,
		bus.Write{Subject: rec("x"), Data: []byte("call")}, bus.Write{Subject: pair("x"), Data: []byte("claim")})
	e.ok(err)
	e.equal(len(seqs), 2)
	e.holds(e.connect(), rec("x"), "call", seqs[0])
	e.holds(e.connect(), pair("x"), "claim", seqs[1])
}

func batchSequencesAreWhatTheNextMustExpect(e *env) {
	d := e.connect()
	var seqs []uint64
	for i := range 4 {
		writes := make([]bus.Write, 3)
		for j := range writes {
			writes[j] = bus.Write{Subject: rec(strconv.Itoa(j)), Data: []byte(strconv.Itoa(i))}
			if seqs != nil {
				writes[j].Expect = seqs[j]
			}
		}
		var err error
		seqs, err = d.Records().Commit(e.ctx, writes...)
		e.ok(err)
		e.commit(d, rec("other"+strconv.Itoa(i)), "between", 0)
	}
	e.commit(d, rec("1"), "single", seqs[1])
}

func batchWritesNothingOnConflict(e *env) {
	d := e.connect()
	const count = 4
	for wrong := range count {
		writes := make([]bus.Write, count)
		before := make([]uint64, count)
		for i := range writes {
			subject := rec(fmt.Sprintf("%d-%d", wrong, i))
			if i%2 == 0 { // some exist, some do not
				before[i] = e.commit(d, subject, "old", 0)
			}
			writes[i] = bus.Write{Subject: subject, Data: []byte("new"), Expect: before[i]}
		}
		writes[wrong].Expect += 1000
		_, err := d.Records().Commit(e.ctx, writes...)
		e.fails(err, bus.ErrConflict)
		for i, w := range writes {
			if before[i] == 0 {
				e.lacks(d, w.Subject)
			} else {
				e.holds(d, w.Subject, "old", before[i])
			}
		}
		writes[wrong].Expect -= 1000
		_, err = d.Records().Commit(e.ctx, writes...)
		e.ok(err)
	}
}

func batchWithASubjectTwiceIsRefused(e *env) {
	d := e.connect()
	_, err := d.Records().Commit(e.ctx, bus.Write{Subject: rec("x")}, bus.Write{Subject: rec("y")}, bus.Write{Subject: rec("x")})
	e.fails(err, bus.ErrInvalid)
	e.lacks(d, rec("x"))
	e.lacks(d, rec("y"))
}

func batchOfNothingIsRefused(e *env) {
	d := e.connect()
	_, err := d.Records().Commit(e.ctx)
	e.fails(err, bus.ErrInvalid)
	_, err = d.Records().Commit(e.ctx, make([]bus.Write, bus.MaxBatch+1)...)
	e.fails(err, bus.ErrInvalid)
	_, err = d.Records().Commit(e.ctx, bus.Write{Subject: rec("x"), TTL: -1})
	e.fails(err, bus.ErrInvalid)
}

func oneOfManyBatchesWins(e *env) {
	var won atomic.Int32
	var running sync.WaitGroup
	for i := range 8 {
		d := e.connect()
		running.Go(func() {
			call := rec(strconv.Itoa(i))
			_, err := d.Records().Commit(e.ctx, bus.Write{Subject: call}, bus.Write{Subject: pair("claim"), Data: []byte(call)})
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, bus.ErrConflict):
				e.t.Error(err)
			}
		})
	}
	running.Wait()
	e.equal(won.Load(), int32(1))
	d := e.connect()
	claim, err := d.Records().Load(e.ctx, pair("claim"))
	e.ok(err)
	var calls []string
	e.ok(d.Records().Scan(e.ctx, "call.v1.rec.>", func(r bus.Record) bool { calls = append(calls, r.Subject); return true }))
	e.equal(calls, []string{string(claim.Data)})
}

func batchOfMany(e *env) {
	d := e.connect()
	writes := make([]bus.Write, 200)
	for i := range writes {
		writes[i] = bus.Write{Subject: rec(strconv.Itoa(i)), Data: []byte(strconv.Itoa(i))}
	}
	seqs, err := d.Records().Commit(e.ctx, writes...)
	e.ok(err)
	e.holds(d, rec("0"), "0", seqs[0])
	e.holds(d, rec("117"), "117", seqs[117])
	e.holds(d, rec("199"), "199", seqs[199])
}
