package bustest

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/tandem-rtc/tandem/bus"
)

func closeCases() []func(*env) {
	return []func(*env){
		closedBusRefusesAll, closeEndsRequestsUnderWay, closeEndsWatches, closeDropsSubscriptions,
		noHandlerRunsAfterClose, closeLeavesOthersAlone, allAtOnce,
	}
}

func closedBusRefusesAll(e *env) {
	d := e.connect()
	kv := e.bucket(d, bus.KVConfig{Bucket: "b"})
	s := e.serve(d, "a", "", echo)
	e.ok(d.Close())
	e.ok(d.Close())
	s.Stop()
	_, err := d.Request(e.ctx, "a", nil)
	e.fails(err, bus.ErrClosed)
	e.fails(d.Publish("a", nil), bus.ErrClosed)
	_, err = d.Serve("a", "", echo)
	e.fails(err, bus.ErrClosed)
	_, err = d.Records().Load(e.ctx, rec("x"))
	e.fails(err, bus.ErrClosed)
	_, err = d.Records().Commit(e.ctx, bus.Write{Subject: rec("x")})
	e.fails(err, bus.ErrClosed)
	_, err = d.Records().Commit(e.ctx, bus.Write{Subject: rec("x")}, bus.Write{Subject: rec("y")})
	e.fails(err, bus.ErrClosed)
	e.fails(d.Records().Scan(e.ctx, ">", nil), bus.ErrClosed)
	_, err = d.Records().Usage(e.ctx)
	e.fails(err, bus.ErrClosed)
	_, err = d.KV(e.ctx, bus.KVConfig{Bucket: "c"})
	e.fails(err, bus.ErrClosed)
	_, err = kv.Get(e.ctx, "k")
	e.fails(err, bus.ErrClosed)
	_, err = kv.Put(e.ctx, "k", nil)
	e.fails(err, bus.ErrClosed)
	_, err = kv.Update(e.ctx, "k", nil, 0)
	e.fails(err, bus.ErrClosed)
	e.fails(kv.Delete(e.ctx, "k"), bus.ErrClosed)
	_, err = kv.LastRevision(e.ctx)
	e.fails(err, bus.ErrClosed)
	e.fails(kv.Watch(e.ctx, ">", nil), bus.ErrClosed)
	other := e.connect()
	e.lacks(other, rec("x"))
}

func closeEndsRequestsUnderWay(e *env) {
	reached := make(chan struct{}, 1)
	e.serve(e.connect(), "a", "", func(bus.Msg) { reached <- struct{}{} })
	d := e.connect()
	failed := make(chan error, 1)
	go func() {
		_, err := d.Request(e.ctx, "a", nil)
		failed <- err
	}()
	next(e, reached)
	e.ok(d.Close())
	e.fails(next(e, failed), bus.ErrClosed)
}

func closeEndsWatches(e *env) {
	d := e.connect()
	kv := e.bucket(d, bus.KVConfig{Bucket: "b"})
	synced, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- kv.Watch(e.ctx, ">", func(bus.Entry) bool { close(synced); return true }) }()
	next(e, synced)
	e.ok(d.Close())
	e.fails(next(e, ended), bus.ErrClosed)
}

func closeDropsSubscriptions(e *env) {
	server, d := e.connect(), e.connect()
	for i := range 10 {
		e.serve(server, "a."+strconv.Itoa(i), "", echo)
	}
	e.serve(server, "q", "group", echo)
	e.ok(server.Close())
	// NATS may see the end of the connection a moment later.
	for _, s := range []string{"a.0", "a.9", "q"} {
		e.until("nobody answers", func() bool {
			_, err := d.Request(e.soon(), s, nil)
			return errors.Is(err, bus.ErrNoResponders)
		})
	}
}

func noHandlerRunsAfterClose(e *env) {
	server, d := e.connect(), e.connect()
	var closed atomic.Bool
	first := make(chan struct{})
	var once sync.Once
	e.serve(server, "a", "", func(m bus.Msg) {
		if closed.Load() {
			e.t.Error("a handler runs after Close")
		}
		once.Do(func() { close(first) })
		m.Respond(nil)
	})
	e.inBackground(func(ctx context.Context) {
		for ctx.Err() == nil {
			if d.Publish("a", nil) != nil {
				return
			}
			runtime.Gosched()
		}
	})
	next(e, first)
	e.ok(server.Close())
	closed.Store(true)
	none(e, make(chan int))
}

func closeLeavesOthersAlone(e *env) {
	a, b := e.connect(), e.connect()
	e.serve(a, "a", "", echo)
	e.serve(b, "b", "", echo)
	seq := e.commit(a, rec("x"), "kept", 0)
	kv := e.bucket(a, bus.KVConfig{Bucket: "m", Memory: true})
	rev := e.put(kv, "k", "kept")
	e.ok(a.Close())
	_, err := e.connect().Request(e.ctx, "b", nil)
	e.ok(err)
	e.holds(b, rec("x"), "kept", seq)
	e.has(e.bucket(b, bus.KVConfig{Bucket: "m", Memory: true}), "k", "kept", rev)
}

func closeLeavesNoGoroutine(e *env) {
	warm := e.connect() // what the broker starts once for all stays
	_, _ = e.bucket(warm, bus.KVConfig{Bucket: "b"}).Put(e.ctx, "k", nil)
	e.commit(warm, rec("warm"), "", 0)
	before := runtime.NumGoroutine()
	for range 3 {
		d := e.dial()
		for i := range 20 {
			e.serve(d, "a."+strconv.Itoa(i), "", echo)
		}
		_, err := d.Request(e.ctx, "a.1", nil)
		e.ok(err)
		kv := e.bucket(d, bus.KVConfig{Bucket: "b"})
		stop := e.inBackground(func(ctx context.Context) { _ = kv.Watch(ctx, ">", func(bus.Entry) bool { return true }) })
		synced := make(chan struct{})
		ended := make(chan struct{})
		go func() {
			_ = kv.Watch(e.ctx, ">", func(en bus.Entry) bool {
				if en.Key == "" {
					close(synced)
				}
				return true
			})
			close(ended)
		}()
		next(e, synced)
		d.OnReconnect(func() {})
		e.ok(d.Close())
		next(e, ended)
		stop()
	}
	e.until("all goroutines ended", func() bool { return runtime.NumGoroutine() <= before || e.soonOver() })
	if now := runtime.NumGoroutine(); now > before {
		stacks := make([]byte, 1<<20)
		e.t.Fatalf("%d goroutines, %d before:\n%s", now, before, stacks[:runtime.Stack(stacks, true)])
	}
}

// allAtOnce is for the race detector.
func allAtOnce(e *env) {
	var running sync.WaitGroup
	for i := range 6 {
		d := e.connect()
		id := strconv.Itoa(i)
		running.Go(func() {
			kv, err := d.KV(e.ctx, bus.KVConfig{Bucket: "b", Memory: true})
			if err != nil {
				e.t.Error(err)
				return
			}
			for j := range 10 {
				s, err := d.Serve("a."+id+".*", "q", echo)
				if err != nil {
					e.t.Error(err)
					return
				}
				cancel := d.OnReconnect(func() {})
				_, err = d.Request(e.ctx, "a."+id+".x", nil)
				_, err1 := kv.Put(e.ctx, "k."+id, nil)
				_, err2 := d.Records().Commit(e.ctx, bus.Write{Subject: rec(id + "-" + strconv.Itoa(j))})
				err3 := d.Records().Scan(e.ctx, "call.v1.rec.>", func(bus.Record) bool { return true })
				err4 := kv.Watch(e.ctx, ">", func(en bus.Entry) bool { return en.Key != "" })
				if err := errors.Join(err, err1, err2, err3, err4); err != nil {
					e.t.Error(err)
				}
				cancel()
				s.Stop()
			}
			_ = d.Close()
		})
	}
	running.Wait()
}
