// Package natstest runs NATS servers for tests and benchmarks: one inside the
// process that listens nowhere, or a nats-server process of its own.
package natstest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tandem-rtc/tandem/bus/natsbus"
)

// patience bounds how long a server may take to start.
const patience = 30 * time.Second

// Server is a NATS server for one test.
type Server interface {
	// Config says how to connect; the caller adds kind and node.
	Config() natsbus.Config
	// CPU is what this process and the server have used so far.
	CPU() time.Duration
}

type embedded struct{ s *server.Server }

// Embedded starts a server inside this process; it ends with the test.
func Embedded(t testing.TB) Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		ServerName: "embedded", DontListen: true, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("the embedded NATS server does not start")
	}
	return embedded{s}
}

func (e embedded) Config() natsbus.Config { return natsbus.Config{InProcess: e.s} }

func (e embedded) CPU() time.Duration { return ownCPU() }

// External is a nats-server process.
type external struct {
	url string
	pid int
}

// External starts nats-server as a process of its own; it ends with the test.
func External(t testing.TB) Server {
	t.Helper()
	ports := t.TempDir()
	cmd := exec.Command(Binary(t), "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", t.TempDir(), "--ports_file_dir", ports) //nolint:gosec // our own binary
	cmd.Stderr = os.Stderr
	if !testing.Verbose() {
		cmd.Stderr = nil
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	file := filepath.Join(ports, "nats-server_"+strconv.Itoa(cmd.Process.Pid)+".ports")
	return external{url: clientURL(t, file), pid: cmd.Process.Pid}
}

// clientURL waits for the file in which nats-server says where it listens.
func clientURL(t testing.TB, file string) string {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		data, err := os.ReadFile(file) //nolint:gosec // a path of ours
		if err != nil {
			continue
		}
		_, rest, ok := strings.Cut(string(data), "nats://")
		address, _, end := strings.Cut(rest, `"`)
		if !ok || !end {
			continue
		}
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = c.Close()
			return "nats://" + address
		}
	}
	t.Fatal("nats-server does not start")
	return ""
}

func (e external) Config() natsbus.Config { return natsbus.Config{URL: e.url} }

func (e external) CPU() time.Duration { return ownCPU() + processCPU(e.pid) }

// Binary finds the nats-server that `make setup` installs.
func Binary(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("nats-server"); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "tandem", "bin", "nats-server")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("nats-server is neither in $PATH nor at %s: run `make setup`", path)
	}
	return path
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// processCPU reads another process's times (proc(5), fields 14 and 15).
func processCPU(pid int) time.Duration {
	const hertz = 100 // USER_HZ on Linux
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * time.Second / hertz
}
