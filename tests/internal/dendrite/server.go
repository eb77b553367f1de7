package dendrite

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// Name is the server's name where nothing else is asked for.
const Name = "matrix.test"

const (
	keyFile    = "matrix_key.pem"
	configFile = "dendrite.yaml"
	// startWithin bounds a start on a machine with other work.
	startWithin = 60 * time.Second
)

// Options change a server.
type Options struct {
	// Name is the server's name; Name if empty.
	Name string
	// Registrations are the files of the application services, which must exist.
	Registrations []string
	// Durable keeps also what is under way, for servers that end and come back.
	Durable bool
	// LogLevel is "info" if empty.
	LogLevel string
}

// Server is one homeserver.
type Server struct {
	// URL is where its client-server API is: the same after a restart.
	URL string
	// Name is the server's name, which ends its users' ids.
	Name string

	t       testing.TB
	dir     string
	port    int
	path    string
	process *harness.Process
	http    http.Client
	txn     atomic.Int64
}

// Start starts a server and waits until it can be used. The test's end stops it.
// It fails the test if Dendrite is not there.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	path, err := Binary("dendrite")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, Name: o.Name, dir: o.dir(t), port: harness.FreePorts(t, 1)[0], path: path}
	if s.Name == "" {
		s.Name = Name
	}
	s.URL = fmt.Sprintf("http://127.0.0.1:%d", s.port)
	s.http.Timeout = requestWithin
	config, err := o.config(s.Name, s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, configFile), config, 0o600); err != nil {
		t.Fatal(err)
	}
	s.makeKey()
	s.Resume(t)
	return s
}

// memory is where most systems have a file system in memory.
const memory = "/dev/shm"

// dir makes the server's directory: in memory if there is some and nothing has to
// outlast the server's end, since waiting for a disk is most of what a server does.
func (o Options) dir(t testing.TB) string {
	t.Helper()
	if o.Durable {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "tandem-dendrite-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func (s *Server) makeKey() {
	s.t.Helper()
	path, err := Binary("generate-keys")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), startWithin)
	defer cancel()
	//nolint:gosec // found above
	out, err := exec.CommandContext(ctx, path, "--private-key", filepath.Join(s.dir, keyFile)).CombinedOutput()
	if err != nil {
		s.t.Fatalf("generate-keys: %v\n%s", err, out)
	}
}

// Resume starts the server again after Stop or Kill, with the data it had at the
// address it had, and waits until it can be used.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	s.process = harness.Start(t, harness.Command{
		Name: "dendrite", Path: s.path, Dir: s.dir,
		Args: []string{"-config", filepath.Join(s.dir, configFile), "-http-bind-address", fmt.Sprintf("127.0.0.1:%d", s.port)},
	})
	harness.AwaitHTTP(t, s.process, s.URL+"/_matrix/client/versions", startWithin)
}

// Stop ends the server in good order and waits for it.
func (s *Server) Stop() { s.process.Stop() }

// Kill ends the server without warning (kill -9) and waits for it.
func (s *Server) Kill() { s.process.Kill() }

// Log is what the running server, or the last one, wrote so far.
func (s *Server) Log() string { return s.process.Log() }
