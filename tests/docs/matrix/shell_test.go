package matrix

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// shell is one shell that a person types blocks of commands into.
type shell struct {
	stdin io.WriteCloser
	done  chan result
	cmd   *exec.Cmd

	mu  sync.Mutex
	out strings.Builder // of the present block
}

type result struct {
	out, status string
}

// mark ends a block's output, with the last command's status.
const mark = "~~done~~"

// newShell starts a shell in a directory. What it started ends with the test.
func newShell(t *testing.T, dir string) *shell {
	t.Helper()
	s := &shell{done: make(chan result, 1), cmd: exec.Command("bash")}
	s.cmd.Dir = dir
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that all of it can be ended
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stderr = s.cmd.Stdout
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// A block that fails ends the shell; what it started holds its output open.
	if _, err := io.WriteString(s.stdin, "trap 'echo; echo "+mark+"$?' EXIT\n"); err != nil {
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
			t.Logf("the shell said last:\n%s", s.out.String())
		}
	})
	return s
}

func (s *shell) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		status, ended := strings.CutPrefix(lines.Text(), mark)
		s.mu.Lock()
		if !ended {
			s.out.WriteString(lines.Text() + "\n")
			s.mu.Unlock()
			continue
		}
		r := result{s.out.String(), status}
		s.out.Reset()
		s.mu.Unlock()
		select {
		case s.done <- r:
		default: // the shell's own end
		}
	}
	close(s.done)
}

// run types a block, none of which reads what is typed after it, and waits for its end, which must be a good one. It may be called
// from any goroutine, one at a time.
func (s *shell) run(block string, within time.Duration) (string, error) {
	if _, err := io.WriteString(s.stdin, "set -e\n{\n"+block+"\n} < /dev/null\nset +e\necho; echo "+mark+"$?\n"); err != nil {
		return "", err
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
