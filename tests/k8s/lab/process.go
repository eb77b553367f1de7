package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// process is a program that runs until it is stopped.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // why it did not start
}

// start starts a program; whether it works is seen by what it does.
func (c *Cluster) start(path string, args ...string) {
	p := &process{name: filepath.Base(path), done: make(chan struct{})}
	p.log = c.path(p.name + ".log")
	c.running = append(c.running, p)
	log, err := os.Create(p.log)
	if err != nil {
		p.err = err
		close(p.done)
		return
	}
	defer func() { _ = log.Close() }() // the program has a copy
	p.cmd = exec.Command(path, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = c.dir, log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.err = p.cmd.Start(); p.err != nil {
		close(p.done)
		return
	}
	go func() {
		_ = p.cmd.Wait() // its log says why
		close(p.done)
	}()
}

func (p *process) stop() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(stopWithin):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// ends gives the ends of all logs.
func (c *Cluster) ends() string {
	var b strings.Builder
	for _, p := range c.running {
		text, _ := os.ReadFile(p.log) // of none: nothing
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(&b, "%s (%v):\n%s\n", p.name, p.err, strings.Join(lines[max(0, len(lines)-8):], "\n"))
	}
	return b.String()
}

// run runs a command to its end.
func run(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput() //nolint:gosec // fixed programs
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// until waits for f to succeed.
func until(ctx context.Context, what string, f func() error) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not in time: %s: %w", what, err)
		}
	}
}
