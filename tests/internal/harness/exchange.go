package harness

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Topology is how an exchange is spread over processes.
type Topology int

const (
	// AllInOne is "tandem serve" alone, NATS inside.
	AllInOne Topology = iota
	// Split is one process per role, each with its own identity on an external
	// nats-server.
	Split
)

// String names the topology in test names.
func (t Topology) String() string {
	if t == Split {
		return "split"
	}
	return "all-in-one"
}

// roles are what each process of a split exchange does.
var roles = []string{"directory", "media", "callstate", "sylkrtc", "grpcpipe", "console"}

// startWithin bounds the start of one process, on a machine with other work.
const startWithin = 30 * time.Second

// Options change an exchange.
type Options struct {
	// Set are configuration keys and values, for every process.
	Set map[string]string
	// Roles are adapters that a split exchange has besides the usual ones.
	Roles []string
}

// Exchange is a running exchange with the demo accounts.
type Exchange struct {
	t      testing.TB
	binary Binary
	// URL is where the page is.
	URL string
	// GRPC is the host and port of the gRPC adapter.
	GRPC string
	// Admin is the base URL of the operator's API of the process that owns calls.
	Admin string
	// NATS is the server's URL, and Identities the directory of everybody's keys, if
	// the exchange is split.
	NATS, Identities string
	// Processes are the running ones by role; "all" for a single one.
	Processes map[string]*Process

	admin    map[string]int // ports, by role
	commands map[string]Command
}

// StartExchange starts an exchange with data of its own and waits until every
// process is ready. The test's end stops it.
func StartExchange(t testing.TB, b Binary, topology Topology, o Options) *Exchange {
	t.Helper()
	x := &Exchange{
		t: t, binary: b, Processes: make(map[string]*Process), admin: make(map[string]int), commands: make(map[string]Command),
	}
	dir := t.TempDir()
	if topology == AllInOne {
		p := FreePorts(t, 4)
		x.URL = fmt.Sprintf("http://127.0.0.1:%d", p[0])
		x.GRPC = fmt.Sprintf("127.0.0.1:%d", p[1])
		x.start("all", dir, p[3], o, map[string]string{
			"sylkrtc.listen":  fmt.Sprintf("127.0.0.1:%d", p[0]),
			"grpcpipe.listen": x.GRPC,
			"media.listen":    fmt.Sprintf("127.0.0.1:%d", p[2]),
		})
		x.Admin = x.adminOf("all")
		x.ready()
		return x
	}
	x.split(dir, o)
	return x
}

func (x *Exchange) split(dir string, o Options) {
	x.t.Helper()
	roles := append(slices.Clone(roles), o.Roles...)
	p := FreePorts(x.t, 5+len(roles))
	x.NATS = fmt.Sprintf("nats://127.0.0.1:%d", p[0])
	x.startNATS(filepath.Join(dir, "identities"), filepath.Join(dir, "nats"), p[0])
	x.GRPC = fmt.Sprintf("127.0.0.1:%d", p[1])
	for i, role := range roles {
		x.start(role, filepath.Join(dir, role), p[5+i], o, map[string]string{
			"nats.url":        x.NATS,
			"nats.identities": x.identity(role),
			"secret":          "a secret that only this test knows",
			"node":            role + "-1",
			"grpcpipe.listen": x.GRPC,
			"media.listen":    fmt.Sprintf("127.0.0.1:%d", p[2]),
			"sylkrtc.listen":  fmt.Sprintf("127.0.0.1:%d", p[3]),
			"console.listen":  fmt.Sprintf("127.0.0.1:%d", p[4]),
		})
	}
	x.Admin = x.adminOf("callstate")
	x.ready()
	x.URL = newSite(x.t, loopback(p[3]), forward(loopback(p[4]))).URL
}

func (x *Exchange) start(role, dir string, admin int, o Options, set map[string]string) {
	x.t.Helper()
	args := []string{"serve", "--roles", role}
	set["data_dir"] = dir
	set["admin.listen"] = fmt.Sprintf("127.0.0.1:%d", admin)
	set["demo"] = "true"
	for k, v := range o.Set {
		set[k] = v
	}
	for k, v := range set {
		args = append(args, "--set", k+"="+v)
	}
	x.admin[role] = admin
	x.commands[role] = Command{Name: "tandem " + role, Path: x.binary.Path, Args: args}
	x.Processes[role] = Start(x.t, x.commands[role])
}

// Resume starts a role's process again, which has ended, and waits until it is
// ready. It runs as long as the exchange.
func (x *Exchange) Resume(t testing.TB, role string) {
	t.Helper()
	x.Processes[role] = Start(x.t, x.commands[role])
	AwaitHTTP(t, x.Processes[role], x.adminOf(role)+"/readyz", startWithin)
}

func (x *Exchange) ready() {
	x.t.Helper()
	for role := range x.admin {
		AwaitHTTP(x.t, x.Processes[role], x.adminOf(role)+"/readyz", startWithin)
	}
}

// adminOf is the base URL of the operator's API of a role's process.
func (x *Exchange) adminOf(role string) string {
	port, ok := x.admin[role]
	if !ok {
		port = x.admin["all"]
	}
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}
