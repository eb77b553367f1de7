package crash_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/faultbus"
	"github.com/tandem-rtc/tandem/bus/natsbus"
)

// The test binary is its own child: a role as a process of its own.
const (
	envRole  = "TANDEM_CRASH_ROLE"
	envNATS  = "TANDEM_CRASH_NATS"
	envPoint = "TANDEM_CRASH_POINT" // dies there; 0 for never
	envAddr  = "TANDEM_CRASH_ADDR"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	roles := map[string]func(context.Context, func()) error{"callstate": callState, "grpcpipe": wg2Adapter, "sylkrtc": sylkAdapter}
	role := roles[os.Getenv(envRole)]
	if role == nil {
		os.Exit(m.Run())
	}
	if err := role(context.Background(), func() { fmt.Println("ready") }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// connect gives a role's bus, with a death at the n-th point that hooks pass.
func connect(ctx context.Context, kind string, hooks func(point func(string)) faultbus.Hooks) (*bus.Bus, error) {
	c, err := natsbus.Connect(ctx, natsbus.Config{URL: os.Getenv(envNATS), Kind: kind, Node: "n1"})
	if err != nil {
		return nil, err
	}
	at, err := strconv.Atoi(os.Getenv(envPoint))
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	passed := 0
	point := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		passed++
		if passed == at {
			fmt.Println("dies", what)
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // nothing after it may happen
		}
	}
	return bus.New(faultbus.Wrap(c, hooks(point)), kind, "n1")
}

// child is a role in a process.
type child struct {
	t    *testing.T
	role string
	env  []string

	mu   sync.Mutex
	cmd  *exec.Cmd
	died string // where, once it did
	gone chan struct{}
}

// start runs a role that dies at a point, and starts it again, without one,
// when it has died.
func start(t *testing.T, role, nats string, point int, env ...string) *child {
	t.Helper()
	c := &child{t: t, role: role, env: append(env, envRole+"="+role, envNATS+"="+nats)}
	c.spawn(point)
	t.Cleanup(c.end)
	return c
}

func (c *child) spawn(point int) {
	c.t.Helper()
	cmd := exec.Command(os.Args[0]) //nolint:gosec // ourselves
	cmd.Env = append(append(os.Environ(), c.env...), fmt.Sprint(envPoint, "=", point))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	ready, gone := make(chan struct{}), make(chan struct{})
	c.mu.Lock()
	c.cmd, c.gone = cmd, gone
	c.mu.Unlock()
	go func() {
		defer close(gone)
		dead := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if lines.Text() == "ready" {
				close(ready)
			}
			if where, ok := strings.CutPrefix(lines.Text(), "dies "); ok {
				c.mu.Lock()
				c.died, dead = where, true
				c.mu.Unlock()
			}
		}
		_ = cmd.Wait()
		if dead {
			c.spawn(0)
		}
	}()
	select {
	case <-ready:
	case <-gone: // died before it was ready: the next one is up
	case <-time.After(patience):
		c.t.Errorf("%s does not start", c.role)
	}
}

// where the child died; "" if it did not.
func (c *child) where() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.died
}

// end kills what runs, by its process id.
func (c *child) end() {
	for {
		c.mu.Lock()
		cmd, gone := c.cmd, c.gone
		c.mu.Unlock()
		_ = cmd.Process.Kill()
		<-gone
		c.mu.Lock()
		last := c.cmd == cmd
		c.mu.Unlock()
		if last {
			return
		}
	}
}
