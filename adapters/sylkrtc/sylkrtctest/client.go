package sylkrtctest

import (
	"context"
	"crypto/md5" //nolint:gosec // RFC 2617 digests are md5
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"
)

// The versions of the protocol, as subprotocols of WebSocket.
const (
	V1 = "sylkRTC-1"
	V2 = "sylkRTC-2"
)

// Client is one connection. Methods may be called from any goroutine.
type Client struct {
	ws      *websocket.Conn
	version string

	mu     sync.Mutex
	heard  []Message // in the order they came, without those taken by Next
	err    error     // why nothing more will come
	change chan struct{}
	ended  chan struct{}
	stop   context.CancelFunc
	wire   *stallConn
}

// Options are what a connection can have besides its version.
type Options struct {
	// Header goes with the handshake ("Origin").
	Header http.Header
	// TLS is for wss:// URLs.
	TLS *tls.Config
	// NotReady returns from Dial before the server's ready event has come.
	NotReady bool
}

// Dial opens a connection to url (ws://host:port/webrtcgateway/ws) in one
// version and waits for the server to be ready. A handshake that was refused is
// a *StatusError.
func Dial(ctx context.Context, url, version string, o Options) (*Client, error) {
	var wire *stallConn
	transport := &http.Transport{TLSClientConfig: o.TLS, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		wire = &stallConn{Conn: c, closed: make(chan struct{})}
		return wire, nil
	}}
	ws, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		Subprotocols: []string{version}, HTTPHeader: o.Header, HTTPClient: &http.Client{Transport: transport},
	})
	transport.CloseIdleConnections() // of a handshake that was refused
	if err != nil {
		if resp != nil {
			return nil, &StatusError{resp.StatusCode, err}
		}
		return nil, err
	}
	ws.SetReadLimit(1 << 20)
	c := &Client{ws: ws, wire: wire, version: version, change: make(chan struct{}), ended: make(chan struct{})}
	reading, stop := context.WithCancel(context.Background())
	c.stop = stop
	go c.read(reading)
	if o.NotReady {
		return c, nil
	}
	if _, err := c.Next(ctx, func(m Message) bool { return m.Ready() }); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// StatusError is a handshake that the server refused.
type StatusError struct {
	// Status is the HTTP status.
	Status int
	err    error
}

// Error implements error.
func (e *StatusError) Error() string { return fmt.Sprintf("refused with HTTP %d: %v", e.Status, e.err) }

// Unwrap gives the cause.
func (e *StatusError) Unwrap() error { return e.err }

// Error is an error reply.
type Error struct{ Text string }

// Error implements error.
func (e *Error) Error() string { return "sylkrtc: " + e.Text }

func (c *Client) read(ctx context.Context) {
	defer close(c.ended)
	for {
		_, text, err := c.ws.Read(ctx)
		var m Message
		if err == nil {
			m, err = decode(c.version, text)
		}
		c.mu.Lock()
		if err != nil {
			c.err = err
		} else {
			c.heard = append(c.heard, m)
		}
		close(c.change)
		c.change = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			_ = c.ws.CloseNow() // the reason is in c.err
			return
		}
	}
}

// Next waits for the first message that matches and that no Next has given
// before, in the order they came. Others are left for later calls.
func (c *Client) Next(ctx context.Context, match func(Message) bool) (Message, error) {
	for {
		c.mu.Lock()
		for i, m := range c.heard {
			if match(m) {
				c.heard = append(c.heard[:i:i], c.heard[i+1:]...)
				c.mu.Unlock()
				return m, nil
			}
		}
		err, change := c.err, c.change
		c.mu.Unlock()
		if err != nil {
			return Message{}, err
		}
		select {
		case <-change:
		case <-ctx.Done():
			return Message{}, fmt.Errorf("%w; heard meanwhile: %s", ctx.Err(), c.Unheard())
		}
	}
}

// Unheard describes what has come and was not asked for, for a failed test's
// message.
func (c *Client) Unheard() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, m := range c.heard {
		fmt.Fprintf(&b, "%s ", m.Raw)
	}
	return b.String()
}

// Send sends a request with a transaction of its own and returns that, without
// waiting for the answer.
func (c *Client) Send(ctx context.Context, fields map[string]any) (transaction string, err error) {
	m := map[string]any{"transaction": rand.Text()}
	for k, v := range fields {
		m[k] = v
	}
	text, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	transaction, _ = m["transaction"].(string)
	return transaction, c.SendText(ctx, string(text))
}

// SendText sends a text as it is.
func (c *Client) SendText(ctx context.Context, text string) error {
	return c.ws.Write(ctx, websocket.MessageText, []byte(text))
}

// SendBinary sends a binary message.
func (c *Client) SendBinary(ctx context.Context, b []byte) error {
	return c.ws.Write(ctx, websocket.MessageBinary, b)
}

// Request sends a request and waits for its answer; an error reply is an
// *Error.
func (c *Client) Request(ctx context.Context, fields map[string]any) error {
	t, err := c.Send(ctx, fields)
	if err != nil {
		return err
	}
	return c.Reply(ctx, t)
}

// Reply waits for the answer to a transaction.
func (c *Client) Reply(ctx context.Context, transaction string) error {
	m, err := c.Next(ctx, func(m Message) bool {
		return m.Transaction == transaction && (m.Type == "ack" || m.Type == "error")
	})
	if err != nil {
		return err
	}
	if m.Type == "error" {
		return &Error{m.Error}
	}
	return nil
}

// Stall stops reading from the connection, for good: also pings get no answer.
func (c *Client) Stall() { c.wire.stalled.Store(true) }

// stallConn is a connection that can stop being read.
type stallConn struct {
	net.Conn
	stalled atomic.Bool
	once    sync.Once
	closed  chan struct{}
}

// Read implements net.Conn.
func (c *stallConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.stalled.Load() {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

// Close implements net.Conn.
func (c *stallConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// Leave closes the connection in order.
func (c *Client) Leave() error {
	err := c.ws.Close(websocket.StatusNormalClosure, "")
	<-c.ended
	return err
}

// Close drops the connection without a word.
func (c *Client) Close() {
	c.stop()
	_ = c.ws.CloseNow() // it may be closed already
	<-c.ended
}

// Ended gives why the connection ended, once it has; it waits for that.
func (c *Client) Ended(ctx context.Context) error {
	select {
	case <-c.ended:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Status gives the status that the other side closed with, or -1.
func Status(err error) int {
	var e websocket.CloseError
	if errors.As(err, &e) {
		return int(e.Code)
	}
	return -1
}

// HA1 gives the digest that the protocol sends as a password.
func HA1(account, password string) string {
	user, realm, _ := strings.Cut(account, "@")
	h := md5.Sum([]byte(user + ":" + realm + ":" + password)) //nolint:gosec // as above
	return hex.EncodeToString(h[:])
}
