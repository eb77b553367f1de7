package bustest

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

func kvCases() []func(*env) {
	return []func(*env){
		keyIsReadBackByAll, keyOfNothingIsNotFound, updateExpectsTheRevision, updateOfZeroNeedsAbsence,
		deletedKeyIsNotFound, deleteAtExpectsTheRevision, keyExpires, lastRevisionIsTheLastWrite, bucketsDoNotMix, invalidKeysAreRefused, oneOfManyUpdatesWins,
	}
}

// bucket opens a bucket.
func (e *env) bucket(d bus.Driver, cfg bus.KVConfig) bus.KV {
	e.t.Helper()
	kv, err := d.KV(e.ctx, cfg)
	e.ok(err)
	return kv
}

// put writes a key and gives its revision.
func (e *env) put(kv bus.KV, key, value string) uint64 {
	e.t.Helper()
	rev, err := kv.Put(e.ctx, key, []byte(value))
	e.ok(err)
	return rev
}

// has requires a key.
func (e *env) has(kv bus.KV, key, value string, rev uint64) {
	e.t.Helper()
	got, err := kv.Get(e.ctx, key)
	e.ok(err)
	e.equal([]any{got.Key, string(got.Value), got.Revision, got.Deleted}, []any{key, value, rev, false})
}

// hasNot requires that a key is not there.
func (e *env) hasNot(kv bus.KV, key string) {
	e.t.Helper()
	_, err := kv.Get(e.ctx, key)
	e.fails(err, bus.ErrNotFound)
}

func keyIsReadBackByAll(e *env) {
	a := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
	b := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
	e.has(b, "a.b-c_d=1", "one", e.put(a, "a.b-c_d=1", "one"))
	e.has(a, "a.b-c_d=1", "two", e.put(b, "a.b-c_d=1", "two"))
	e.has(a, "empty", "", e.put(b, "empty", ""))
}

func keyOfNothingIsNotFound(e *env) {
	e.hasNot(e.bucket(e.connect(), bus.KVConfig{Bucket: "b", Memory: true}), "k")
}

func updateExpectsTheRevision(e *env) {
	kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
	rev := e.put(kv, "k", "one")
	_, err := kv.Update(e.ctx, "k", []byte("x"), rev+1)
	e.fails(err, bus.ErrConflict)
	e.put(kv, "other", "")
	next, err := kv.Update(e.ctx, "k", []byte("two"), rev)
	e.ok(err)
	e.has(kv, "k", "two", next)
	_, err = kv.Update(e.ctx, "k", []byte("x"), rev)
	e.fails(err, bus.ErrConflict)
	_, err = kv.Update(e.ctx, "absent", []byte("x"), rev)
	e.fails(err, bus.ErrConflict)
}

func updateOfZeroNeedsAbsence(e *env) {
	kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
	rev, err := kv.Update(e.ctx, "k", []byte("one"), 0)
	e.ok(err)
	_, err = kv.Update(e.ctx, "k", []byte("x"), 0)
	e.fails(err, bus.ErrConflict)
	e.has(kv, "k", "one", rev)
	e.ok(kv.Delete(e.ctx, "k"))
	rev, err = kv.Update(e.ctx, "k", []byte("again"), 0)
	e.ok(err)
	e.has(kv, "k", "again", rev)
}

func deletedKeyIsNotFound(e *env) {
	kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
	rev := e.put(kv, "k", "v")
	e.ok(kv.Delete(e.ctx, "k"))
	e.hasNot(kv, "k")
	e.ok(kv.Delete(e.ctx, "k"))
	e.ok(kv.Delete(e.ctx, "never"))
	_, err := kv.Update(e.ctx, "k", nil, rev)
	e.fails(err, bus.ErrConflict)
}

func deleteAtExpectsTheRevision(e *env) {
	kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
	old := e.put(kv, "k", "one")
	rev := e.put(kv, "k", "two")
	e.fails(kv.DeleteAt(e.ctx, "k", old), bus.ErrConflict)
	e.has(kv, "k", "two", rev)
	e.ok(kv.DeleteAt(e.ctx, "k", rev))
	e.hasNot(kv, "k")
	e.fails(kv.DeleteAt(e.ctx, "k", rev), bus.ErrConflict)
	e.fails(kv.DeleteAt(e.ctx, "", rev), bus.ErrInvalid)
}

func keyExpires(e *env) {
	kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b", Memory: true, TTL: time.Second})
	began := time.Now()
	e.has(kv, "k", "v", e.put(kv, "k", "v"))
	e.until("the key has expired", func() bool {
		_, err := kv.Get(e.ctx, "k")
		return errors.Is(err, bus.ErrNotFound)
	})
	if took := time.Since(began); took < 900*time.Millisecond {
		e.t.Fatalf("expired after %s", took)
	}
	_, err := kv.Update(e.ctx, "k", []byte("again"), 0)
	e.ok(err)
}

func lastRevisionIsTheLastWrite(e *env) {
	kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
	rev, err := kv.LastRevision(e.ctx)
	e.ok(err)
	e.equal(rev, uint64(0))
	for i := range 5 {
		want := e.put(kv, "k"+strconv.Itoa(i%2), "v")
		rev, err = e.bucket(e.connect(), bus.KVConfig{Bucket: "b"}).LastRevision(e.ctx)
		e.ok(err)
		e.equal(rev, want)
	}
	e.ok(kv.Delete(e.ctx, "k1"))
	after, err := kv.LastRevision(e.ctx)
	e.ok(err)
	e.equal(after, rev+1)
}

func bucketsDoNotMix(e *env) {
	d := e.connect()
	a, b := e.bucket(d, bus.KVConfig{Bucket: "a"}), e.bucket(d, bus.KVConfig{Bucket: "b", Memory: true})
	rev := e.put(a, "k", "a")
	e.hasNot(b, "k")
	e.put(b, "k", "b")
	e.has(a, "k", "a", rev)
}

func invalidKeysAreRefused(e *env) {
	d := e.connect()
	kv := e.bucket(d, bus.KVConfig{Bucket: "b"})
	for _, k := range []string{"", ".", "a.", ".a", "a..b", "a b", "*", "a.*", ">", "a/b", "ä", "a\n"} {
		_, err := kv.Put(e.ctx, k, nil)
		e.fails(err, bus.ErrInvalid)
		_, err = kv.Get(e.ctx, k)
		e.fails(err, bus.ErrInvalid)
		e.fails(kv.Delete(e.ctx, k), bus.ErrInvalid)
	}
	_, err := kv.Put(e.ctx, "k", make([]byte, bus.MaxPayload+1))
	e.fails(err, bus.ErrTooLarge)
	for _, name := range []string{"", "a.b", "a b", "*"} {
		_, err := d.KV(e.ctx, bus.KVConfig{Bucket: name})
		e.fails(err, bus.ErrInvalid)
	}
}

func oneOfManyUpdatesWins(e *env) {
	const writers, each = 4, 20
	var running sync.WaitGroup
	for range writers {
		kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
		running.Go(func() {
			for added := 0; added < each; {
				have, err := kv.Get(e.ctx, "count")
				if err != nil && !errors.Is(err, bus.ErrNotFound) {
					e.t.Error(err)
					return
				}
				n, _ := strconv.Atoi(string(have.Value))
				switch _, err = kv.Update(e.ctx, "count", []byte(strconv.Itoa(n+1)), have.Revision); {
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
	have, err := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"}).Get(e.ctx, "count")
	e.ok(err)
	e.equal(string(have.Value), strconv.Itoa(writers*each))
}
