package sylkrtc

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
)

// counted waits until something is counted under a name.
func (s *server) counted(t *testing.T, name string) {
	t.Helper()
	for {
		select {
		case got := <-s.host.counts:
			if got == name {
				return
			}
		case <-within(t).Done():
			t.Fatalf("%s is not counted", name)
		}
	}
}

// What a limit refuses is counted.
func TestRefusalsAreCounted(t *testing.T) {
	s := serve(t, func(c *Config) {
		c.MaxAccounts, c.MaxSessions, c.PerAddress, c.MaxMessage = 1, 1, 2, 4096
		c.Timeouts.Header = time.Second
	})
	address := strings.TrimPrefix(strings.SplitN(s.url, "/webrtcgateway", 2)[0], "ws://")
	c := s.client(t, sylkrtctest.V2)
	term := c.signIn("alice")
	c.refused(c.AddAccount(within(t), "bob@example.com", "x"), "Too many accounts")
	s.counted(t, "accounts_refused")
	c.place(term, "s1", "bob@example.com")
	c.refused(c.Create(within(t), "s2", "alice@example.com", "bob@example.com", "v=0"), "Too many sessions")
	s.counted(t, "calls_refused")

	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	silent := dial() // the second of this address
	refused := dial()
	if _, err := refused.Read(make([]byte, 1)); err == nil {
		t.Error("the third connection of an address is served")
	}
	s.counted(t, "connections_refused")
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("who asks for nothing is told something")
	}
	s.counted(t, "connections_silent")

	r, err := http.NewRequestWithContext(within(t), http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host, r.Close = "evil.example", true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("by another name: %d", res.StatusCode)
	}
	s.counted(t, "hosts_refused")

	c.ok(c.SendText(within(t), `{"sylkrtc":"ping","transaction":"`+strings.Repeat("x", 5000)+`"}`))
	s.counted(t, "messages_too_long")
	if err := c.Ended(within(t)); err == nil {
		t.Error("a message that is too long ends the connection without an error")
	}
}
