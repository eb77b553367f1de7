package k8s

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
	portsTitle = "### Ports of the pods"
)

// ports scans a pod of each role and finds the documented ports, and no others.
func ports(t *testing.T) {
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	_, below, found := strings.Cut(string(text), portsTitle+"\n")
	if !found {
		t.Fatalf("%s has no %q", guide, portsTitle)
	}
	below, _, _ = strings.Cut(below, "\n#")
	want := map[string][]string{}
	for line := range strings.Lines(below) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[2], "/tcp") {
			continue
		}
		role, port := strings.Trim(cells[1], " `"), strings.Trim(cells[2], " `")
		want[role] = append(want[role], strings.TrimSuffix(port, "/tcp"))
	}
	for _, role := range roles {
		pod := podsOf(t, role)[0]
		ip := kubectl(t, "-n", namespace, "get", "pod", pod, "-o", "jsonpath={.status.podIP}")
		slices.Sort(want[role])
		if got := scan(t.Context(), ip); !slices.Equal(got, want[role]) {
			t.Errorf("%s: a scan finds %q, documented are %q", role, got, want[role])
		}
	}
}

// scan gives the TCP ports that an address takes connections on.
func scan(ctx context.Context, ip string) (open []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan int)
	for range 64 {
		wg.Go(func() {
			dialer := net.Dialer{Timeout: 5 * time.Second}
			for port := range next {
				c, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
				if err != nil {
					continue
				}
				_ = c.Close()
				mu.Lock()
				open = append(open, fmt.Sprint(port))
				mu.Unlock()
			}
		})
	}
	for port := range 65535 {
		next <- port + 1
	}
	close(next)
	wg.Wait()
	slices.Sort(open)
	return open
}
