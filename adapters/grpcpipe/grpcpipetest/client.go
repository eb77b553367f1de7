package grpcpipetest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Client is one terminal: a connection with one stream. Besides what the kit asks
// for, methods may be called from any goroutine.
type Client struct {
	multi  bool
	conn   *grpc.ClientConn
	stream grpc.ClientStream
	cancel context.CancelFunc

	incoming chan *Call
	statuses chan kittest.Status
	stray    chan *Message // about no call of ours

	sending sync.Mutex
	mu      sync.Mutex
	calls   map[string]*Call
	stalled bool
	ended   chan struct{}
	err     error // why nothing more will come; set before ended is closed
}

var (
	_ kittest.Client       = (*Client)(nil)
	_ kittest.Puller       = (*Client)(nil)
	_ kittest.StatusHearer = (*Client)(nil)
)

// plenty is what may wait to be looked at.
const plenty = 1024

// Dial connects to host:port, without TLS, and waits until the connection is there.
// multi: the terminal will be a MultiPipe.
func Dial(ctx context.Context, addr string, multi bool) (*Client, error) {
	return dial(ctx, addr, multi, insecure.NewCredentials())
}

// DialTLS is Dial with TLS.
func DialTLS(ctx context.Context, addr string, multi bool, c *tls.Config) (*Client, error) {
	return dial(ctx, addr, multi, credentials.NewTLS(c))
}

func dial(ctx context.Context, addr string, multi bool, c credentials.TransportCredentials) (*Client, error) {
	// A window of fixed size: what is not read stops the sender soon.
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(c), grpc.WithInitialWindowSize(1<<16))
	if err != nil {
		return nil, err
	}
	conn.Connect()
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		if state == connectivity.TransientFailure || !conn.WaitForStateChange(ctx, state) {
			_ = conn.Close()
			return nil, fmt.Errorf("connection to %s: %s", addr, state)
		}
	}
	return &Client{
		multi: multi, conn: conn, cancel: func() {}, calls: make(map[string]*Call), ended: make(chan struct{}),
		incoming: make(chan *Call, plenty), statuses: make(chan kittest.Status, plenty), stray: make(chan *Message, plenty),
	}, nil
}

// SignIn implements kittest.Client. An account without a number leaves it to its
// token.
func (c *Client) SignIn(ctx context.Context, a kittest.Account) error {
	method := wgtwo.WebTerminalService_Pipe_FullMethodName
	if c.multi {
		method = wgtwo.WebTerminalService_MultiPipe_FullMethodName
	}
	life, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	life = metadata.AppendToOutgoingContext(life, "authorization", "Bearer "+a.Token)
	if a.MSISDN != "" {
		life = metadata.AppendToOutgoingContext(life, "wg2-msisdn", strings.TrimPrefix(a.MSISDN, "+"))
	}
	st, err := c.conn.NewStream(life, &wgtwo.WebTerminalService_ServiceDesc.Streams[0], method,
		grpc.ForceCodecV2(RawCodec()), grpc.WaitForReady(true))
	if err != nil {
		return signInError(err)
	}
	c.stream = st
	first := make(chan error, 1)
	go c.read(first)
	select {
	case err := <-first:
		return signInError(err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func signInError(err error) error {
	for code, is := range map[codes.Code]callv1.Code{
		codes.Unauthenticated: callv1.Code_CODE_UNAUTHENTICATED, codes.PermissionDenied: callv1.Code_CODE_FORBIDDEN,
		codes.Unavailable: callv1.Code_CODE_RETRY, codes.ResourceExhausted: callv1.Code_CODE_OVERLOAD,
	} {
		if status.Code(err) == code {
			return schema.Errorf(is, "%w", err)
		}
	}
	return err
}

// read sorts what comes. first gets how the stream's opening went.
func (c *Client) read(first chan<- error) {
	defer close(c.ended)
	if err := c.open(); err != nil {
		c.err = err
		first <- err
		return
	}
	first <- nil
	for {
		c.mu.Lock()
		stalled := c.stalled
		c.mu.Unlock()
		if stalled {
			return
		}
		m := &Message{}
		if err := c.stream.RecvMsg(m); err != nil {
			c.err = err
			return
		}
		c.mu.Lock()
		c.take(m)
		c.mu.Unlock()
	}
}

// open waits for what tells that the terminal is there: headers on a MultiPipe, and
// InCall or Idle on a Pipe.
func (c *Client) open() error {
	if c.multi {
		md, err := c.stream.Header()
		if err == nil && md == nil { // the stream ended without headers
			err = c.stream.RecvMsg(&Message{})
		}
		return err
	}
	m := &Message{}
	if err := c.stream.RecvMsg(m); err != nil {
		return err
	}
	switch {
	case m.GetInCall() != nil:
		c.show(m)
	case m.GetIdle() == nil, m.GetCallId() != "":
		return fmt.Errorf("a Pipe opened with %q", Show(m))
	}
	return nil
}

// take hands a message to its call. It is called with mu held.
func (c *Client) take(m *Message) {
	k := c.calls[m.GetCallId()]
	switch {
	case m.GetInCall() != nil && k != nil && k.pushes > 0:
		k.hear(m)
		delete(c.calls, k.id) // what is said of that name from now on is status
	case m.GetInCall() != nil, m.GetIdle() != nil:
		c.show(m)
	case k != nil:
		k.hear(m)
	case m.GetOffer() != nil:
		k = c.add(m.GetCallId())
		k.sdp, k.from = m.GetOffer().GetSdp(), m.GetOffer().GetMsisdn().GetE164()
		c.incoming <- k
	default:
		c.stray <- m
	}
}

// show takes an InCall or Idle about a call that this terminal is not in.
func (c *Client) show(m *Message) {
	s := kittest.Status{InCall: m.GetInCall() != nil, Peer: m.GetInCall().GetMsisdn().GetE164()}
	if c.multi {
		s.Call = m.GetCallId()
	}
	c.statuses <- s
}

// add makes a call known. It is called with mu held.
func (c *Client) add(id string) *Call {
	k := &Call{c: c, id: id, heard: make(chan kittest.Heard, 64)}
	c.calls[id] = k
	return k
}

// Call implements kittest.Client.
func (c *Client) Call(_ context.Context, to kittest.Account, sdp string) (kittest.Call, error) {
	return c.offer(NewUUID(), sdp, to.MSISDN)
}

// Pull implements kittest.Puller. A Pipe ignores the name: it pulls what it was
// shown last.
func (c *Client) Pull(_ context.Context, name, sdp string) (kittest.Call, error) {
	if !c.multi {
		name = NewUUID()
	}
	return c.offer(name, sdp, "")
}

func (c *Client) offer(id, sdp, to string) (kittest.Call, error) {
	c.mu.Lock()
	k := c.add(id)
	c.mu.Unlock()
	k.first = Offer(id, sdp, to)
	return k, c.Send(k.first)
}

// NextStatus implements kittest.StatusHearer.
func (c *Client) NextStatus(ctx context.Context) (kittest.Status, error) {
	return next(ctx, c, c.statuses)
}

// Stray waits for the next message about no call of this client.
func (c *Client) Stray(ctx context.Context) (*Message, error) { return next(ctx, c, c.stray) }

// Incoming implements kittest.Client.
func (c *Client) Incoming(ctx context.Context) (kittest.Call, error) {
	k, err := next(ctx, c, c.incoming)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// next waits for the next of something, what came before the stream's end included.
func next[V any](ctx context.Context, c *Client, from <-chan V) (v V, err error) {
	select {
	case v := <-from:
		return v, nil
	case <-ctx.Done():
		return v, ctx.Err()
	case <-c.ended:
	}
	select {
	case v := <-from:
		return v, nil
	default:
		return v, fmt.Errorf("the stream ended: %w", c.err)
	}
}

// Named implements kittest.Client.
func (c *Client) Named(id string) kittest.Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.add(id)
}

// Send writes a message, or, given a []byte, these bytes as they are.
func (c *Client) Send(m any) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	return c.stream.SendMsg(m)
}

// HalfClose ends the sending side of the stream, which is not leaving.
func (c *Client) HalfClose() error {
	c.sending.Lock()
	defer c.sending.Unlock()
	return c.stream.CloseSend()
}

// Stall implements kittest.Client. A read under way gets one more message.
func (c *Client) Stall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = true
}

// SignOut implements kittest.Client.
func (c *Client) SignOut(context.Context) error { return errors.New("WG2 has no signing out") }

// Ended waits for the end of the stream and gives its status.
func (c *Client) Ended(ctx context.Context) error {
	select {
	case <-c.ended:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close implements kittest.Client.
func (c *Client) Close() {
	c.cancel()
	_ = c.conn.Close()
	if c.stream != nil {
		<-c.ended
	}
}
