package bustest

import (
	"errors"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

func expiryCases() []func(*env) {
	return []func(*env){recordExpires, tombstoneIsReadUntilItExpires, rewrittenRecordKeepsNoTTL, batchExpires}
}

// gone waits until a record has expired.
func (e *env) gone(d bus.Driver, subject string) {
	e.t.Helper()
	e.until(subject+" has expired", func() bool {
		_, err := d.Records().Load(e.ctx, subject)
		return errors.Is(err, bus.ErrNotFound)
	})
}

func recordExpires(e *env) {
	d := e.connect()
	began := time.Now()
	seqs, err := d.Records().Commit(e.ctx, bus.Write{Subject: rec("x"), Data: []byte("cdr"), TTL: time.Second})
	e.ok(err)
	e.holds(d, rec("x"), "cdr", seqs[0])
	e.gone(d, rec("x"))
	if took := time.Since(began); took < 900*time.Millisecond {
		e.t.Fatalf("expired after %s", took)
	}
	e.commit(d, rec("x"), "again", 0)
}

func tombstoneIsReadUntilItExpires(e *env) {
	d := e.connect()
	seq := e.commit(d, pair("x"), "claim", 0)
	seqs, err := d.Records().Commit(e.ctx, bus.Write{Subject: pair("x"), Expect: seq, TTL: time.Second})
	e.ok(err)
	e.holds(d, pair("x"), "", seqs[0])
	_, err = d.Records().Commit(e.ctx, bus.Write{Subject: pair("x")})
	e.fails(err, bus.ErrConflict)
	e.gone(d, pair("x"))
	e.commit(d, pair("x"), "new claim", 0)
}

func rewrittenRecordKeepsNoTTL(e *env) {
	d := e.connect()
	w := bus.Write{Subject: rec("keep"), Data: []byte("short"), TTL: time.Second}
	seqs, err := d.Records().Commit(e.ctx, w, bus.Write{Subject: rec("witness"), TTL: time.Second})
	e.ok(err)
	seq := e.commit(d, rec("keep"), "for good", seqs[0])
	e.gone(d, rec("witness"))
	e.holds(d, rec("keep"), "for good", seq)
}

func batchExpires(e *env) {
	d := e.connect()
	keep := e.commit(d, rec("keep"), "1", 0)
	seqs, err := d.Records().Commit(e.ctx,
		bus.Write{Subject: rec("x"), Data: []byte("x"), TTL: 300 * time.Millisecond}, // kept for a whole second
		bus.Write{Subject: rec("keep"), Data: []byte("2"), Expect: keep},
		bus.Write{Subject: pair("x"), TTL: time.Second})
	e.ok(err)
	e.gone(d, rec("x"))
	e.gone(d, pair("x"))
	e.holds(d, rec("keep"), "2", seqs[1])
}
