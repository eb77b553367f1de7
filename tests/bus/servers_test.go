package bus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/natsbus"
)

// broker is a NATS server that can be restarted.
type broker interface {
	config() natsbus.Config
	restart()
}

// connector gives a test's or benchmark's connections to a broker.
func connector(t testing.TB, b broker, change ...func(*natsbus.Config)) func() *natsbus.Conn {
	n := 0
	var mu sync.Mutex
	return func() *natsbus.Conn {
		mu.Lock()
		n++
		node := fmt.Sprintf("n%d", n)
		mu.Unlock()
		cfg := b.config()
		cfg.Kind, cfg.Node = "test", node
		for _, f := range change {
			f(&cfg)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		c, err := natsbus.Connect(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
}

// embedded is a server in this process that listens nowhere.
type embedded struct {
	t    testing.TB
	opts server.Options

	mu sync.Mutex
	s  *server.Server
}

func newEmbedded(t testing.TB) *embedded {
	t.Helper()
	e := &embedded{t: t, opts: server.Options{
		ServerName: "embedded", DontListen: true, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	}}
	e.start()
	t.Cleanup(e.stop)
	return e
}

func (e *embedded) start() {
	e.t.Helper()
	e.begin()
	if !e.current().ReadyForConnections(20 * time.Second) {
		e.t.Fatal("the embedded server does not start")
	}
}

// begin starts without waiting: a member of a cluster waits for the others.
func (e *embedded) begin() {
	e.t.Helper()
	opts := e.opts
	s, err := server.NewServer(&opts)
	if err != nil {
		e.t.Fatal(err)
	}
	s.Start()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s = s
}

func (e *embedded) current() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.s
}

func (e *embedded) stop() {
	s := e.current()
	s.Shutdown()
	s.WaitForShutdown()
}

func (e *embedded) restart() {
	e.stop()
	e.start()
}

// InProcessConn implements nats.InProcessConnProvider for whichever server runs.
func (e *embedded) InProcessConn() (net.Conn, error) { return e.current().InProcessConn() }

func (e *embedded) config() natsbus.Config { return natsbus.Config{InProcess: e} }

// external is a nats-server process.
type external struct {
	t    testing.TB
	dir  string
	port int
	args []string
	cmd  *exec.Cmd
}

func newExternal(t testing.TB, args ...string) *external {
	t.Helper()
	e := &external{t: t, dir: t.TempDir(), port: -1, args: args}
	e.start()
	t.Cleanup(e.stop)
	return e
}

// natsServer finds the binary that `make setup` installs.
func natsServer(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("nats-server"); err == nil {
		return path
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	path := filepath.Join(cache, "tandem", "bin", "nats-server")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("nats-server is neither in $PATH nor at %s: run `make setup`", path)
	}
	return path
}

// start runs the server on a port of the kernel's choice, a restarted one on the
// port it had.
func (e *external) start() {
	e.t.Helper()
	log, err := os.Create(filepath.Join(e.dir, "log"))
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	ports := filepath.Join(e.dir, "ports")
	if err := os.RemoveAll(ports); err != nil {
		e.t.Fatal(err)
	}
	if err := os.Mkdir(ports, 0o700); err != nil {
		e.t.Fatal(err)
	}
	args := append([]string{
		"-a", "127.0.0.1", "-p", fmt.Sprint(e.port), "-js", "-sd", filepath.Join(e.dir, "store"), "--ports_file_dir", ports,
	}, e.args...)
	e.cmd = exec.Command(natsServer(e.t), args...) //nolint:gosec // our own binary
	e.cmd.Stdout, e.cmd.Stderr = log, log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	e.port = e.readPort(ports)
}

// readPort waits for the file in which the server tells where it listens.
func (e *external) readPort(dir string) int {
	e.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		files, _ := filepath.Glob(filepath.Join(dir, "*.ports"))
		if len(files) == 0 {
			continue
		}
		text, err := os.ReadFile(files[0])
		var told struct{ Nats []string }
		if err != nil || json.Unmarshal(text, &told) != nil || len(told.Nats) == 0 {
			continue // half written
		}
		var port int
		if _, err := fmt.Sscanf(told.Nats[0][strings.LastIndexByte(told.Nats[0], ':'):], ":%d", &port); err != nil {
			e.t.Fatal(err)
		}
		return port
	}
	text, _ := os.ReadFile(filepath.Join(e.dir, "log"))
	e.t.Fatalf("nats-server does not start:\n%s", text)
	return 0
}

func (e *external) stop() {
	_ = e.cmd.Process.Kill() // as hard as it gets
	_ = e.cmd.Wait()
}

func (e *external) restart() {
	e.stop()
	e.start()
}

func (e *external) config() natsbus.Config {
	return natsbus.Config{URL: fmt.Sprintf("nats://127.0.0.1:%d", e.port)}
}

// brokers are the two ways that Tandem runs NATS.
func brokers() map[string]func(testing.TB) broker {
	return map[string]func(testing.TB) broker{
		"Embedded": func(t testing.TB) broker { return newEmbedded(t) },
		"External": func(t testing.TB) broker { return newExternal(t) },
	}
}

// drivers makes plain drivers of a connector's connections.
func drivers(connect func() *natsbus.Conn) func() bus.Driver {
	return func() bus.Driver { return connect() }
}
