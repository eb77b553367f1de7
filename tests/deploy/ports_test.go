package deploy

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
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
		if ip := address(t, id); !slices.Equal(scan(t.Context(), ip), tcp) {
			t.Errorf("%s at %s: a scan finds %q, it should find %q", service, ip, scan(t.Context(), ip), tcp)
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

// scan gives the TCP ports that an address takes connections on.
func scan(ctx context.Context, ip string) (open []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	ports := make(chan int)
	for range 64 {
		wg.Go(func() {
			dialer := net.Dialer{Timeout: 5 * time.Second}
			for port := range ports {
				c, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
				if err != nil {
					continue
				}
				_ = c.Close()
				mu.Lock()
				open = append(open, fmt.Sprintf("%d/tcp", port))
				mu.Unlock()
			}
		})
	}
	for port := range 65535 {
		ports <- port + 1
	}
	close(ports)
	wg.Wait()
	return sorted(open)
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
