package bustest

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"sync"

	"github.com/tandem-rtc/tandem/bus"
)

func recordCases() []func(*env) {
	return []func(*env){
		loadOfNothingIsNotFound, loadByFilterFindsTheLatest, commitIsReadBackByAll, commitExpectsTheSequence, commitReplacesTheRecord,
		oneOfManyCommitsWins, endedContextCommitsNothing, recordSizeIsLimited, usageOfUnlimitedJournalIsZero,
		subjectsOfTheJournalDoNotMix,
	}
}

func rec(id string) string  { return "call.v1.rec.7." + id }
func pair(id string) string { return "call.v1.pair.a." + id }

// commit commits one record and gives its sequence.
func (e *env) commit(d bus.Driver, subject, data string, expect uint64) uint64 {
	e.t.Helper()
	seqs, err := d.Records().Commit(e.ctx, bus.Write{Subject: subject, Data: []byte(data), Expect: expect})
	e.ok(err)
	e.equal(len(seqs), 1)
	return seqs[0]
}

// holds requires a record.
func (e *env) holds(d bus.Driver, subject, data string, seq uint64) {
	e.t.Helper()
	r, err := d.Records().Load(e.ctx, subject)
	e.ok(err)
	e.equal([]any{r.Subject, string(r.Data), r.Seq}, []any{subject, data, seq})
}

// lacks requires that there is no record.
func (e *env) lacks(d bus.Driver, subject string) {
	e.t.Helper()
	_, err := d.Records().Load(e.ctx, subject)
	e.fails(err, bus.ErrNotFound)
}

func loadOfNothingIsNotFound(e *env) { e.lacks(e.connect(), rec("none")) }

func commitIsReadBackByAll(e *env) {
	a, b := e.connect(), e.connect()
	seq := e.commit(a, rec("x"), "one", 0)
	e.holds(a, rec("x"), "one", seq)
	e.holds(b, rec("x"), "one", seq)
	empty := e.commit(a, rec("empty"), "", 0)
	e.holds(b, rec("empty"), "", empty)
}

func loadByFilterFindsTheLatest(e *env) {
	d := e.connect()
	e.commit(d, rec("x.alice.bob"), "one", 0)
	seq := e.commit(d, rec("x.alice.carol"), "two", 0)
	e.commit(d, rec("y.alice.dora"), "three", 0)
	for _, filter := range []string{rec("x.*.*"), rec("x.>"), rec("*.alice.carol")} {
		r, err := d.Records().Load(e.ctx, filter)
		e.ok(err)
		e.equal([]any{r.Subject, string(r.Data), r.Seq}, []any{rec("x.alice.carol"), "two", seq})
	}
	e.lacks(d, rec("z.*.*"))
	e.lacks(d, rec("x.*"))
}

func commitExpectsTheSequence(e *env) {
	d := e.connect()
	try := func(expect uint64) error {
		_, err := d.Records().Commit(e.ctx, bus.Write{Subject: rec("x"), Data: []byte("new"), Expect: expect})
		return err
	}
	e.fails(try(5), bus.ErrConflict)
	seq := e.commit(d, rec("x"), "one", 0)
	e.fails(try(0), bus.ErrConflict)
	e.fails(try(seq+1), bus.ErrConflict)
	e.holds(d, rec("x"), "one", seq)
	e.ok(try(seq))
	e.fails(try(seq), bus.ErrConflict)
}

func commitReplacesTheRecord(e *env) {
	d := e.connect()
	seq := uint64(0)
	for i := range 20 {
		was := seq
		seq = e.commit(d, rec("x"), strconv.Itoa(i), seq)
		if seq <= was {
			e.t.Fatalf("sequence %d after %d", seq, was)
		}
	}
	e.holds(d, rec("x"), "19", seq)
	count := 0
	e.ok(d.Records().Scan(e.ctx, rec("x"), func(bus.Record) bool { count++; return true }))
	e.equal(count, 1)
}

func oneOfManyCommitsWins(e *env) {
	const writers, each = 8, 20
	var running sync.WaitGroup
	for range writers {
		d := e.connect()
		running.Go(func() {
			for added := 0; added < each; {
				r, err := d.Records().Load(e.ctx, rec("count"))
				if err != nil && !errors.Is(err, bus.ErrNotFound) {
					e.t.Error(err)
					return
				}
				n, _ := strconv.Atoi(string(r.Data))
				w := bus.Write{Subject: rec("count"), Data: []byte(strconv.Itoa(n + 1)), Expect: r.Seq}
				switch _, err = d.Records().Commit(e.ctx, w); {
				case err == nil:
					added++
				case !errors.Is(err, bus.ErrConflict):
					e.t.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	r, err := e.connect().Records().Load(e.ctx, rec("count"))
	e.ok(err)
	e.equal(string(r.Data), strconv.Itoa(writers*each))
}

func endedContextCommitsNothing(e *env) {
	d := e.connect()
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	_, err := d.Records().Commit(ctx, bus.Write{Subject: rec("x")})
	e.fails(err, context.Canceled)
	_, err = d.Records().Commit(ctx, bus.Write{Subject: rec("x")}, bus.Write{Subject: rec("y")})
	e.fails(err, context.Canceled)
	e.lacks(d, rec("x"))
}

func recordSizeIsLimited(e *env) {
	d := e.connect()
	big := bytes.Repeat([]byte("x"), bus.MaxPayload*9/10)
	seq := e.commit(d, rec("big"), string(big), 0)
	e.holds(d, rec("big"), string(big), seq)
	_, err := d.Records().Commit(e.ctx, bus.Write{Subject: rec("x"), Data: make([]byte, bus.MaxPayload+1)})
	e.fails(err, bus.ErrTooLarge)
	_, err = d.Records().Commit(e.ctx, bus.Write{Subject: rec("y")}, bus.Write{Subject: rec("x"), Data: make([]byte, bus.MaxPayload+1)})
	e.fails(err, bus.ErrTooLarge)
	e.lacks(d, rec("x"))
	e.lacks(d, rec("y"))
}

func usageOfUnlimitedJournalIsZero(e *env) {
	d := e.connect()
	e.commit(d, rec("x"), "data", 0)
	u, err := d.Records().Usage(e.ctx)
	e.ok(err)
	e.equal(u, 0.0)
}

func subjectsOfTheJournalDoNotMix(e *env) {
	d := e.connect()
	a := e.commit(d, rec("x"), "record", 0)
	b := e.commit(d, pair("x"), "pair", 0)
	e.commit(d, rec("xx"), "other", 0)
	e.holds(d, rec("x"), "record", a)
	e.holds(d, pair("x"), "pair", b)
}
