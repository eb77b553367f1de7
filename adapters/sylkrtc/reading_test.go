package sylkrtc

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
)

// rawConn is a WebSocket connection of which every byte is the test's.
type rawConn struct {
	net.Conn
	r *bufio.Reader
}

func (s *server) rawConn(t *testing.T) rawConn {
	t.Helper()
	c, err := net.Dial("tcp", s.base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(c, "GET /webrtcgateway/ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sylkRTC-2\r\n\r\n", s.base); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil) //nolint:bodyclose // there is none
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("no WebSocket: %v, %v", res, err)
	}
	return rawConn{c, r}
}

// ends waits until the server has ended the connection. What is written meanwhile
// may fail.
func (c rawConn) ends(t *testing.T, what string, write []byte) (told []byte) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for len(write) > 0 {
			if _, err := c.Write(write); err != nil {
				return
			}
		}
	}()
	told, err := io.ReadAll(c.r)
	<-done
	if err, ok := err.(net.Error); ok && err.Timeout() {
		t.Errorf("%s: the connection stays", what)
	}
	return told
}

// wsFrame is a frame of a client (RFC 6455 section 5.2), masked with zeros.
func wsFrame(first byte, payload string) []byte {
	b := []byte{first, 0x80 | 127}
	b = binary.BigEndian.AppendUint64(b, uint64(len(payload)))
	return append(append(b, 0, 0, 0, 0), payload...)
}

const (
	textWhole, textBegin, textMore, opPing, opPong = 0x81, 0x01, 0x00, 0x89, 0x8a
)

// A message that does not come to its end in time ends its connection, whatever
// comes instead.
func TestMessageThatNeverEnds(t *testing.T) {
	s := serve(t, func(c *Config) { c.ReadTimeout = 200 * time.Millisecond })
	for what, then := range map[string][]byte{"nothing": nil, "empty fragments": bytes.Repeat(wsFrame(textMore, ""), 100)} {
		c := s.rawConn(t)
		if _, err := c.Write(wsFrame(textBegin, "{")); err != nil {
			t.Fatal(err)
		}
		c.ends(t, what, then)
		s.counted(t, "slow_clients")
	}
	// Who says nothing at all may go on doing so.
	quiet := s.client(t, sylkrtctest.V2)
	other := s.rawConn(t)
	if _, err := other.Write(wsFrame(textBegin, "{")); err != nil {
		t.Fatal(err)
	}
	other.ends(t, "another", nil) // a time-out that the quiet one has seen through
	quiet.ok(quiet.request("ping", nil))
}

// Pings and pongs are no requests, and count all the same.
func TestTooManyPings(t *testing.T) {
	s := serve(t, func(c *Config) { c.Rate, c.Burst = 1, 50 })
	for what, first := range map[string]byte{"pings": opPing, "pongs": opPong} {
		c := s.rawConn(t)
		c.ends(t, what, bytes.Repeat(control(first), 100))
		s.counted(t, "rate_limited")
	}
	quiet := s.client(t, sylkrtctest.V2)
	quiet.ok(quiet.request("ping", nil))
	for {
		select {
		case name := <-s.host.counts:
			if name == "rate_limited" {
				t.Error("a connection counts more than once")
			}
			continue
		default:
		}
		break
	}
}

// control is a frame with a short payload, as control frames must have.
func control(first byte) []byte { return []byte{first, 0x80 | 2, 0, 0, 0, 0, 'h', 'i'} }

// Who has not signed in is read less of.
func TestLongMessageOfAStranger(t *testing.T) {
	s := serve(t, nil)
	long := `{"sylkrtc":"ping","transaction":"` + strings.Repeat("x", strangersMessage) + `"}`
	c := s.rawConn(t)
	if _, err := c.Write(wsFrame(textWhole, long)); err != nil {
		t.Fatal(err)
	}
	if told := c.ends(t, "a long message", nil); !bytes.Contains(told, []byte{0x03, 0xf1}) { // 1009
		t.Errorf("a stranger's long message is answered with %q", told)
	}
	s.counted(t, "messages_too_long")
	known := s.client(t, sylkrtctest.V2)
	known.signIn("alice")
	known.ok(known.SendText(within(t), long))
	known.ok(known.request("ping", nil))
}
