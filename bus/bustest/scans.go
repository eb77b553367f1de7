package bustest

import (
	"context"
	"slices"
	"strconv"

	"github.com/tandem-rtc/tandem/bus"
)

func scanCases() []func(*env) {
	return []func(*env){scanGivesTheLastOfEachSubject, scanSeesWhatWasCommittedBefore, scanStopsWhenTold, scanGivesEachOnceWhileWritten}
}

func scanGivesTheLastOfEachSubject(e *env) {
	d := e.connect()
	var want []string
	for i := range 100 {
		s := "call.v1.rec." + strconv.Itoa(i%2) + "." + strconv.Itoa(i)
		seq := e.commit(d, s, "old", 0)
		seq = e.commit(d, s, "new", seq)
		if i%2 == 1 {
			want = append(want, s+" new "+strconv.FormatUint(seq, 10))
		}
	}
	e.commit(d, pair("x"), "pair", 0)
	var got []string
	e.ok(e.connect().Records().Scan(e.ctx, "call.v1.rec.1.*", func(r bus.Record) bool {
		got = append(got, r.Subject+" "+string(r.Data)+" "+strconv.FormatUint(r.Seq, 10))
		return true
	}))
	slices.Sort(got)
	slices.Sort(want)
	e.equal(got, want)
	e.ok(d.Records().Scan(e.ctx, "call.v1.rec.5.*", func(bus.Record) bool { e.t.Error("nothing there"); return false }))
}

func scanSeesWhatWasCommittedBefore(e *env) {
	writer, reader := e.connect(), e.connect()
	for i := range 30 {
		e.commit(writer, rec(strconv.Itoa(i)), "", 0)
		count := 0
		e.ok(reader.Records().Scan(e.ctx, "call.v1.rec.>", func(bus.Record) bool { count++; return true }))
		e.equal(count, i+1)
	}
}

func scanStopsWhenTold(e *env) {
	d := e.connect()
	for i := range 50 {
		e.commit(d, rec(strconv.Itoa(i)), "", 0)
	}
	count := 0
	e.ok(d.Records().Scan(e.ctx, "call.v1.>", func(bus.Record) bool { count++; return count < 3 }))
	e.equal(count, 3)
	ctx, cancel := context.WithCancel(e.ctx)
	count = 0
	err := d.Records().Scan(ctx, "call.v1.>", func(bus.Record) bool { count++; cancel(); return true })
	if err == nil && count < 50 {
		e.t.Fatal("an ended context looks like the end of the scan")
	}
}

func scanGivesEachOnceWhileWritten(e *env) {
	const count = 40
	d := e.connect()
	seqs := make([]uint64, count)
	for i := range seqs {
		seqs[i] = e.commit(d, rec(strconv.Itoa(i)), "", 0)
	}
	writer := e.connect()
	stop := e.inBackground(func(ctx context.Context) {
		for i := 0; ctx.Err() == nil; i = (i + 1) % count {
			s, err := writer.Records().Commit(ctx, bus.Write{Subject: rec(strconv.Itoa(i)), Expect: seqs[i]})
			if err != nil {
				if ctx.Err() == nil {
					e.t.Error(err)
				}
				return
			}
			seqs[i] = s[0]
		}
	})
	for range 5 {
		seen := map[string]int{}
		e.ok(d.Records().Scan(e.ctx, "call.v1.rec.>", func(r bus.Record) bool { seen[r.Subject]++; return true }))
		e.equal(len(seen), count)
		for s, n := range seen {
			if n != 1 {
				e.t.Errorf("%s came %d times", s, n)
			}
		}
	}
	stop()
}
