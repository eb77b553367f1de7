package harness

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"
)

// Eventually asks again and again until ok gives true, or fails the test with
// what ok said last. It is for facts that nothing announces: a process that
// starts listening, a page that redraws.
func Eventually(t testing.TB, within time.Duration, what string, ok func() (bool, string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := poll(ctx, ok); err != nil {
		t.Fatalf("%s: not within %v: %v", what, within, err)
	}
}

// poll asks until ok or the context's end; the error says what ok said last.
func poll(ctx context.Context, ok func() (bool, string)) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		done, said := ok()
		if done {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s", said)
		}
	}
}

// AwaitHTTP waits until a GET gives status 200, or the process has ended.
func AwaitHTTP(t testing.TB, p *Process, url string, within time.Duration) {
	t.Helper()
	client := http.Client{Timeout: time.Second}
	Eventually(t, within, p.name+" ready", func() (bool, string) {
		select {
		case <-p.done:
			t.Fatalf("%s ended while it started:\n%s", p.name, p.Log())
		default:
		}
		res, err := client.Get(url)
		if err != nil {
			return false, err.Error()
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK, url + ": " + res.Status
	})
}

// FreePorts gives ports on the loopback interface that nothing used a moment
// ago, free for TCP and for UDP. All are found before any is given back, so
// that they differ.
func FreePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, 0, n)
	for tries := 0; len(ports) < n; tries++ {
		if tries > n+100 {
			t.Fatal("no free ports")
		}
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer tcp.Close() //nolint:errcheck // a listener that was never used
		port := tcp.Addr().(*net.TCPAddr).Port
		udp, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer udp.Close() //nolint:errcheck // a socket that was never used
		ports = append(ports, port)
	}
	return ports
}
