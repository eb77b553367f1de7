package bustest

import (
	"context"
	"errors"
	"slices"

	"github.com/tandem-rtc/tandem/bus"
)

func restartCases() []func(*env) {
	return []func(*env){
		reconnectIsTold, subscriptionsOutliveARestart, recordsOutliveARestart, filesOutliveARestartAndMemoryDoesNot,
		requestUnderWayIsLostInARestart,
	}
}

// restarted restarts the broker and waits until all of ds know.
func (e *env) restarted(ds ...bus.Driver) {
	e.t.Helper()
	back := make(chan struct{}, len(ds))
	for _, d := range ds {
		defer d.OnReconnect(func() { back <- struct{}{} })()
	}
	e.restart()
	for range ds {
		next(e, back)
	}
}

// eventually repeats what may fail for a moment after a restart.
func (e *env) eventually(what string, f func() error) {
	e.t.Helper()
	e.until(what, func() bool {
		err := f()
		if err != nil && !errors.Is(err, bus.ErrUnavailable) && !errors.Is(err, bus.ErrNoResponders) {
			e.t.Fatal(err)
		}
		return err == nil
	})
}

func reconnectIsTold(e *env) {
	d := e.connect()
	told := make(chan struct{}, 10)
	d.OnReconnect(func() { e.t.Error("unregistered, but called") })()
	d.OnReconnect(func() { told <- struct{}{} })
	none(e, told)
	e.restarted(d)
	next(e, told)
	e.restarted(d)
	next(e, told)
}

func subscriptionsOutliveARestart(e *env) {
	server, d := e.connect(), e.connect()
	e.serve(server, "a.*", "", echo)
	e.restarted(server, d)
	e.eventually("the server answers", func() error { _, err := d.Request(e.ctx, "a.b", nil); return err })
}

func recordsOutliveARestart(e *env) {
	d := e.connect()
	seq := e.commit(d, rec("x"), "one", 0)
	seqs, err := d.Records().Commit(e.ctx, bus.Write{Subject: rec("y"), Data: []byte("y")}, bus.Write{Subject: pair("y"), Data: []byte("p")})
	e.ok(err)
	e.restarted(d)
	e.eventually("the journal is back", func() error { _, err := d.Records().Load(e.ctx, rec("x")); return err })
	e.holds(d, rec("x"), "one", seq)
	e.holds(d, rec("y"), "y", seqs[0])
	e.holds(d, pair("y"), "p", seqs[1])
	e.commit(d, rec("x"), "two", seq)
}

func filesOutliveARestartAndMemoryDoesNot(e *env) {
	d := e.connect()
	file, memory := e.bucket(d, bus.KVConfig{Bucket: "f"}), e.bucket(d, bus.KVConfig{Bucket: "m", Memory: true})
	rev := e.put(file, "k", "v")
	e.put(memory, "k", "v")
	e.restarted(d)
	e.eventually("the bucket is back", func() error { _, err := file.Get(e.ctx, "k"); return err })
	e.has(file, "k", "v", rev)
	e.eventually("memory is writable", func() error { _, err := memory.Put(e.ctx, "other", nil); return err })
	e.hasNot(memory, "k")
}

func requestUnderWayIsLostInARestart(e *env) {
	server, d := e.connect(), e.connect()
	reached := make(chan struct{})
	var late bus.Msg
	e.serve(server, "a", "", func(m bus.Msg) { late = m; close(reached) })
	failed := make(chan error, 1)
	go func() {
		_, err := d.Request(e.ctx, "a", nil)
		failed <- err
	}()
	next(e, reached)
	e.restart()
	if slices.Contains(e.properties, RequestsOutliveRestarts) {
		late.Respond(nil)
		e.ok(next(e, failed))
		return
	}
	err := next(e, failed)
	e.fails(err, bus.ErrTimeout)
	if errors.Is(err, context.DeadlineExceeded) {
		e.t.Fatal("waited for its deadline")
	}
}
