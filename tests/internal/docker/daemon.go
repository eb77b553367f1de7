package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Where Debian's packages keep the programs; other installations of the client
// on the PATH may lack BuildKit.
const (
	daemonPath = "/usr/sbin/dockerd"
	clientPath = "/usr/bin/docker"
)

// How long the daemon may take to start and to end.
const (
	startWithin = time.Minute
	stopWithin  = time.Minute
)

// Daemon is a running Docker daemon: one of our own, or, where one runs
// already, that one, since two on one machine undo each other's firewall rules.
type Daemon struct {
	host   string // for DOCKER_HOST
	cached string // the directory of what is kept between runs
	lock   *os.File

	// Of our own daemon.
	dir  string // of its socket, state and log
	cmd  *exec.Cmd
	done chan struct{}
}

// Start finds or starts a daemon, and waits while another test uses it. Stop
// must be called. The error says why Docker cannot run here.
func Start() (_ *Daemon, err error) {
	for _, path := range []string{daemonPath, clientPath, busyboxPath, "/usr/sbin/iptables"} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("run 'make setup' first: %w", err)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("no directory for images: %w", err)
	}
	d := &Daemon{cached: filepath.Join(cache, "tandem", "docker")}
	if err := os.MkdirAll(d.cached, 0o700); err != nil {
		return nil, fmt.Errorf("no directory for images: %w", err)
	}
	defer func() {
		if err != nil {
			d.Stop()
		}
	}()
	if d.lock, err = os.OpenFile(filepath.Join(d.cached, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("no directory for images: %w", err)
	}
	if err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX); err != nil {
		return nil, fmt.Errorf("lock %s: %w", d.lock.Name(), err)
	}
	if d.host = running(); d.host != "" {
		return d, nil
	}
	return d, d.start()
}

// running gives the address of a daemon that runs already, empty if there is
// none.
func running() string {
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		host = "unix:///var/run/docker.sock"
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	if _, err := (&Daemon{host: host}).Run(ctx, "version"); err != nil {
		return ""
	}
	return host
}

func (d *Daemon) start() (err error) {
	if os.Geteuid() != 0 {
		return errors.New("no Docker daemon runs here, and starting one needs root")
	}
	// A socket's path must be short, so this is not the test's own directory.
	if d.dir, err = os.MkdirTemp("", "tandem-docker-"); err != nil {
		return fmt.Errorf("no directory for the daemon: %w", err)
	}
	log, err := os.Create(filepath.Join(d.dir, "log"))
	if err != nil {
		return fmt.Errorf("no log for the daemon: %w", err)
	}
	defer func() { _ = log.Close() }() // the daemon has a copy
	d.host = "unix://" + filepath.Join(d.dir, "socket")
	d.cmd = exec.Command(daemonPath, //nolint:gosec // fixed program
		"--data-root", filepath.Join(d.cached, "data"), "--exec-root", filepath.Join(d.dir, "run"),
		"--pidfile", filepath.Join(d.dir, "pid"), "--host", d.host, "--group", "root")
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us
	if err := d.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", daemonPath, err)
	}
	d.done = make(chan struct{})
	go func() {
		_ = d.cmd.Wait() // its log says why
		close(d.done)
	}()
	return d.ready()
}

func (d *Daemon) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := d.Run(ctx, "version"); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-d.done:
			return fmt.Errorf("the Docker daemon cannot run here; it said:\n%s", d.Log())
		case <-ctx.Done():
			return fmt.Errorf("the Docker daemon is not ready after %v; it said:\n%s", startWithin, d.Log())
		}
	}
}

// Log is what our own daemon wrote.
func (d *Daemon) Log() string {
	b, _ := os.ReadFile(filepath.Join(d.dir, "log")) // of none: nothing
	return string(b)
}

// Stop ends the daemon if it is our own, and what it has left behind.
func (d *Daemon) Stop() {
	if d.done != nil {
		_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-d.done:
		case <-time.After(stopWithin):
			_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
			<-d.done
		}
		// The daemon leaves its bridge; the next one makes it anew.
		_ = exec.Command("ip", "link", "delete", "docker0").Run()
	}
	if d.dir != "" {
		_ = os.RemoveAll(d.dir)
	}
	if d.lock != nil {
		_ = d.lock.Close() // and with it the lock
	}
}
