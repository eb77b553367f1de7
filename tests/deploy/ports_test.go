package deploy

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// guide has a table of the ports of this deployment, below this line.
const (
	guide      = "../../docs/operating.md"
	portsTitle = "### Ports of the compose deployment"
)

// documented reads the table: ports of each service, and which are published.
// Ports are "8080/tcp"; the published ones end with the default on this machine.
func documented(t *testing.T) (ports, published map[string][]string) {
	t.Helper()
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	_, below, found := strings.Cut(string(text), portsTitle+"\n")
	if !found {
		t.Fatalf("%s has no %q", guide, portsTitle)
	}
	below, _, _ = strings.Cut(below, "\n#")
	ports, published = map[string][]string{}, map[string][]string{}
	for line := range strings.Lines(below) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.Contains(cells[2], "/") {
			continue
		}
		cell := func(i int) string { return strings.Trim(cells[i], " `") }
		ports[cell(1)] = append(ports[cell(1)], cell(2))
		if at := cell(3); at != "" {
			published[cell(1)] = append(published[cell(1)], cell(2)+" at "+at)
		}
	}
	return ports, published
}

// ports looks at every port of every container, from outside and from inside, and
// at what is published; of some services only if they are named.
func (p *project) ports(t *testing.T, only ...string) {
	t.Helper()
	want, published := documented(t)
	defaults := map[string]string{
		strconv.Itoa(p.page): "8080", strconv.Itoa(p.sylk): "8081", strconv.Itoa(p.grpc): "9090", strconv.Itoa(p.media): "7900", strconv.Itoa(p.matrix): "8008",
		strconv.Itoa(p.events): "8009", strconv.Itoa(p.watch): "9091",
	}
	running := p.services(t)
	if three := running["nats-3"] != ""; three {
		want["nats-2"], want["nats-3"] = want["nats"], want["nats"]
	} else {
		want["nats"] = slices.DeleteFunc(want["nats"], func(p string) bool { return p == "6222/tcp" }) // of clusters
	}
	for service, id := range running {
		if len(only) > 0 && !slices.Contains(only, service) {
			continue
		}
		listening := sockets(t, id)
		if got := listening; !slices.Equal(got, sorted(want[service])) {
			t.Errorf("%s listens on %q, documented are %q", service, got, want[service])
		}
		var tcp []string
		for _, l := range listening {
			if strings.HasSuffix(l, "/tcp") {
				tcp = append(tcp, l)
			}
		}
		// What listens, listens at all addresses alike; scanning one takes seconds.
		ip := address(t, id)
		if found := scan(t, ip); !slices.Equal(found, tcp) {
			t.Errorf("%s at %s: a scan finds %q, it should find %q", service, ip, found, tcp)
		}
		text, err := machine.Run(t.Context(), "port", id)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(text) {
			inside, outside, _ := strings.Cut(strings.TrimSpace(line), " -> ")
			host, port, err := net.SplitHostPort(outside)
			if err != nil || host != "127.0.0.1" {
				t.Errorf("%s publishes %s: not for this machine only", service, line)
			}
			got = append(got, inside+" at "+defaults[port])
		}
		if !slices.Equal(sorted(got), sorted(published[service])) {
			t.Errorf("%s publishes %q, documented are %q", service, got, published[service])
		}
	}
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// address gives one of a container's addresses.
func address(t *testing.T, id string) string {
	t.Helper()
	text, err := machine.Run(t.Context(), "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", id)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Fields(text)
	if len(all) == 0 {
		t.Fatalf("container %s has no address", id)
	}
	return all[0]
}

// scan gives the TCP ports that an address takes connections on. It asks the kernel
// itself: a net.Dialer costs three times as much, for 65535 ports of each container.
func scan(t *testing.T, ip string) (open []string) {
	t.Helper()
	address := [4]byte(net.ParseIP(ip).To4())
	var mu sync.Mutex
	var wg sync.WaitGroup
	const parts = 4
	for part := range parts {
		wg.Go(func() {
			for port := part + 1; port <= 65535; port += parts {
				is, err := takes(address, port)
				mu.Lock()
				if is {
					open = append(open, fmt.Sprintf("%d/tcp", port))
				}
				mu.Unlock()
				if err != nil {
					t.Errorf("scanning %s: %v", ip, err)
					return
				}
			}
		})
	}
	wg.Wait()
	return sorted(open)
}

// takes reports whether a port takes a connection; an error is one of ours.
func takes(address [4]byte, port int) (bool, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, os.NewSyscallError("socket", err)
	}
	defer func() { _ = syscall.Close(fd) }()
	// Also how long connecting may take.
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &syscall.Timeval{Sec: 5}); err != nil {
		return false, os.NewSyscallError("setsockopt", err)
	}
	return syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: address}) == nil, nil
}

// sockets gives the ports that a container's processes listen on, but for those
// on its loopback, which nobody else reaches.
func sockets(t *testing.T, id string) (out []string) {
	t.Helper()
	pid, err := machine.Run(t.Context(), "inspect", "--format", "{{.State.Pid}}", id)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, err := os.ReadFile("/proc/" + pid + "/net/" + table)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			// State 0A is LISTEN; 07 a UDP socket that is connected to nobody.
			if len(f) < 4 || f[3] != "0A" && f[3] != "07" {
				continue
			}
			address, hex, ok := strings.Cut(f[1], ":")
			port, err := strconv.ParseUint(hex, 16, 16)
			if !ok || err != nil || strings.HasSuffix(address, "7F") && len(address) == 8 {
				continue
			}
			out = append(out, fmt.Sprintf("%d/%s", port, table[:3]))
		}
	}
	return slices.Compact(sorted(out))
}
