package bus_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/bustest"
	"github.com/tandem-rtc/tandem/bus/natsbus"
)

// log is a logger's output that tests read.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.buf.String(), s)
}

func (l *log) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !f(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestFullJournalRefusesWrites(t *testing.T) {
	bustest.Full(t, connector(t, newEmbedded(t), func(c *natsbus.Config) { c.MaxBytes = 100_000 })())
}

func TestSlowConsumerLosesWhatIsTooMuchAndIsLogged(t *testing.T) {
	l := &log{}
	c := connector(t, newEmbedded(t), func(c *natsbus.Config) { c.PendingMessages, c.Logger = 10, l.logger() })()
	bustest.Slow(t, c, 10)
	until(t, "it is logged", func() bool { return l.has("slow consumer") && l.has("filter=slow") })
	if c.SlowConsumers() == 0 {
		t.Fatal("not counted")
	}
}

func TestAnswersComeOnAnInboxOfTheIdentitysOwn(t *testing.T) {
	b := newEmbedded(t)
	connect := connector(t, b)
	spy, err := nats.Connect("", nats.InProcessServer(b))
	if err != nil {
		t.Fatal(err)
	}
	defer spy.Close()
	inboxes := make(chan string, 100)
	if _, err := spy.Subscribe("_INBOX.>", func(m *nats.Msg) { inboxes <- m.Subject }); err != nil {
		t.Fatal(err)
	}
	if err := spy.Flush(); err != nil {
		t.Fatal(err)
	}
	one, two := connect(), connect()
	if _, err := two.Serve("a", "", func(m bus.Msg) { m.Respond(nil) }); err != nil {
		t.Fatal(err)
	}
	kv, err := one.KV(t.Context(), bus.KVConfig{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := one.Request(t.Context(), "a", nil)
	_, err2 := one.Records().Commit(t.Context(), bus.Write{Subject: "call.v1.rec.1.x"})
	_, err3 := one.Records().Load(t.Context(), "call.v1.rec.1.x")
	_, err4 := kv.LastRevision(t.Context())
	err5 := kv.Watch(t.Context(), ">", func(bus.Entry) bool { return false })
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	if err := spy.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(inboxes) < 5 {
		t.Fatalf("only %d answers seen", len(inboxes))
	}
	for range len(inboxes) {
		if s := <-inboxes; !strings.HasPrefix(s, "_INBOX.test.n1.") {
			t.Errorf("an answer on %s", s)
		}
	}
}

// An identity that may speak under its own name only, hear what is meant for it,
// and not touch the streams can work; what it may not do does not happen.
func TestPermissionsBindAnIdentity(t *testing.T) {
	b := newEmbedded(t)
	b.stop()
	b.opts.Users = []*server.User{
		{Username: "owner", Password: "o"},
		{Username: "sylk", Password: "s", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{
				"call.v1.cmd.sylkrtc.s1.>", "$JS.API.STREAM.INFO.KV_b", "$JS.API.STREAM.MSG.GET.KV_b", "$KV.b.sylkrtc.s1.>",
			}},
			Subscribe: &server.SubjectPermission{Allow: []string{"call.v1.ev.sylkrtc.s1.*", "_INBOX.sylkrtc.s1.>"}},
			Response:  &server.ResponsePermission{MaxMsgs: 1, Expires: time.Minute},
		}},
	}
	b.start()
	owner := connector(t, b, func(c *natsbus.Config) { c.User, c.Password = "owner", "o" })()
	l := &log{}
	sylk := connector(t, b, func(c *natsbus.Config) {
		c.User, c.Password, c.Kind, c.Node, c.Logger = "sylk", "s", "sylkrtc", "s1", l.logger()
	})()
	ctx := t.Context()
	heard := make(chan string, 10)
	echo := func(m bus.Msg) { heard <- m.Subject; m.Respond(m.Data) }
	_, err1 := owner.Serve("call.v1.cmd.>", "", echo)
	_, err2 := sylk.Serve("call.v1.ev.sylkrtc.s1.*", "", echo)
	_, err3 := owner.KV(ctx, bus.KVConfig{Bucket: "b"})
	kv, err4 := sylk.KV(ctx, bus.KVConfig{Bucket: "b"})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	_, err1 = sylk.Request(ctx, "call.v1.cmd.sylkrtc.s1.7.x", nil)
	_, err2 = owner.Request(ctx, "call.v1.ev.sylkrtc.s1.x", nil)
	_, err3 = kv.Put(ctx, "sylkrtc.s1.t", []byte("v"))
	_, err4 = kv.Get(ctx, "sylkrtc.s1.t")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	<-heard
	<-heard
	soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err1 = sylk.Request(soon, "call.v1.cmd.sylkrtc.other.7.x", nil)
	_, err2 = kv.Put(soon, "sylkrtc.other.t", nil)
	_, err3 = sylk.Records().Commit(soon, bus.Write{Subject: "call.v1.rec.7.x"})
	for i, err := range []error{err1, err2, err3} {
		if err == nil {
			t.Errorf("forbidden %d was done", i)
		}
	}
	if len(heard) != 0 {
		t.Errorf("%s was heard", <-heard)
	}
	until(t, "the violation is logged", func() bool { return l.has("ermissions") })
}

func TestConnectRefusesWhatCannotWork(t *testing.T) {
	b := newExternal(t, "--user", "u", "--pass", "p")
	for name, change := range map[string]func(*natsbus.Config){
		"no server":     func(c *natsbus.Config) { c.URL = "" },
		"no kind":       func(c *natsbus.Config) { c.Kind = "" },
		"bad node":      func(c *natsbus.Config) { c.Node = "a.b" },
		"no such file":  func(c *natsbus.Config) { c.NKeySeedFile = "/nonexistent" },
		"authorization": func(c *natsbus.Config) { c.User, c.Password = "u", "wrong" },
	} {
		cfg := b.config()
		cfg.Kind, cfg.Node = "test", "n"
		change(&cfg)
		if c, err := natsbus.Connect(t.Context(), cfg); err == nil {
			_ = c.Close()
			t.Errorf("%s: connected", name)
		}
	}
}

func TestConnectWaitsForTheServer(t *testing.T) {
	b := newExternal(t)
	b.stop()
	cfg := b.config()
	cfg.Kind, cfg.Node = "test", "n"
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := natsbus.Connect(soon, cfg); !errors.Is(err, bus.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	l := &log{}
	cfg.Logger = l.logger()
	connected := make(chan error, 1)
	go func() {
		c, err := natsbus.Connect(t.Context(), cfg)
		if err == nil {
			err = c.Close()
		}
		connected <- err
	}()
	until(t, "it is told", func() bool { return l.has("trying on") })
	b.start()
	if err := <-connected; err != nil {
		t.Fatal(err)
	}
}

// While the server is away everything fails at once, and works again after.
func TestOutage(t *testing.T) {
	b := newEmbedded(t)
	c := connector(t, b)()
	ctx := t.Context()
	kv, err := c.KV(ctx, bus.KVConfig{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Records().Usage(ctx); err != nil {
		t.Fatal(err)
	}
	b.stop()
	until(t, "the connection is lost", func() bool { return !c.NATS().IsConnected() })
	began := time.Now()
	_, err1 := c.Request(ctx, "a", nil)
	_, err2 := c.Records().Load(ctx, "a")
	_, err3 := c.Records().Commit(ctx, bus.Write{Subject: "call.v1.rec.1.a"})
	_, err4 := c.Records().Commit(ctx, bus.Write{Subject: "call.v1.rec.1.a"}, bus.Write{Subject: "call.v1.rec.1.b"})
	_, err5 := kv.Get(ctx, "k")
	_, err6 := kv.Put(ctx, "k", nil)
	_, err7 := c.Serve("a", "", func(bus.Msg) {})
	for i, err := range []error{err1, err2, err3, err4, err5, err6, err7, c.Publish("a", nil)} {
		if !errors.Is(err, bus.ErrUnavailable) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("failing took %s", took)
	}
	back := make(chan struct{}, 1)
	c.OnReconnect(func() { back <- struct{}{} })
	b.start()
	<-back
	if _, err := c.Records().Commit(ctx, bus.Write{Subject: "call.v1.rec.1.a"}); err != nil {
		t.Fatal(err)
	}
}

// The journal never answers from a replica that lags and loses nothing by age.
func TestStreamsAreAsDesigned(t *testing.T) {
	b := newEmbedded(t)
	c := connector(t, b, func(c *natsbus.Config) { c.MaxBytes = 1 << 20 })()
	ctx := t.Context()
	if _, err := c.Records().Usage(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.KV(ctx, bus.KVConfig{Bucket: "nodes", Memory: true, TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(c.NATS())
	if err != nil {
		t.Fatal(err)
	}
	stream := func(name string) jetstream.StreamConfig {
		s, err := js.Stream(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().Config
	}
	calls := stream("CALLS")
	if calls.MaxMsgsPerSubject != 1 || calls.Discard != jetstream.DiscardNew || calls.MaxBytes != 1<<20 || calls.MaxAge != 0 ||
		calls.AllowDirect || !calls.AllowAtomicPublish || !calls.AllowMsgTTL || calls.Storage != jetstream.FileStorage ||
		calls.Compression != jetstream.NoCompression {
		t.Errorf("CALLS is %+v", calls)
	}
	nodes := stream("KV_nodes")
	if nodes.AllowDirect || nodes.MaxAge != time.Minute || nodes.Storage != jetstream.MemoryStorage || nodes.MaxMsgsPerSubject != 1 {
		t.Errorf("KV_nodes is %+v", nodes)
	}
	// A later version's or operator's change of configuration is applied.
	again := connector(t, b, func(c *natsbus.Config) { c.MaxBytes, c.Compress = 2<<20, true })()
	if _, err := again.Records().Usage(ctx); err != nil {
		t.Fatal(err)
	}
	if calls = stream("CALLS"); calls.MaxBytes != 2<<20 || calls.Compression != jetstream.S2Compression {
		t.Errorf("CALLS is %+v", calls)
	}
}
