package exchange

import (
	"slices"
	"sync"

	"github.com/tandem-rtc/tandem/bus/natsbus"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/roles"
)

// ready is what /readyz says: whether every role is ready and reaches the bus, and
// what is to be said, a line a role. Reasons why no calls can be taken although
// the process itself is well are told too; they do not make it unready, since
// ending or avoiding it would not help.
func (x *Exchange) ready() (ok bool, reasons []string) {
	ok, waiting := x.status.Ready()
	switch {
	case !ok && len(waiting) == 0:
		return false, []string{"ending: no new calls are taken"}
	case !ok:
		first := waiting[0]
		reason := first + ": starting"
		if !slices.Contains([]string{"admin", config.RoleNATS, config.RoleConsole}, first) && !x.conns.has(first) {
			reason += ", the bus is not reached yet"
		}
		reasons = append(reasons, reason)
		for _, role := range waiting[1:] {
			reasons = append(reasons, role+": waits for "+first)
		}
	}
	away := x.conns.away()
	for _, role := range away {
		ok, reasons = false, append(reasons, role+": the bus is away")
	}
	if s := x.callState.Load(); s != nil && !slices.Contains(away, config.RoleCallState) {
		for _, problem := range s.Problems() {
			reasons = append(reasons, config.RoleCallState+": "+problem)
		}
	}
	return ok, reasons
}

// reachesBus reports whether this process has the connections to the bus that it
// needs. One with the page alone, which may not ask for calls, needs none.
func (x *Exchange) reachesBus() bool {
	return len(x.conns.away()) == 0 && (x.conns.any() || !x.needsBus())
}

func (x *Exchange) needsBus() bool {
	return x.showsCalls() || slices.ContainsFunc(x.roles(), func(r roles.Role) bool {
		return !slices.Contains([]string{"admin", "bus", config.RoleConsole}, r.Name)
	})
}

// connections are a process's connections to the bus, by the role that has them.
type connections struct {
	mu    sync.Mutex
	open  map[string]*natsbus.Conn
	slows uint64 // of those that are closed
}

// add keeps a connection until the returned func is called.
func (c *connections) add(role string, conn *natsbus.Conn) (forget func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[string]*natsbus.Conn{}
	}
	c.open[role] = conn
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.slows += conn.SlowConsumers()
		delete(c.open, role)
	}
}

// away lists the roles whose connection is not there now, sorted.
func (c *connections) away() (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for role, conn := range c.open {
		if !conn.NATS().IsConnected() {
			names = append(names, role)
		}
	}
	slices.Sort(names)
	return names
}

// has reports whether a role has a connection.
func (c *connections) has(role string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open[role] != nil
}

// any reports whether there are connections, away or not.
func (c *connections) any() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open) > 0
}

// slow counts how often a subscription began to drop messages.
func (c *connections) slow() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.slows
	for _, conn := range c.open {
		n += conn.SlowConsumers()
	}
	return n
}
