package shell

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Options say where a shell runs.
type Options struct {
	// Dir is the working directory.
	Dir string
	// Env is added to the environment of the test.
	Env []string
}

// Shell is one shell that a person types blocks of commands into. Run may be called
// from any goroutine, one at a time.
type Shell struct {
	stdin io.WriteCloser
	done  chan result
	cmd   *exec.Cmd

	mu  sync.Mutex
	out strings.Builder // of the present block
	all strings.Builder // of those before, if the test fails
	end bool            // the shell has ended; what it started may hold its output open
}

type result struct {
	out, status string
}

// mark ends a block's output, ended a shell's, with the last command's status.
const (
	mark  = "~~done~~"
	ended = "ended "
)

// New starts a shell. What it started ends with the test.
func New(t testing.TB, o Options) *Shell {
	t.Helper()
	return begin(t, o, exec.Command("bash"))
}

func begin(t testing.TB, o Options, cmd *exec.Cmd) *Shell {
	t.Helper()
	s := &Shell{done: make(chan result, 1), cmd: cmd}
	s.cmd.Dir, s.cmd.Env = o.Dir, append(os.Environ(), o.Env...)
	if s.cmd.SysProcAttr == nil {
		s.cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	s.cmd.SysProcAttr.Setpgid = true // so that all of it can be ended
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stderr = s.cmd.Stdout
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start a shell: %v", err)
	}
	// A block that fails ends the shell.
	if _, err := io.WriteString(s.stdin, "trap 'status=$?; echo; echo \""+mark+ended+"$status\"' EXIT\n"); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { // ends with the shell's output
		defer close(read)
		s.read(stdout)
	}()
	t.Cleanup(func() {
		_ = s.stdin.Close()
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // the group; it may have ended
		<-read
		_ = s.cmd.Wait()
		if t.Failed() {
			s.mu.Lock()
			defer s.mu.Unlock()
			t.Logf("the shell said:\n%s%s", s.all.String(), s.out.String())
		}
	})
	return s
}

func (s *Shell) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		status, marked := strings.CutPrefix(lines.Text(), mark)
		s.mu.Lock()
		if !marked {
			s.out.WriteString(lines.Text() + "\n")
			s.mu.Unlock()
			continue
		}
		var r result
		r.out = s.out.String()
		r.status, s.end = strings.CutPrefix(status, ended)
		s.all.WriteString(r.out)
		s.out.Reset()
		s.mu.Unlock()
		select {
		case s.done <- r:
		default: // the shell's own end
		}
	}
	close(s.done)
}

// Try types a block, none of which reads what is typed after it, and waits for its
// end. It gives what was written meanwhile, by what runs in the background too, and
// an error if a command failed; then the shell has ended.
func (s *Shell) Try(block string, within time.Duration) (string, error) {
	s.mu.Lock()
	end := s.end
	s.mu.Unlock()
	if end {
		return "", errors.New("the shell has ended")
	}
	if _, err := io.WriteString(s.stdin, "set -e\n{\n"+block+"\n} < /dev/null\nset +e\necho; echo "+mark+"0\n"); err != nil {
		return "", fmt.Errorf("the shell has ended: %w", err)
	}
	select {
	case r, ok := <-s.done:
		if !ok || r.status != "0" {
			return r.out, fmt.Errorf("status %q of\n%s\nwhich said\n%s", r.status, block, r.out)
		}
		return r.out, nil
	case <-time.After(within):
		return "", fmt.Errorf("no end within %v of\n%s", within, block)
	}
}

// Run is Try for a block that must go well.
func (s *Shell) Run(t testing.TB, block string, within time.Duration) string {
	t.Helper()
	out, err := s.Try(block, within)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
