package faultbus_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/bustest"
	"github.com/tandem-rtc/tandem/bus/faultbus"
	"github.com/tandem-rtc/tandem/bus/membus"
)

// Without a fault a wrapped driver is a driver like others.
func TestSuite(t *testing.T) {
	bustest.Run(t, func(*testing.T) (func() bus.Driver, func()) {
		s := membus.NewServer()
		pass := func(faultbus.Op) error { return nil }
		h := faultbus.Hooks{BeforeRequest: pass, AfterRequest: pass, BeforeRespond: pass, BeforeHandle: pass, AfterCommit: pass,
			BeforePut: pass, AfterPut: pass}
		return func() bus.Driver { return faultbus.Wrap(s.Connect(), h) }, s.Restart
	})
}

// trace is a connection whose hooks note their calls and fail where told.
type trace struct {
	mu    sync.Mutex
	calls []string
	fail  map[string]error
}

func (tr *trace) hook(name string) faultbus.Hook {
	return func(op faultbus.Op) error {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.calls = append(tr.calls, name+" "+op.Subject+" "+string(op.Data))
		return tr.fail[name]
	}
}

func (tr *trace) wrap(d bus.Driver) bus.Driver {
	return faultbus.Wrap(d, faultbus.Hooks{
		BeforeRequest: tr.hook("before request"), AfterRequest: tr.hook("after request"),
		BeforePublish: tr.hook("before publish"), AfterPublish: tr.hook("after publish"),
		BeforeCommit: tr.hook("before commit"), AfterCommit: tr.hook("after commit"),
		BeforePut: tr.hook("before put"), AfterPut: tr.hook("after put"),
		BeforeRespond: tr.hook("before respond"), AfterRespond: tr.hook("after respond"),
		BeforeHandle: tr.hook("before handle"), AfterHandle: tr.hook("after handle"),
	})
}

func TestHooksAreCalledAround(t *testing.T) {
	s := membus.NewServer()
	tr := &trace{}
	d := tr.wrap(s.Connect())
	defer func() { _ = d.Close() }()
	if _, err := d.Serve("a", "", func(m bus.Msg) { m.Respond([]byte("answer")) }); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Request(t.Context(), "a", []byte("question")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Records().Commit(t.Context(), bus.Write{Subject: "r", Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if err := d.Publish("b", []byte("news")); err != nil {
		t.Fatal(err)
	}
	_ = d.Close() // the handler is through
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var order []string
	for _, c := range tr.calls { // what the two goroutines do side by side is not ordered
		if c != "after respond a answer" && c != "after handle a question" {
			order = append(order, c)
		}
	}
	want := []string{
		"before request a question", "before handle a question", "before respond a answer", "after request a question",
		"before commit r x", "after commit r x", "before publish b news", "after publish b news",
	}
	if !reflect.DeepEqual(order, want) {
		t.Fatalf("got %q, want %q", order, want)
	}
}

func TestFaults(t *testing.T) {
	other := errors.New("other")
	cases := []struct {
		at                   string
		fail                 error
		request, commit, pub error // what the caller gets
		handled, stored      bool  // what happened nevertheless
	}{
		{at: "none", handled: true, stored: true},
		{at: "before request", fail: faultbus.ErrLost, request: bus.ErrTimeout, stored: true},
		{at: "after request", fail: faultbus.ErrLost, request: bus.ErrTimeout, handled: true, stored: true},
		{at: "before request", fail: other, request: other, stored: true},
		{at: "after request", fail: other, request: other, handled: true, stored: true},
		{at: "before handle", fail: faultbus.ErrLost, request: bus.ErrTimeout, stored: true},
		{at: "before respond", fail: faultbus.ErrLost, request: bus.ErrTimeout, handled: true, stored: true},
		{at: "before commit", fail: faultbus.ErrLost, commit: bus.ErrUnavailable, handled: true},
		{at: "after commit", fail: faultbus.ErrLost, commit: bus.ErrUnavailable, handled: true, stored: true},
		{at: "before commit", fail: other, commit: other, handled: true},
		{at: "after commit", fail: other, commit: other, handled: true, stored: true},
		{at: "before publish", fail: faultbus.ErrLost, handled: true, stored: true},
		{at: "after publish", fail: other, pub: other, handled: true, stored: true},
	}
	for _, c := range cases {
		t.Run(c.at, func(t *testing.T) {
			s := membus.NewServer()
			d := (&trace{fail: map[string]error{c.at: c.fail}}).wrap(s.Connect())
			defer func() { _ = d.Close() }()
			handled := make(chan struct{}, 1)
			if _, err := d.Serve("a", "", func(m bus.Msg) { handled <- struct{}{}; m.Respond(nil) }); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if _, err := d.Request(ctx, "a", nil); !errors.Is(err, c.request) {
				t.Errorf("request: %v, want %v", err, c.request)
			}
			if got := len(handled) == 1; got != c.handled {
				t.Errorf("handled: %v", got)
			}
			if _, err := d.Records().Commit(t.Context(), bus.Write{Subject: "r"}); !errors.Is(err, c.commit) {
				t.Errorf("commit: %v, want %v", err, c.commit)
			}
			if _, err := d.Records().Load(t.Context(), "r"); (err == nil) != c.stored {
				t.Errorf("stored: %v", err)
			}
			if err := d.Publish("b", nil); !errors.Is(err, c.pub) {
				t.Errorf("publish: %v, want %v", err, c.pub)
			}
		})
	}
}

// What is written to a bucket is seen by its hooks, who may lose it or hide that it
// is there.
func TestBuckets(t *testing.T) {
	for _, c := range []struct {
		at     string
		stored bool
	}{{at: "before put"}, {at: "after put", stored: true}} {
		t.Run(c.at, func(t *testing.T) {
			tr := &trace{}
			d := tr.wrap(membus.NewServer().Connect())
			defer func() { _ = d.Close() }()
			kv, err := d.KV(t.Context(), bus.KVConfig{Bucket: "b"})
			if err != nil {
				t.Fatal(err)
			}
			revision, err := kv.Put(t.Context(), "k", []byte("1"))
			if err != nil {
				t.Fatal(err)
			}
			tr.mu.Lock()
			tr.fail = map[string]error{c.at: faultbus.ErrLost}
			tr.mu.Unlock()
			if _, err := kv.Update(t.Context(), "k", []byte("2"), revision); !errors.Is(err, bus.ErrUnavailable) {
				t.Errorf("update: %v", err)
			}
			if e, err := kv.Get(t.Context(), "k"); err != nil || string(e.Value) == "2" != c.stored {
				t.Errorf("there is %q, %v", e.Value, err)
			}
			if err := kv.Delete(t.Context(), "k"); !errors.Is(err, bus.ErrUnavailable) {
				t.Errorf("delete: %v", err)
			}
			if _, err := kv.Get(t.Context(), "k"); errors.Is(err, bus.ErrNotFound) != c.stored {
				t.Errorf("after the removal: %v", err)
			}
			want := []string{"before put b.k 1", "after put b.k 1", "before put b.k 2", "before put b.k "}
			if c.stored {
				want = []string{"before put b.k 1", "after put b.k 1", "before put b.k 2", "after put b.k 2", "before put b.k ", "after put b.k "}
			}
			if !reflect.DeepEqual(tr.calls, want) {
				t.Errorf("got %q, want %q", tr.calls, want)
			}
		})
	}
}

// A hook may kill the connection as the death of the process would.
func TestHookMayKill(t *testing.T) {
	s := membus.NewServer()
	conn := s.Connect()
	d := faultbus.Wrap(conn, faultbus.Hooks{AfterCommit: func(faultbus.Op) error {
		conn.(*membus.Conn).Kill() //nolint:forcetypeassert // as documented
		return bus.ErrClosed
	}})
	if _, err := d.Records().Commit(t.Context(), bus.Write{Subject: "r"}); !errors.Is(err, bus.ErrClosed) {
		t.Fatal(err)
	}
	if err := d.Publish("a", nil); !errors.Is(err, bus.ErrClosed) {
		t.Fatal(err)
	}
	if _, err := s.Connect().Records().Load(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
}
