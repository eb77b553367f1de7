package loopbacktest

import (
	"context"
	"fmt"
	"sync"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/loopback"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Client is a terminal of the wire. It is a kittest.Client with all that a Client
// may be besides.
type Client struct {
	conn     *loopback.Client
	stop     context.CancelFunc
	done     chan struct{} // closed when nothing more is read
	incoming chan *Call
	statuses chan kittest.Status
	replies  chan loopback.Frame // to what is not about one of our calls

	mu     sync.Mutex
	calls  map[string]*Call
	placed int
}

var _ interface {
	kittest.Client
	kittest.Puller
	kittest.StatusHearer
	kittest.HeaderCaller
} = (*Client)(nil)

// Dial connects a terminal that has not signed in.
func Dial(ctx context.Context, x *loopback.Exchange) (*Client, error) {
	conn, err := x.Dial(ctx)
	if err != nil {
		return nil, err
	}
	reading, stop := context.WithCancel(context.Background())
	c := &Client{
		conn: conn, stop: stop, done: make(chan struct{}), calls: map[string]*Call{},
		incoming: make(chan *Call, 1024), statuses: make(chan kittest.Status, 1024), replies: make(chan loopback.Frame, 16),
	}
	go c.read(reading)
	return c, nil
}

// read sorts what comes by call.
func (c *Client) read(ctx context.Context) {
	defer close(c.done)
	for {
		f, err := c.conn.Receive(ctx)
		if err != nil {
			return
		}
		switch f.Op {
		case loopback.Incoming:
			k := c.call(f.Call)
			k.sdp, k.headers = f.SDP, f.Headers
			c.incoming <- k
		case loopback.InCall, loopback.Idle:
			c.statuses <- kittest.Status{InCall: f.Op == loopback.InCall, Call: f.Call, Peer: f.From}
		default:
			c.mu.Lock()
			k := c.calls[f.Call]
			c.mu.Unlock()
			if k == nil {
				c.replies <- f
				continue
			}
			k.heard <- f
		}
	}
}

// call makes the call of a name known.
func (c *Client) call(name string) *Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := &Call{c: c, name: name, heard: make(chan loopback.Frame, 64)}
	c.calls[name] = k
	return k
}

// Request sends a frame that is about no call of this terminal, and waits for the
// answer.
func (c *Client) Request(ctx context.Context, f loopback.Frame) (loopback.Frame, error) {
	if err := c.conn.Send(ctx, f); err != nil {
		return f, err
	}
	select {
	case f = <-c.replies:
		return f, nil
	case <-c.done:
		return f, errClosed
	case <-ctx.Done():
		return f, ctx.Err()
	}
}

// SignIn implements kittest.Client.
func (c *Client) SignIn(ctx context.Context, a kittest.Account) error {
	f, err := c.Request(ctx, loopback.Frame{Op: loopback.SignIn, Account: a.AOR, Password: a.HA1})
	if err == nil && f.Op == loopback.Refused {
		err = schema.Errorf(code(f.Code), "%s", f.Text)
	}
	return err
}

// Call implements kittest.Client.
func (c *Client) Call(ctx context.Context, to kittest.Account, sdp string) (kittest.Call, error) {
	return c.CallWith(ctx, to, sdp, nil)
}

// CallWith implements kittest.HeaderCaller.
func (c *Client) CallWith(
	ctx context.Context, to kittest.Account, sdp string, headers []*callv1.Header,
) (kittest.Call, error) {
	c.placed++
	k := c.call(fmt.Sprintf("%s-%p-%d", "call", c, c.placed))
	k.first = loopback.Frame{Op: loopback.Place, Call: k.name, To: to.AOR, SDP: sdp, Headers: headers}
	return k, c.conn.Send(ctx, k.first)
}

// Pull implements kittest.Puller.
func (c *Client) Pull(ctx context.Context, name, sdp string) (kittest.Call, error) {
	k := c.call(name)
	k.first = loopback.Frame{Op: loopback.Pull, Call: name, SDP: sdp}
	return k, c.conn.Send(ctx, k.first)
}

// NextStatus implements kittest.StatusHearer.
func (c *Client) NextStatus(ctx context.Context) (kittest.Status, error) {
	select {
	case s := <-c.statuses:
		return s, nil
	default:
	}
	select {
	case s := <-c.statuses:
		return s, nil
	case <-c.done:
		return kittest.Status{}, errClosed
	case <-ctx.Done():
		return kittest.Status{}, ctx.Err()
	}
}

// Incoming implements kittest.Client.
func (c *Client) Incoming(ctx context.Context) (kittest.Call, error) {
	select {
	case k := <-c.incoming:
		return k, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Named implements kittest.Client.
func (c *Client) Named(id string) kittest.Call { return c.call(id) }

// Stall implements kittest.Client.
func (c *Client) Stall() {
	c.stop()
	<-c.done
}

// SignOut implements kittest.Client.
func (c *Client) SignOut(ctx context.Context) error {
	return c.conn.Send(ctx, loopback.Frame{Op: loopback.SignOut})
}

// Close implements kittest.Client.
func (c *Client) Close() {
	c.conn.Close()
	c.Stall()
}
