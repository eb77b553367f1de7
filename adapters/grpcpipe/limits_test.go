package grpcpipe

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// counted waits until something is counted under a name.
func (h *fakeHost) counted(t *testing.T, name string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		h.mu.Lock()
		n := h.counts[name]
		h.mu.Unlock()
		switch {
		case n > 0:
			return
		case time.Now().After(end):
			t.Fatalf("%s is not counted", name)
		}
	}
}

// What a limit refuses is counted.
func TestRefusalsAreCounted(t *testing.T) {
	s := serve(t, newFakeHost(), func(c *Config) {
		c.MaxCalls, c.PerSubscriber, c.PerAddress, c.MaxMessage = 1, 1, 1, 64<<10
		c.Handshake = time.Second
	})
	p := s.signIn(t, true, alice)
	s.ring(t, p)
	p.send(wireOffer(uuid1, "v=0", "+"+bob))
	p.hears("error TRY_AGAIN id=" + uuid1)
	s.host.counted(t, "calls_refused")

	// The first connection is the only one of its address.
	conn := s.connect(t)
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("the second connection of an address is served")
	}
	s.host.counted(t, "connections_refused")

	p.send(wireOffer(uuid2, strings.Repeat("x", 100<<10), "+"+bob))
	if got := p.ends(); got.Code() != codes.ResourceExhausted {
		t.Errorf("a message that is too long: %v", got)
	}
	s.host.counted(t, "messages_too_long")
}

// A connection on which nothing begins is ended.
func TestSilentConnection(t *testing.T) {
	s := serve(t, newFakeHost(), func(c *Config) { c.Handshake = 200 * time.Millisecond })
	conn := s.connect(t)
	_, err := io.Copy(io.Discard, conn)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Error("the connection stays")
	}
	s.host.counted(t, "connections_silent")
	// One that asked for something is not silent when it ends.
	s = serve(t, newFakeHost())
	c := dial(t, s.addr)
	if _, err := healthv1.NewHealthClient(c).Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	s.stop() // no connection is left after this
	if err := <-s.done; err != nil {
		t.Fatal(err)
	}
	s.done <- nil
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	if n := s.host.counts["connections_silent"]; n != 0 {
		t.Errorf("%d connections that asked for something are counted as silent", n)
	}
}

// The node's connections are bounded, whose ever they are.
func TestConnectionsOfAll(t *testing.T) {
	s := serve(t, newFakeHost(), func(c *Config) { c.MaxConnections = 1 })
	s.signIn(t, true, alice)
	conn := s.connect(t)
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("a connection over the limit is served")
	}
	s.host.counted(t, "connections_refused")
}
