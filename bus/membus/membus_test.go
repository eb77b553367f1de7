package membus_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/bustest"
	"github.com/tandem-rtc/tandem/bus/membus"
)

func TestSuite(t *testing.T) {
	bustest.Run(t, func(*testing.T) (func() bus.Driver, func()) {
		s := membus.NewServer()
		return s.Connect, s.Restart
	})
}

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestClockRulesTTLs(t *testing.T) {
	c := &clock{now: time.Unix(1e9, 0)}
	d := membus.NewServer(membus.WithClock(c.time)).Connect()
	defer func() { _ = d.Close() }()
	ctx := t.Context()
	kv, err := d.KV(ctx, bus.KVConfig{Bucket: "b", TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := kv.Put(ctx, "k", nil)
	_, err2 := d.Records().Commit(ctx, bus.Write{Subject: "r", TTL: 59*time.Second + 1})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	check := func(want error) {
		t.Helper()
		_, err1 := kv.Get(ctx, "k")
		_, err2 := d.Records().Load(ctx, "r")
		scanned := 0
		err3 := d.Records().Scan(ctx, ">", func(bus.Record) bool { scanned++; return true })
		if !errors.Is(err1, want) || !errors.Is(err2, want) || err3 != nil || (scanned == 1) != (want == nil) {
			t.Fatal(err1, err2, err3, scanned)
		}
	}
	c.add(time.Minute - 1)
	check(nil)
	c.add(1)
	check(bus.ErrNotFound)
}

func TestFullJournalRefusesWrites(t *testing.T) {
	bustest.Full(t, membus.NewServer(membus.WithMaxBytes(100_000)).Connect())
}

func TestSlowConsumerLosesWhatIsTooMuch(t *testing.T) {
	s := membus.NewServer(membus.WithPendingLimit(10))
	bustest.Slow(t, s.Connect(), 10)
}

func TestOutage(t *testing.T) {
	s := membus.NewServer()
	d := s.Connect()
	defer func() { _ = d.Close() }()
	ctx := t.Context()
	kv, err := d.KV(ctx, bus.KVConfig{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	s.Stop()
	_, err1 := d.Request(ctx, "a", nil)
	_, err2 := d.Serve("a", "", nil)
	_, err3 := d.Records().Load(ctx, "a")
	_, err4 := d.Records().Commit(ctx, bus.Write{Subject: "a"})
	_, err5 := kv.Get(ctx, "k")
	_, err6 := kv.Put(ctx, "k", nil)
	for i, err := range []error{err1, err2, err3, err4, err5, err6, d.Publish("a", nil), kv.Delete(ctx, "k")} {
		if !errors.Is(err, bus.ErrUnavailable) {
			t.Errorf("%d: %v", i, err)
		}
	}
	// A watch that begins in an outage waits for its end.
	synced := make(chan struct{})
	go func() { _ = kv.Watch(ctx, ">", func(bus.Entry) bool { close(synced); return false }) }()
	back := make(chan struct{})
	d.OnReconnect(func() { close(back) })
	s.Start()
	s.Start()
	<-back
	<-synced
	if _, err := d.Records().Commit(ctx, bus.Write{Subject: "a"}); err != nil {
		t.Fatal(err)
	}
}

// A handler may kill its own connection, as a crash would.
func TestKillFromAHandler(t *testing.T) {
	s := membus.NewServer()
	a, b := s.Connect(), s.Connect()
	defer func() { _ = a.Close() }()
	killed := make(chan struct{})
	_, err := b.Serve("a", "", func(m bus.Msg) {
		b.(*membus.Conn).Kill() //nolint:forcetypeassert // as documented
		m.Respond([]byte("from the grave"))
		close(killed)
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if got, err := a.Request(ctx, "a", nil); !errors.Is(err, bus.ErrTimeout) {
		t.Fatalf("%s, %v", got, err)
	}
	<-killed
	if _, err := a.Request(t.Context(), "a", nil); !errors.Is(err, bus.ErrNoResponders) {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkRequest(b *testing.B) {
	d := membus.NewServer().Connect()
	defer func() { _ = d.Close() }()
	if _, err := d.Serve("a.b.*", "", func(m bus.Msg) { m.Respond(m.Data) }); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Request(b.Context(), "a.b.c", nil); err != nil {
			b.Fatal(err)
		}
	}
}
