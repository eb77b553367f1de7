package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stopWithin is how long a process may take to end in good order.
const stopWithin = 10 * time.Second

// logKept bounds what is kept of a process's output: its end.
const logKept = 256 << 10

// Process is one started program. It owns its process group, so that ending it
// ends what it started, and nothing else.
type Process struct {
	name string
	cmd  *exec.Cmd
	out  *tail
	errs *tail
	done chan struct{}
	err  error // valid after done
}

// Command describes a program to start.
type Command struct {
	// Name is how logs call it.
	Name string
	// Path and Args are the program.
	Path string
	Args []string
	// Env is added to the environment of the test.
	Env []string
	// Dir is the working directory; empty for the test's own.
	Dir string
	// Lines gets every complete line of standard output, in order; may be nil.
	Lines func(line string)
}

// Start runs a program until the test ends. At the test's end it is stopped,
// and what it wrote is logged if the test failed.
func Start(t testing.TB, c Command) *Process {
	t.Helper()
	p, err := start(c)
	if err != nil {
		t.Fatalf("start %s: %v", c.Name, err)
	}
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("%s:\n%s", p.name, p.Log())
		}
	})
	return p
}

func start(c Command) (*Process, error) {
	p := &Process{name: c.Name, out: &tail{lines: c.Lines}, errs: &tail{}, done: make(chan struct{})}
	p.cmd = exec.Command(c.Path, c.Args...) //nolint:gosec // the test says what runs
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.Dir = c.Dir
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.errs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A grandchild that keeps the pipes open must not hold Wait up for ever.
	p.cmd.WaitDelay = 2 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Pid is the process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed once the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stdout is what the process wrote so far to standard output.
func (p *Process) Stdout() string { return p.out.String() }

// Log is what the process wrote so far, both outputs.
func (p *Process) Log() string {
	return strings.TrimSpace(p.out.String() + "\n" + p.errs.String())
}

// Stop asks the process to end and makes it after a while. It blocks until the
// process has ended and may be called again.
func (p *Process) Stop() {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopWithin):
		p.Kill()
	}
}

// Kill ends the process without warning (kill -9) and waits until it has ended.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// Interrupt is what Ctrl-C does; it does not wait.
func (p *Process) Interrupt() { p.signal(syscall.SIGINT) }

func (p *Process) signal(s syscall.Signal) {
	select {
	case <-p.done: // its id may belong to another by now
	default:
		_ = syscall.Kill(-p.Pid(), s) // it may have ended just now
	}
}

// Exit waits for the process to end by itself and gives its exit status, or an
// error if it is still running after a while.
func (p *Process) Exit(within time.Duration) (int, error) {
	select {
	case <-p.done:
	case <-time.After(within):
		return -1, fmt.Errorf("%s still runs after %v", p.name, within)
	}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		return -1, fmt.Errorf("%s: %w", p.name, p.err)
	}
	return p.cmd.ProcessState.ExitCode(), nil
}

// descendants gives the ids of all processes below one.
func descendants(pid int) (all []int) {
	children := make(map[int][]int)
	entries, _ := os.ReadDir("/proc") // none: none are found
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// The name, in parentheses, may hold anything; state and parent follow it.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], id)
		}
	}
	for next := []int{pid}; len(next) > 0; next = next[1:] {
		all = append(all, children[next[0]]...)
		next = append(next, children[next[0]]...)
	}
	return all
}

// tail is a writer that keeps the end of what is written.
type tail struct {
	mu    sync.Mutex
	data  []byte
	rest  []byte // begun line
	lines func(string)
}

var _ io.Writer = (*tail)(nil)

// Write implements io.Writer. It calls lines without holding the lock.
func (w *tail) Write(b []byte) (int, error) {
	w.mu.Lock()
	w.data = append(w.data, b...)
	if over := len(w.data) - logKept; over > 0 {
		w.data = append(w.data[:0], w.data[over:]...)
	}
	w.mu.Unlock()
	if w.lines == nil {
		return len(b), nil
	}
	w.rest = append(w.rest, b...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 {
			return len(b), nil
		}
		w.lines(string(w.rest[:i]))
		w.rest = w.rest[i+1:]
	}
}

// String is what is kept.
func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.data)
}
