package crash_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
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
	roles := map[string]func(context.Context, func()) error{
		"callstate": callState, "grpcpipe": wg2Adapter, "sylkrtc": sylkAdapter, "matrix": matrixAdapter,
	}
	role := roles[os.Getenv(envRole)]
	if role == nil {
		// Those that run side by side wait for most of the time.
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
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
	f, err := newFuse()
	if err != nil {
		return nil, err
	}
	return bus.New(faultbus.Wrap(c, hooks(f.point)), kind, "n1")
}

// child is a role in a process.
type child struct {
	t    *testing.T
	role string
	env  []string

	mu   sync.Mutex
	cmd  *exec.Cmd
	life int    // how manyeth process it is
	died string // where, once it did
	gone chan struct{}
	in   io.Writer   // what it is told
	out  chan string // what it answers
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
	in, err := cmd.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	ready, gone := make(chan struct{}), make(chan struct{})
	c.mu.Lock()
	c.life++
	c.cmd, c.gone, c.in, c.out = cmd, gone, in, make(chan string, 1)
	answers := c.out
	c.mu.Unlock()
	go func() {
		defer close(gone)
		dead := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if lines.Text() == "ready" {
				close(ready)
			}
			if answer, ok := strings.CutPrefix(lines.Text(), "passed "); ok {
				answers <- answer
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

// first is closed when the child's present process has ended.
func (c *child) first() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// where the child died; "" if it did not.
func (c *child) where() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.died
}

// rearm has the child die at the point of a name, or never, and gives the names of
// the points that it had passed since it was told so last.
func (c *child) rearm(name string) (passed []string) {
	c.t.Helper()
	for limit := time.After(patience); ; {
		c.mu.Lock()
		in, out, gone := c.in, c.out, c.gone
		c.died = ""
		c.mu.Unlock()
		if _, err := fmt.Fprintln(in, name); err == nil {
			select {
			case answer := <-out:
				return strings.Split(answer, ";")
			case <-gone:
			case <-limit:
				c.t.Fatalf("%s does not answer", c.role)
			}
		}
		select { // it died just before: the next one is told
		case <-gone:
		case <-limit:
			c.t.Fatalf("%s does not end", c.role)
		}
		c.awaitOther(gone)
	}
}

// awaitOther waits until another process has taken the place of one that is gone.
func (c *child) awaitOther(gone <-chan struct{}) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		c.mu.Lock()
		other := c.gone != gone
		c.mu.Unlock()
		if other {
			return
		}
	}
}

// lives gives how many processes there have been.
func (c *child) lives() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life
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
