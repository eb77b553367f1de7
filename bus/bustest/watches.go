package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/tandem-rtc/tandem/bus"
)

func watchCases() []func(*env) {
	return []func(*env){
		watchGivesPresentSyncedChanges, watchOfNothingIsSynced, watchKeepsToItsFilter, watchForgetsWhatWasDeleted,
		watchSyncedTellsItsRevision, watchEndsWhenTold, watchEndsWithItsContext, slowWatcherGetsTheLastValue,
		watchStartsOverAfterRestart, watchTellsWhatWentInARestart,
	}
}

// watch runs a Watch in the background and gives what it sees as text: "k=v",
// "-k", "synced".
func (e *env) watch(kv bus.KV, filter string) <-chan string {
	seen := make(chan string, 1000)
	e.inBackground(func(ctx context.Context) {
		err := kv.Watch(ctx, filter, func(en bus.Entry) bool { seen <- entryText(en); return true })
		if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, bus.ErrClosed) {
			e.t.Errorf("watch ended with %v", err)
		}
	})
	return seen
}

func entryText(e bus.Entry) string {
	switch {
	case e.Key == "":
		return "synced"
	case e.Deleted:
		return "-" + e.Key
	}
	return e.Key + "=" + string(e.Value)
}

// sees requires what a watcher sees next.
func (e *env) sees(seen <-chan string, want ...string) {
	e.t.Helper()
	for _, w := range want {
		e.equal(next(e, seen), w)
	}
}

// upToSynced gives what a watcher sees up to Synced, sorted.
func (e *env) upToSynced(seen <-chan string) []string {
	e.t.Helper()
	var all []string
	for {
		s := next(e, seen)
		if s == "synced" {
			slices.Sort(all)
			return all
		}
		all = append(all, s)
	}
}

func watchGivesPresentSyncedChanges(e *env) {
	kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
	e.put(kv, "a", "1")
	e.put(kv, "b", "1")
	e.put(kv, "a", "2")
	seen := e.watch(e.bucket(e.connect(), bus.KVConfig{Bucket: "b"}), ">")
	e.sees(seen, "b=1", "a=2", "synced")
	e.put(kv, "c", "1")
	e.put(kv, "a", "3")
	e.ok(kv.Delete(e.ctx, "b"))
	e.sees(seen, "c=1", "a=3", "-b")
	e.put(kv, "b", "2")
	e.sees(seen, "b=2")
}

func watchOfNothingIsSynced(e *env) {
	kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b", Memory: true})
	seen := e.watch(kv, ">")
	e.sees(seen, "synced")
	e.put(kv, "a", "1")
	e.sees(seen, "a=1")
}

func watchKeepsToItsFilter(e *env) {
	kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
	for _, k := range []string{"x.1", "y.1", "x.1.2", "x"} {
		e.put(kv, k, "v")
	}
	seen := e.watch(kv, "x.*")
	e.sees(seen, "x.1=v", "synced")
	for _, k := range []string{"y.2", "x.2", "x.2.2", "x", "x.3"} {
		e.put(kv, k, "v")
	}
	e.sees(seen, "x.2=v", "x.3=v")
	e.sees(e.watch(kv, "y.1"), "y.1=v", "synced")
}

func watchForgetsWhatWasDeleted(e *env) {
	kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
	e.put(kv, "a", "1")
	e.put(kv, "b", "1")
	e.ok(kv.Delete(e.ctx, "a"))
	e.sees(e.watch(kv, ">"), "b=1", "synced")
	e.ok(kv.Delete(e.ctx, "b"))
	e.sees(e.watch(kv, ">"), "synced")
}

func watchSyncedTellsItsRevision(e *env) {
	kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
	for i := range 10 {
		e.put(kv, strconv.Itoa(i), "v")
	}
	e.ok(kv.Delete(e.ctx, "9"))
	last, err := kv.LastRevision(e.ctx)
	e.ok(err)
	var highest uint64
	e.ok(kv.Watch(e.ctx, ">", func(en bus.Entry) bool {
		if en.Key != "" && en.Revision <= highest {
			e.t.Errorf("revision %d after %d", en.Revision, highest)
		}
		highest = en.Revision
		return en.Key != ""
	}))
	e.equal(highest, last)
}

func watchEndsWhenTold(e *env) {
	kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
	for i := range 600 { // more than any buffer of a client library
		e.put(kv, "k"+strconv.Itoa(i), "v")
	}
	for _, stopAt := range []int{1, 300} {
		count := 0
		e.ok(kv.Watch(e.ctx, ">", func(bus.Entry) bool { count++; return count < stopAt }))
		e.equal(count, stopAt)
	}
	e.ok(kv.Watch(e.ctx, "none", func(bus.Entry) bool { return false }))
}

func watchEndsWithItsContext(e *env) {
	kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
	ctx, cancel := context.WithCancel(e.ctx)
	err := kv.Watch(ctx, ">", func(bus.Entry) bool { cancel(); return true })
	e.fails(err, context.Canceled)
	e.fails(kv.Watch(ctx, ">", func(bus.Entry) bool { e.t.Error("called"); return true }), context.Canceled)
	e.fails(kv.Watch(e.ctx, "a..b", nil), bus.ErrInvalid)
}

func slowWatcherGetsTheLastValue(e *env) {
	kv := e.bucket(e.connect(), bus.KVConfig{Bucket: "b"})
	synced, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	e.inBackground(func(ctx context.Context) {
		_ = kv.Watch(ctx, ">", func(en bus.Entry) bool {
			if en.Key == "" {
				close(synced)
				<-release
			}
			if string(en.Value) == "1999" {
				close(done)
			}
			return true
		})
	})
	next(e, synced)
	for i := range 2000 {
		e.put(kv, "k"+strconv.Itoa(i%10), strconv.Itoa(i))
	}
	close(release)
	next(e, done)
}

func watchStartsOverAfterRestart(e *env) {
	d := e.connect()
	kv := e.bucket(d, bus.KVConfig{Bucket: "b"})
	e.put(kv, "a", "1")
	e.put(kv, "b", "1")
	seen := e.watch(kv, ">")
	e.sees(seen, "a=1", "b=1", "synced")
	e.restarted(d)
	e.equal(e.upToSynced(seen), []string{"a=1", "b=1"})
	e.eventually("put", func() error { _, err := kv.Put(e.ctx, "c", []byte("1")); return err })
	e.sees(seen, "c=1")
}

func watchTellsWhatWentInARestart(e *env) {
	d := e.connect()
	kv := e.bucket(d, bus.KVConfig{Bucket: "m", Memory: true})
	e.put(kv, "a", "1")
	e.put(kv, "b", "1")
	seen := make(chan bus.Entry, 100)
	e.inBackground(func(ctx context.Context) {
		_ = kv.Watch(ctx, ">", func(en bus.Entry) bool { seen <- en; return true })
	})
	for range 3 {
		next(e, seen)
	}
	e.restarted(d)
	var gone []string
	for {
		en := next(e, seen)
		if en.Key == "" {
			break
		}
		gone = append(gone, fmt.Sprint(entryText(en), en.Revision))
	}
	slices.Sort(gone)
	e.equal(gone, []string{"-a0", "-b0"})
	e.eventually("put", func() error { _, err := kv.Put(e.ctx, "a", []byte("2")); return err })
	e.equal(entryText(next(e, seen)), "a=2")
}
