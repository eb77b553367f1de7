package bustest

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/tandem-rtc/tandem/bus"
)

// Full checks a driver whose journal holds 100,000 bytes: writes beyond are
// refused with bus.ErrFull, alone and in a batch, what is there stays, and there
// is room again for what replaces a larger record. It closes d.
func Full(t *testing.T, d bus.Driver) {
	t.Helper()
	e := &env{t: t, ctx: t.Context()}
	t.Cleanup(func() { _ = d.Close() })
	data := make([]byte, 10_000)
	n, seq, usage := 0, uint64(0), 0.0
	for ; ; n++ {
		seqs, err := d.Records().Commit(e.ctx, bus.Write{Subject: rec(strconv.Itoa(n)), Data: data})
		if errors.Is(err, bus.ErrFull) {
			break
		}
		e.ok(err)
		seq = seqs[0]
		now, err := d.Records().Usage(e.ctx)
		e.ok(err)
		if now <= usage || now > 1 {
			t.Fatalf("usage %f after %f", now, usage)
		}
		usage = now
	}
	if n < 8 || n > 9 || usage < 0.8 {
		t.Fatalf("full with %d records, usage %f", n, usage)
	}
	e.lacks(d, rec(strconv.Itoa(n)))
	_, err := d.Records().Commit(e.ctx, bus.Write{Subject: rec("small")}, bus.Write{Subject: rec("large"), Data: data[:9_999]})
	e.fails(err, bus.ErrFull)
	e.lacks(d, rec("small"))
	last := rec(strconv.Itoa(n - 1))
	e.holds(d, last, string(data), seq)
	e.commit(d, last, "small", seq)
	e.commit(d, rec("fits"), "now", 0)
}

// Slow checks a driver whose subscriptions may have limit messages waiting: a
// slow one gets those and loses the others, and goes on afterwards. It closes d.
func Slow(t *testing.T, d bus.Driver, limit int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	e := &env{t: t, ctx: ctx}
	t.Cleanup(func() { _ = d.Close() })
	entered, release := make(chan struct{}, 10*limit), make(chan struct{})
	got := make(chan string, 10*limit)
	e.serve(d, "slow", "", func(m bus.Msg) { entered <- struct{}{}; <-release; got <- string(m.Data) })
	e.serve(d, "other", "", echo)
	e.ok(d.Publish("slow", []byte("0")))
	next(e, entered)
	for i := range 5 * limit {
		e.ok(d.Publish("slow", []byte(strconv.Itoa(i+1))))
	}
	_, err := d.Request(e.ctx, "other", nil) // behind all of those
	e.ok(err)
	close(release)
	for i := range limit {
		e.equal(next(e, got), strconv.Itoa(i))
	}
	// The message being handled may or may not count as waiting.
	e.ok(d.Publish("slow", []byte("again")))
	last := next(e, got)
	if last == strconv.Itoa(limit) {
		last = next(e, got)
	}
	e.equal(last, "again")
}
