package bustest

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

// patience is how long a case waits for what must come.
const patience = 20 * time.Second

// moment is how long a case watches for what must not come.
const moment = 50 * time.Millisecond

// atOnce is how many cases run side by side.
const atOnce = 12

// Start makes a fresh broker for one case and ends it with t. connect makes a
// connection of its own each time; restart takes the broker away and brings it
// back, with its files but without its memory.
type Start func(t *testing.T) (connect func() bus.Driver, restart func())

// env is one case's broker.
type env struct {
	t       *testing.T
	ctx     context.Context //nolint:containedctx // ends with the case
	restart func()
	dial    func() bus.Driver

	properties []Property
}

// Property is a way in which a driver differs without breaking a promise.
type Property int

// RequestsOutliveRestarts: a request under way does not pass through the broker
// and is not lost when that restarts.
const RequestsOutliveRestarts Property = 1

// Run runs every case on brokers of its own.
func Run(t *testing.T, start Start, properties ...Property) {
	t.Helper()
	run := func(name string, f func(*env)) {
		t.Run(name, func(t *testing.T) {
			connect, restart := start(t)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			t.Cleanup(cancel)
			f(&env{t: t, ctx: ctx, restart: restart, dial: connect, properties: properties})
		})
	}
	// It counts goroutines, so nothing may run beside it.
	run("CloseLeavesNoGoroutine", closeLeavesNoGoroutine)
	// The others mostly wait; t.Parallel would run no more of them than there are
	// processors.
	var running sync.WaitGroup
	defer running.Wait()
	places := make(chan struct{}, atOnce)
	for _, cases := range [][]func(*env){
		expiryCases(), kvCases(), nodeCases(), restartCases(), watchCases(), leaseCases(), terminalCases(),
		requestCases(), deliveryCases(), recordCases(), batchCases(), scanCases(), identityCases(), closeCases(),
	} {
		for _, f := range cases {
			places <- struct{}{}
			running.Go(func() {
				defer func() { <-places }()
				run(caseName(f), f)
			})
		}
	}
}

// caseName makes "AnswerComesBack" of the function answerComesBack.
func caseName(f func(*env)) string {
	name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	name = name[strings.LastIndexByte(name, '.')+1:]
	return strings.ToUpper(name[:1]) + name[1:]
}

// connect makes a connection that is closed with the case.
func (e *env) connect() bus.Driver {
	e.t.Helper()
	d := e.dial()
	e.t.Cleanup(func() { _ = d.Close() })
	return d
}

// bus makes a connection with an identity.
func (e *env) bus(kind, node string) *bus.Bus {
	e.t.Helper()
	b, err := bus.New(e.connect(), kind, node)
	e.ok(err)
	return b
}

// serve serves a filter until the case ends.
func (e *env) serve(d bus.Driver, filter, queue string, h bus.Handler) bus.Subscription {
	e.t.Helper()
	s, err := d.Serve(filter, queue, h)
	e.ok(err)
	return s
}

// soon is a context that ends soon.
func (e *env) soon() context.Context {
	ctx, cancel := context.WithTimeout(e.ctx, moment)
	e.t.Cleanup(cancel)
	return ctx
}

func (e *env) ok(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

// fails requires an error that is each of want.
func (e *env) fails(err error, want ...error) {
	e.t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			e.t.Fatalf("got error %v, want %v", err, w)
		}
	}
}

func (e *env) equal(got, want any) {
	e.t.Helper()
	if !reflect.DeepEqual(got, want) {
		e.t.Fatalf("got %v, want %v", got, want)
	}
}

// next waits for the next value of a channel.
func next[T any](e *env, c <-chan T) T {
	e.t.Helper()
	select {
	case v := <-c:
		return v
	case <-e.ctx.Done():
		e.t.Fatal("waited in vain")
		panic("unreachable")
	}
}

// none requires that nothing comes for a moment.
func none[T any](e *env, c <-chan T) {
	e.t.Helper()
	select {
	case v := <-c:
		e.t.Fatalf("unexpected %v", v)
	case <-time.After(moment):
	}
}

// until asks again and again until f holds.
func (e *env) until(what string, f func() bool) {
	e.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-e.ctx.Done():
			e.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// soonOver reports whether a case's time is nearly up: time to say why.
func (e *env) soonOver() bool {
	deadline, _ := e.ctx.Deadline()
	return time.Until(deadline) < patience/2
}

// inBackground runs f and requires that it ends with the case.
func (e *env) inBackground(f func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(e.ctx)
	var running sync.WaitGroup
	running.Go(func() { f(ctx) })
	stop = func() { cancel(); running.Wait() }
	e.t.Cleanup(stop)
	return stop
}
