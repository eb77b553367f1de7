package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
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

	mu   sync.Mutex
	made []string // images to be removed from a daemon that is not ours

	// Of our own daemon.
	dir  string // of its socket, state and log
	cmd  *exec.Cmd
	done chan struct{}
}

// Start finds or starts a daemon, and waits while another test uses it. Stop
// must be called. The error says why Docker cannot run here.
func Start() (_ *Daemon, err error) {
	if err := installed(clientPath); err != nil {
		return nil, err
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
	if d.host, err = running(); d.host != "" || err != nil {
		return d, err
	}
	return d, d.start()
}

func installed(paths ...string) error {
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("run 'make setup' first: %w", err)
		}
	}
	return nil
}

// running gives the address of a daemon that runs already, empty if there is
// none. One that DOCKER_HOST names must be there.
func running() (string, error) {
	host, named := os.LookupEnv("DOCKER_HOST")
	if host == "" {
		host, named = "unix:///var/run/docker.sock", false
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	_, err := (&Daemon{host: host}).Run(ctx, "version")
	switch {
	case err == nil:
		return host, nil
	case named:
		return "", fmt.Errorf("the daemon that DOCKER_HOST names: %w", err)
	default:
		return "", nil
	}
}

// Own reports whether the daemon is the tests' own: nobody else has anything there.
func (d *Daemon) Own() bool { return d.done != nil }

func (d *Daemon) start() (err error) {
	if err := installed(daemonPath, busyboxPath, "/usr/sbin/iptables"); err != nil {
		return err
	}
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

// Stop ends the daemon if it is our own, and what it has left behind; another one
// loses the images that were made there.
func (d *Daemon) Stop() {
	d.forget()
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
