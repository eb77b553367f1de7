package permissions

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/natsbus"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/natstest"
)

// Three servers with the configuration made for them form a cluster that keeps
// three copies; roles at different servers reach each other.
func TestCluster(t *testing.T) {
	dir := t.TempDir()
	urls := startCluster(t, dir)
	connect := func(role string, server int, change func(*natsbus.Config)) *natsbus.Conn {
		t.Helper()
		cfg := natsbus.Config{
			URL: urls[server], Kind: role, Node: "n1", Replicas: 3, NKeySeedFile: filepath.Join(dir, role+".nk"),
			WriteTimeout: 30 * time.Second,
		}
		change(&cfg)
		c, err := natsbus.Connect(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	owner := connect("callstate", 0, func(*natsbus.Config) {})
	adapter := connect("sylkrtc", 1, func(c *natsbus.Config) { c.Foreign = []string{"KV_nodes", "KV_terminals"} })
	operator := connect("admin", 2, func(c *natsbus.Config) {
		c.Foreign, c.APIPrefix = []string{"CALLS"}, "tandem.journal.API"
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	harness.Eventually(t, time.Minute, "the tables are made", func() (bool, string) {
		err := bus.OpenTables(ctx, owner, 4*time.Second)
		return err == nil, fmt.Sprint(err)
	})

	if _, err := owner.Serve("call.v1.cmd.*.*.5.*", "", func(m bus.Msg) { m.Respond([]byte(m.Subject)) }); err != nil {
		t.Fatal(err)
	}
	// Other servers hear of it in a moment.
	harness.Eventually(t, time.Minute, "a command reaches its owner", func() (bool, string) {
		answer, err := adapter.Request(ctx, "call.v1.cmd.sylkrtc.n1.5.c", nil)
		return string(answer) == "call.v1.cmd.sylkrtc.n1.5.c", fmt.Sprint(err)
	})
	nodes, err := adapter.KV(ctx, bus.KVConfig{Bucket: "nodes", Memory: true, TTL: 4 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	rev, err := nodes.Put(ctx, "sylkrtc.n1", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := nodes.DeleteAt(ctx, "sylkrtc.n1", rev); err != nil {
		t.Error(err)
	}
	own, err := adapter.KV(ctx, bus.KVConfig{Bucket: "adapter"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.Put(ctx, "sylkrtc.x", []byte("mine")); err != nil {
		t.Error(err)
	}
	if _, err := owner.Records().Commit(ctx, bus.Write{Subject: "call.v1.rec.5.c.a.b", Data: []byte("record")}); err != nil {
		t.Fatal(err)
	}
	if r, err := operator.Records().Load(ctx, "call.v1.rec.5.c.*.*"); err != nil || string(r.Data) != "record" {
		t.Errorf("the operator reads %q, %v", r.Data, err)
	}
	short, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	if _, err := operator.Records().Commit(short, bus.Write{Subject: "call.v1.rec.5.c.a.b", Data: []byte("x"), Expect: 1}); err == nil {
		t.Error("the operator writes records")
	}
}

// startCluster runs three servers and gives their URLs.
func startCluster(t *testing.T, dir string) (urls []string) {
	t.Helper()
	var routes, clients []string
	for range 3 {
		routes, clients = append(routes, freePort(t)), append(clients, freePort(t))
	}
	for i, client := range clients {
		config := exec.CommandContext(t.Context(), binary.Path, "nats-config", "--out", dir, "--servers", strings.Join(routes, ","),
			"--routes", routes[i], "--listen", client, "--monitor", "", "--store", filepath.Join(t.TempDir(), "data"))
		if out, err := config.CombinedOutput(); err != nil {
			t.Fatalf("tandem nats-config: %v\n%s", err, out)
		}
		file := filepath.Join(dir, fmt.Sprintf("nats-%d.conf", i)) // beside accounts.conf
		if err := os.Rename(filepath.Join(dir, "nats.conf"), file); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("nats-%d", i)
		harness.Start(t, harness.Command{
			Name: name, Path: natstest.Binary(t), Args: []string{"-c", file}, Env: []string{"NATS_SERVER_NAME=" + name},
		})
		urls = append(urls, "nats://"+client)
	}
	return urls
}

// freePort gives an address that is free now: servers of a cluster must know all
// of theirs before they start.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
