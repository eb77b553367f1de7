package embednats

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	cfg.Name, cfg.Log = "test", slog.New(slog.DiscardHandler)
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func TestStoresAcrossRestarts(t *testing.T) {
	dir := t.TempDir()
	for i, want := range []uint64{1, 2} {
		s := start(t, Config{StoreDir: dir})
		if s.URL() != "" {
			t.Errorf("listens on %s unasked", s.URL())
		}
		nc, err := nats.Connect("", nats.InProcessServer(s))
		if err != nil {
			t.Fatal(err)
		}
		js, err := nc.JetStream()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.AddStream(&nats.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
			t.Fatal(err)
		}
		ack, err := js.Publish("s", []byte("x"))
		if err != nil || ack.Sequence != want {
			t.Errorf("start %d: %v, %v", i, ack, err)
		}
		nc.Close()
		s.Stop()
	}
}

func TestListensWithPassword(t *testing.T) {
	s := start(t, Config{StoreDir: t.TempDir(), Listen: "127.0.0.1:0", User: "u", Password: "p"})
	if _, err := nats.Connect(s.URL(), nats.Timeout(5*time.Second)); err == nil {
		t.Error("takes a client without the password")
	}
	for _, opts := range [][]nats.Option{{}, {nats.InProcessServer(s)}} {
		nc, err := nats.Connect(s.URL(), append(opts, nats.UserInfo("u", "p"))...)
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
	}
}

func TestPortTaken(t *testing.T) {
	s := start(t, Config{StoreDir: t.TempDir(), Listen: "127.0.0.1:0"})
	_, err := Start(Config{Name: "b", StoreDir: t.TempDir(), Listen: s.Addr().String(), Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Error("no error")
	}
}
