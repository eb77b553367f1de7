package bustest

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/tandem-rtc/tandem/bus"
)

func deliveryCases() []func(*env) {
	return []func(*env){
		subscriptionKeepsOrder, handlerRunsOneAtATime, wildcardsMatchTokens, queueGroupSharesMessages,
		blockedHandlerHurtsOnlyItself, serveIsInForceWhenItReturns, stopWaitsForTheHandler, stopEndsDelivery,
	}
}

func subscriptionKeepsOrder(e *env) {
	const count = 5000
	got := make(chan string, count)
	e.serve(e.connect(), "n.>", "", func(m bus.Msg) { got <- m.Subject })
	d := e.connect()
	for i := range count {
		e.ok(d.Publish("n."+strconv.Itoa(i), nil))
	}
	for i := range count {
		e.equal(next(e, got), "n."+strconv.Itoa(i))
	}
}

func handlerRunsOneAtATime(e *env) {
	const count = 200
	var inside atomic.Int32
	done := make(chan int32, 2*count)
	e.serve(e.connect(), "a", "", func(bus.Msg) {
		done <- inside.Add(1)
		inside.Add(-1)
	})
	var senders sync.WaitGroup
	for range 2 {
		d := e.connect()
		senders.Go(func() {
			for range count {
				if err := d.Publish("a", nil); err != nil {
					e.t.Error(err)
				}
			}
		})
	}
	senders.Wait()
	for range 2 * count {
		e.equal(next(e, done), int32(1))
	}
}

func wildcardsMatchTokens(e *env) {
	subjects := []string{"a", "b", "a.b", "a.c", "a.b.c", "a.c.c", "b.b.c", "a.b.c.d"}
	server, d := e.connect(), e.connect()
	for _, filter := range []string{"a", "*", ">", "a.*", "a.>", "*.b", "a.*.c", "*.*.*", "a.b.>", "*.b.>", "a.b.c.d"} {
		got := make(chan string, len(subjects)+1)
		s := e.serve(server, "t."+filter, "", func(m bus.Msg) { got <- m.Subject })
		var want []string
		for _, subject := range append(subjects, "x.end") {
			e.ok(d.Publish("t."+subject, nil))
			if bus.Match(filter, subject) {
				want = append(want, "t."+subject)
			}
		}
		var have []string
		for range want {
			have = append(have, next(e, got))
		}
		none(e, got)
		s.Stop()
		e.equal(fmt.Sprint(filter, have), fmt.Sprint(filter, want))
	}
}

func queueGroupSharesMessages(e *env) {
	const count = 300
	var counts [3]atomic.Int32
	all := make(chan int, 3*count)
	for i := range counts {
		e.serve(e.connect(), "q.*", "group", func(bus.Msg) { counts[i].Add(1); all <- i })
	}
	plain := make(chan string, count)
	e.serve(e.connect(), "q.*", "", func(m bus.Msg) { plain <- m.Subject })
	d := e.connect()
	for i := range count {
		e.ok(d.Publish("q."+strconv.Itoa(i), nil))
	}
	for i := range count {
		next(e, all)
		e.equal(next(e, plain), "q."+strconv.Itoa(i))
	}
	none(e, all)
	for i := range counts {
		if counts[i].Load() == 0 {
			e.t.Errorf("member %d of the group got nothing", i)
		}
	}
}

func blockedHandlerHurtsOnlyItself(e *env) {
	release := make(chan struct{})
	server, d := e.connect(), e.connect()
	got := make(chan bus.Msg, 1000)
	e.serve(server, "blocked", "", func(m bus.Msg) { <-release; got <- m })
	e.serve(server, "free", "", echo)
	for range 1000 {
		e.ok(d.Publish("blocked", nil))
	}
	_, err := d.Request(e.ctx, "free", nil)
	e.ok(err)
	close(release)
	for range 1000 {
		next(e, got)
	}
}

func serveIsInForceWhenItReturns(e *env) {
	server, d := e.connect(), e.connect()
	for i := range 50 {
		subject := "s." + strconv.Itoa(i)
		e.serve(server, subject, "", echo)
		_, err := d.Request(e.ctx, subject, nil)
		e.ok(err)
	}
}

func stopWaitsForTheHandler(e *env) {
	entered, release, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s := e.serve(e.connect(), "a", "", func(bus.Msg) { close(entered); <-release; close(left) })
	e.ok(e.connect().Publish("a", nil))
	next(e, entered)
	stopped := make(chan struct{})
	go func() { s.Stop(); close(stopped) }()
	none(e, stopped)
	close(release)
	next(e, stopped)
	select {
	case <-left:
	default:
		e.t.Fatal("the handler still runs")
	}
	s.Stop() // again
}

func stopEndsDelivery(e *env) {
	got := make(chan bus.Msg, 1)
	server, d := e.connect(), e.connect()
	s := e.serve(server, "a", "", func(m bus.Msg) { got <- m })
	s.Stop()
	e.ok(d.Publish("a", nil))
	none(e, got)
	_, err := d.Request(e.ctx, "a", nil)
	e.fails(err, bus.ErrNoResponders)
}
