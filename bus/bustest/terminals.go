package bustest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/bus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func terminalCases() []func(*env) {
	return []func(*env){
		terminalsAreSeenByAll, changedTerminalIsSeenAgain, purgeKeepsTheInstance, purgeKeepsLaterStarts, syncSeesWhatWasPutBefore,
		manySyncsAtOnce, syncNeedsAWatch, terminalsOutliveARestart,
	}
}

func terminal(kind, node, instance, id string) *callv1.Terminal {
	return &callv1.Terminal{Id: id, Kind: kind, Node: node, Instance: instance, Subscriber: "alice", Rings: true}
}

// watchTerminals gives what a watcher sees as text: "+id/instance", "-…",
// "synced".
func (e *env) watchTerminals(s bus.Terminals) <-chan string {
	seen := make(chan string, 10000)
	e.inBackground(func(ctx context.Context) {
		err := s.Watch(ctx, func(t *callv1.Terminal, up bool) {
			if up {
				seen <- "+" + t.GetId() + "/" + t.GetInstance()
			} else {
				seen <- "-" + t.GetId() + "/" + t.GetInstance()
			}
		}, func() { seen <- "synced" })
		if ctx.Err() == nil && !errors.Is(err, bus.ErrClosed) {
			e.t.Errorf("watch ended with %v", err)
		}
	})
	return seen
}

func terminalsAreSeenByAll(e *env) {
	s := bus.NewTerminals(e.bus("sylkrtc", "a"))
	e.ok(s.Put(e.ctx, terminal("sylkrtc", "a", "1", "t1")))
	seen := e.watchTerminals(bus.NewTerminals(e.bus("callstate", "x")))
	e.sees(seen, "+t1/1", "synced")
	e.ok(s.Put(e.ctx, terminal("sylkrtc", "a", "1", "t2")))
	e.sees(seen, "+t2/1")
	e.ok(s.Delete(e.ctx, terminal("sylkrtc", "a", "1", "t1")))
	e.sees(seen, "-t1/1")
	e.ok(s.Delete(e.ctx, terminal("sylkrtc", "a", "1", "t1")))
	e.ok(s.Put(e.ctx, terminal("sylkrtc", "a", "1", "t3")))
	e.sees(seen, "+t3/1")
}

func changedTerminalIsSeenAgain(e *env) {
	s := bus.NewTerminals(e.bus("sylkrtc", "a"))
	seen := make(chan bool, 10)
	e.inBackground(func(ctx context.Context) {
		_ = bus.NewTerminals(e.bus("callstate", "x")).Watch(ctx, func(t *callv1.Terminal, _ bool) { seen <- t.GetRings() }, nil)
	})
	t := terminal("sylkrtc", "a", "1", "t1")
	e.ok(s.Put(e.ctx, t))
	e.equal(next(e, seen), true)
	t.Rings = false
	e.ok(s.Put(e.ctx, t))
	e.equal(next(e, seen), false)
}

func purgeKeepsTheInstance(e *env) {
	s := bus.NewTerminals(e.bus("sylkrtc", "a"))
	for i := range 5 {
		e.ok(s.Put(e.ctx, terminal("sylkrtc", "a", "old", "o"+strconv.Itoa(i))))
		e.ok(s.Put(e.ctx, terminal("sylkrtc", "a", "new", "n"+strconv.Itoa(i))))
	}
	e.ok(s.Put(e.ctx, terminal("sylkrtc", "b", "old", "b")))
	e.ok(s.Put(e.ctx, terminal("grpcpipe", "a", "old", "c")))
	left := func() []string { return e.upToSynced(e.watchTerminals(bus.NewTerminals(e.bus("callstate", "x")))) }
	e.ok(s.Purge(e.ctx, "sylkrtc", "a", "new", time.Time{}))
	e.equal(left(), []string{"+b/old", "+c/old", "+n0/new", "+n1/new", "+n2/new", "+n3/new", "+n4/new"})
	e.ok(s.Purge(e.ctx, "sylkrtc", "a", "", time.Time{}))
	e.equal(left(), []string{"+b/old", "+c/old"})
	e.ok(s.Purge(e.ctx, "sylkrtc", "none", "", time.Time{}))
	e.fails(s.Purge(e.ctx, "*", "a", "", time.Time{}), bus.ErrInvalid)
}

// A later start of a node may be there before its former one is missed.
func purgeKeepsLaterStarts(e *env) {
	s := bus.NewTerminals(e.bus("sylkrtc", "a"))
	since := time.Now()
	for name, at := range map[string]time.Time{"former": since.Add(-time.Second), "later": since.Add(time.Second)} {
		t := terminal("sylkrtc", "a", name, name)
		t.AttachedAt = timestamppb.New(at)
		e.ok(s.Put(e.ctx, t))
	}
	e.ok(s.Purge(e.ctx, "sylkrtc", "a", "this", since))
	e.equal(e.upToSynced(e.watchTerminals(bus.NewTerminals(e.bus("callstate", "x")))), []string{"+later/later"})
}

func syncSeesWhatWasPutBefore(e *env) {
	writer, reader := bus.NewTerminals(e.bus("sylkrtc", "a")), bus.NewTerminals(e.bus("callstate", "x"))
	seen := e.watchTerminals(reader)
	e.ok(reader.Sync(e.ctx))
	e.sees(seen, "synced")
	for i := range 50 {
		id := "t" + strconv.Itoa(i)
		e.ok(writer.Put(e.ctx, terminal("sylkrtc", "a", "1", id)))
		e.ok(reader.Sync(e.ctx))
		select {
		case got := <-seen:
			e.equal(got, "+"+id+"/1")
		default:
			e.t.Fatal("Sync returned before the terminal was seen")
		}
	}
}

func manySyncsAtOnce(e *env) {
	reader := bus.NewTerminals(e.bus("callstate", "x"))
	var mu sync.Mutex
	known := map[string]bool{}
	e.inBackground(func(ctx context.Context) {
		_ = reader.Watch(ctx, func(t *callv1.Terminal, up bool) {
			mu.Lock()
			defer mu.Unlock()
			known[t.GetId()] = up
		}, nil)
	})
	var running sync.WaitGroup
	for i := range 8 {
		writer := bus.NewTerminals(e.bus("sylkrtc", "n"+strconv.Itoa(i)))
		running.Go(func() {
			for j := range 20 {
				t := terminal("sylkrtc", "n"+strconv.Itoa(i), "1", strconv.Itoa(i)+"-"+strconv.Itoa(j))
				if err := errors.Join(writer.Put(e.ctx, t), reader.Sync(e.ctx)); err != nil {
					e.t.Error(err)
					return
				}
				mu.Lock()
				if !known[t.GetId()] {
					e.t.Errorf("%s not seen", t.GetId())
				}
				mu.Unlock()
			}
		})
	}
	running.Wait()
}

func syncNeedsAWatch(e *env) {
	s := bus.NewTerminals(e.bus("callstate", "x"))
	e.fails(s.Sync(e.soon()), context.DeadlineExceeded)
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	e.fails(s.Sync(ctx), context.Canceled)
}

func terminalsOutliveARestart(e *env) {
	b := e.bus("sylkrtc", "a")
	s := bus.NewTerminals(b)
	e.ok(s.Put(e.ctx, terminal("sylkrtc", "a", "1", "t1")))
	e.ok(s.Put(e.ctx, terminal("sylkrtc", "a", "1", "t2")))
	seen := e.watchTerminals(s)
	e.equal(e.upToSynced(seen), []string{"+t1/1", "+t2/1"})
	e.restarted(b.Driver())
	e.eventually("put", func() error { return s.Put(e.ctx, terminal("sylkrtc", "a", "1", "t3")) })
	e.sees(seen, "+t3/1") // the others are not told again
	e.eventually("delete", func() error { return s.Delete(e.ctx, terminal("sylkrtc", "a", "1", "t1")) })
	e.sees(seen, "-t1/1")
	e.ok(s.Sync(e.ctx))
	e.equal(slices.Contains(e.upToSynced(e.watchTerminals(bus.NewTerminals(b))), "+t1/1"), false)
}
