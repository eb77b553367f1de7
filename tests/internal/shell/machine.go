package shell

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// prompt is how long making a machine may take.
const prompt = 30 * time.Second

// Machine is a shell on a machine of its own: nothing listens there but what the
// shell starts. Files are everybody's, but for /etc/hosts.
type Machine struct {
	*Shell
	network int // the network's namespace
}

// NewMachine starts a machine. addresses are its own, by name; who asks for a name
// finds it. Those that are not of the loopback interface are of a network interface
// with nobody else on its wire.
func NewMachine(t testing.TB, o Options, addresses map[string]string) *Machine {
	t.Helper()
	cmd := exec.Command("bash")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	m := enter(t, o, cmd)
	var names, add strings.Builder
	for name, address := range addresses {
		fmt.Fprintf(&names, "%s %s\n", address, name)
		if ip := net.ParseIP(address); !ip.IsLoopback() {
			fmt.Fprintf(&add, "ip address add %s/24 dev eth0\n", address)
		}
	}
	m.hosts(t, names.String())
	m.Run(t, "ip link set lo up\nip link add eth0 type veth peer name wire\nip link set wire up\nip link set eth0 up\n"+add.String(), prompt)
	return m
}

// Network starts machines that reach each other by their names.
func Network(t testing.TB, o Options, names ...string) map[string]*Machine {
	t.Helper()
	hub := NewMachine(t, o, nil)
	hub.Run(t, "ip link add hub type bridge && ip link set hub up", prompt)
	var hosts strings.Builder
	for i, name := range names {
		fmt.Fprintf(&hosts, "10.0.0.%d %s\n", i+1, name)
	}
	machines := map[string]*Machine{}
	for i, name := range names {
		into := []string{"--target", fmt.Sprint(hub.cmd.Process.Pid), "--net", "--mount"}
		if os.Geteuid() != 0 {
			into = append(into, "--user", "--preserve-credentials")
		}
		m := enter(t, o, exec.Command("nsenter", append(into, "unshare", "--net", "--mount", "bash")...)) //nolint:gosec // fixed programs
		m.hosts(t, hosts.String())
		hub.Run(t, fmt.Sprintf("ip link add port%d master hub up type veth peer name eth0 netns %d", i, m.cmd.Process.Pid), prompt)
		m.Run(t, fmt.Sprintf("ip link set lo up && ip address add 10.0.0.%d/24 dev eth0 && ip link set eth0 up", i+1), prompt)
		machines[name] = m
	}
	return machines
}

// enter starts the shell of a machine, once it is in its network.
func enter(t testing.TB, o Options, cmd *exec.Cmd) *Machine {
	t.Helper()
	m := &Machine{Shell: begin(t, o, cmd)}
	if out, err := m.Try("cd '"+o.Dir+"' && command -v ip > /dev/null && mount --make-rprivate /", prompt); err != nil {
		t.Fatalf("a network of its own cannot be made here, for which it takes root or user namespaces, and iproute2: %v\n%s", err, out)
	}
	var err error
	if m.network, err = unix.Open(fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(m.network) })
	return m
}

// hosts gives a machine names besides localhost.
func (m *Machine) hosts(t testing.TB, names string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte("127.0.0.1 localhost\n"+names), 0o644); err != nil { //nolint:gosec // everybody reads it
		t.Fatal(err)
	}
	m.Run(t, "mount --bind '"+file+"' /etc/hosts", prompt)
}

// Listen opens a port on the machine for the test, at an IP address.
func (m *Machine) Listen(t testing.TB, address string) net.Listener {
	t.Helper()
	type opened struct {
		l   net.Listener
		err error
	}
	got := make(chan opened)
	go func() {
		// The thread is in the machine's network from now on; it ends with this
		// goroutine, being locked to it.
		runtime.LockOSThread()
		if err := unix.Setns(m.network, unix.CLONE_NEWNET); err != nil {
			got <- opened{nil, err}
			return
		}
		l, err := net.Listen("tcp", address)
		got <- opened{l, err}
	}()
	o := <-got
	if o.err != nil {
		t.Fatalf("a port for the test: %v", o.err)
	}
	return o.l
}
