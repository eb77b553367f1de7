package sylkrtc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
)

// BenchmarkIdleConnection measures what a connection that does nothing costs
// the server, beside its floor in the same run: bare coder/websocket with a
// goroutine that reads and one that writes. Clients are bare sockets in the
// same process and cost both sides the same, little.
//
//	B/conn             this adapter, after "ready"
//	registered-B/conn  the same with one account registered
//	floor-B/conn       the floor
//	ratio              B/conn over floor-B/conn
func BenchmarkIdleConnection(b *testing.B) {
	const conns = 1000
	for b.Loop() {
		floor := measure(b, conns, floorServer(b), nil)
		s := serve(b, func(c *Config) { c.MaxConnections = 10 * conns })
		ours := measure(b, conns, s.base, nil)
		signedIn := measure(b, conns, s.base, func(b testing.TB, c *bareClient, n int) { c.register(b, n) })
		b.ReportMetric(floor, "floor-B/conn")
		b.ReportMetric(ours, "B/conn")
		b.ReportMetric(signedIn, "registered-B/conn")
		b.ReportMetric(ours/floor, "ratio")
		b.ReportMetric(0, "ns/op")
	}
}

// TestIdleConnectionCost keeps the cost of an idle connection in bounds.
func TestIdleConnectionCost(t *testing.T) {
	floor := measure(t, 200, floorServer(t), nil)
	ours := measure(t, 200, serve(t, nil).base, nil)
	if ratio := ours / floor; ratio > 1.4 {
		t.Errorf("an idle connection costs %.2f times a bare one, at most 1.4 is allowed", ratio)
	}
}

// measure gives the memory that n connections take, each.
func measure(b testing.TB, n int, address string, each func(testing.TB, *bareClient, int)) float64 {
	b.Helper()
	before := memory()
	clients := make([]*bareClient, n)
	for i := range clients {
		clients[i] = dialBare(b, address)
		if each != nil {
			each(b, clients[i], i)
		}
	}
	after := memory()
	for _, c := range clients {
		_ = c.conn.Close()
	}
	return float64(after-before) / float64(n)
}

// memory is what the process uses for heap and stacks once all garbage is gone.
// Goroutines that are about to end are given the time to.
func memory() int64 {
	var m runtime.MemStats
	last := int64(-1)
	for range 50 {
		runtime.GC()
		runtime.ReadMemStats(&m)
		now := int64(m.HeapAlloc + m.StackInuse) //nolint:gosec // far below 2^63
		if last >= 0 && now >= last-last/500 && now <= last+last/500 {
			return now
		}
		last = now
		runtime.Gosched()
	}
	return last
}

// bareClient is a WebSocket client without a library: next to no memory.
type bareClient struct {
	conn net.Conn
	r    *bufio.Reader
}

func dialBare(b testing.TB, address string) *bareClient {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	c := &bareClient{conn, bufio.NewReaderSize(conn, 16)}
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, err = fmt.Fprintf(conn, "GET /webrtcgateway/ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sylkRTC-2\r\n\r\n", address)
	if err != nil {
		b.Fatal(err)
	}
	line := c.line(b)
	if !strings.HasPrefix(line, "HTTP/1.1 101") {
		b.Fatalf("refused: %s", line)
	}
	for c.line(b) != "" {
	}
	if m := c.message(b); !strings.Contains(m, "ready") {
		b.Fatalf("first message: %s", m)
	}
	return c
}

func (c *bareClient) line(b testing.TB) string {
	var s []byte
	for {
		x, err := c.r.ReadByte()
		if err != nil {
			b.Fatal(err)
		}
		if x == '\n' {
			return strings.TrimSuffix(string(s), "\r")
		}
		s = append(s, x)
	}
}

// message reads one short text message (RFC 6455 section 5.2).
func (c *bareClient) message(b testing.TB) string {
	var head [2]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		b.Fatal(err)
	}
	size := int(head[1])
	if size == 126 {
		var n [2]byte
		if _, err := io.ReadFull(c.r, n[:]); err != nil {
			b.Fatal(err)
		}
		size = int(n[0])<<8 | int(n[1])
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(c.r, text); err != nil {
		b.Fatal(err)
	}
	return string(text)
}

// send writes one text message with a mask of zeros.
func (c *bareClient) send(b testing.TB, text string) {
	frame := []byte{0x81, 0x80 | 126, byte(len(text) >> 8), byte(len(text)), 0, 0, 0, 0}
	if _, err := c.conn.Write(append(frame, text...)); err != nil {
		b.Fatal(err)
	}
}

func (c *bareClient) register(b testing.TB, n int) {
	account := []string{"alice", "bob", "carol"}[n%3] + "@" + domain
	c.send(b, `{"sylkrtc":"account-add","transaction":"a","account":"`+account+`","password":"`+
		sylkrtctest.HA1(account, "secret")+`","user_agent":"a client with a name of usual length"}`)
	c.send(b, `{"sylkrtc":"account-register","transaction":"r","account":"`+account+`"}`)
	for !strings.Contains(c.message(b), `"registered"`) {
	}
}

// floorServer serves bare WebSockets: one goroutine that reads, one that writes
// what it is given.
func floorServer(b testing.TB) (address string) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	srv := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{sylkrtctest.V2}})
		if err != nil {
			return
		}
		out := make(chan []byte, 16)
		out <- []byte(`{"sylkrtc":"ready-event"}`)
		wg.Go(func() {
			for {
				select {
				case text := <-out:
					_ = ws.Write(ctx, websocket.MessageText, text)
				case <-ctx.Done():
					return
				}
			}
		})
		wg.Go(func() {
			for {
				if _, _, err := ws.Read(ctx); err != nil {
					return
				}
			}
		})
	})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	b.Cleanup(func() {
		cancel()
		_ = srv.Close()
		wg.Wait()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			b.Error(err)
		}
	})
	return l.Addr().String()
}
