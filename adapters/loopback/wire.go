package loopback

import (
	"context"
	"errors"
	"sync"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Op says what a frame is.
type Op string

// From a terminal.
const (
	SignIn  Op = "sign-in"  // Account, Password
	SignOut Op = "sign-out" // nothing
	Place   Op = "place"    // Call, To, SDP, Headers
	Ring    Op = "ring"     // Call, SDP (early media) or ""
	Answer  Op = "answer"   // Call, SDP, Headers: takes a call, or what it is offered anew
	HangUp  Op = "hang-up"  // Call, Reason "" or "busy"
	Pull    Op = "pull"     // Call (of an InCall), SDP: takes that call over
	Push    Op = "push"     // Call: gives it to the subscriber's phone
	Refuse  Op = "refuse"   // Call: does not take what it is offered anew
	Trickle Op = "trickle"  // Call, SDP (one candidate)
	Digit   Op = "digit"    // Call, Text
)

// Both ways.
const (
	Reoffer Op = "reoffer" // Call, SDP: offers anew in an answered call
)

// To a terminal.
const (
	Accepted    Op = "accepted"    // Of, Call: the request was carried out; SDP, of a Pull or Reoffer
	Refused     Op = "refused"     // Of, Call, Code, Text
	Incoming    Op = "incoming"    // Call, From, SDP, Headers
	Alerting    Op = "alerting"    // Call, SDP (early media) or ""
	Answered    Op = "answered"    // Call, SDP, Headers
	Established Op = "established" // Call
	PushFailed  Op = "push-failed" // Call, Reason: it stays
	Ended       Op = "ended"       // Call, Reason
	InCall      Op = "in-call"     // Call, From: the subscriber's, at another terminal
	Idle        Op = "idle"        // Call: of an InCall, is over
	Goodbye     Op = "goodbye"     // the exchange closes the connection
)

// Frame is the protocol's one message. Call is what the two ends call a call by:
// the caller's own choice for the caller, a leg id for the called, the call's id for
// a terminal that pulls it.
type Frame struct {
	Op       Op
	Of       Op // what an Accepted or Refused answers
	Call     string
	Account  string // user@domain
	Password string // HA1
	From, To string // as dialled; From is an address URI
	SDP      string
	Headers  []*callv1.Header
	Code     string // "not-found"
	Reason   string // "declined"
	Text     string
}

// errClosed: the other end has closed the connection.
var errClosed = errors.New("loopback: connection closed")

// Exchange is where terminals dial in: the network of this wire.
type Exchange struct{ dials chan *Client }

// NewExchange makes a network that nobody serves yet.
func NewExchange() *Exchange { return &Exchange{make(chan *Client)} }

// Dial connects a terminal and returns once an adapter has taken the connection.
func (x *Exchange) Dial(ctx context.Context) (*Client, error) {
	c := &Client{up: make(chan Frame), down: make(chan Frame, window), closed: make(chan struct{})}
	select {
	case x.dials <- c:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// window is how many frames the wire holds for a terminal that does not read.
const window = 16

// Client is a terminal's end of a connection, and all there is between the two.
type Client struct {
	up, down chan Frame
	closed   chan struct{}
	once     sync.Once
}

// Send writes a frame, and waits until the adapter has read it.
func (c *Client) Send(ctx context.Context, f Frame) error { return c.write(ctx, c.up, f) }

// Receive waits for the next frame.
func (c *Client) Receive(ctx context.Context) (Frame, error) { return c.read(ctx, c.down) }

// Close breaks the connection, from either end. It may be called again.
func (c *Client) Close() { c.once.Do(func() { close(c.closed) }) }

func (c *Client) write(ctx context.Context, to chan<- Frame, f Frame) error {
	select {
	case <-c.closed:
		return errClosed
	default:
	}
	select {
	case to <- f:
		return nil
	case <-c.closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read gives what was written before the end of the connection, also after it.
func (c *Client) read(ctx context.Context, from <-chan Frame) (Frame, error) {
	select {
	case f := <-from:
		return f, nil
	default:
	}
	select {
	case f := <-from:
		return f, nil
	case <-c.closed:
		select {
		case f := <-from:
			return f, nil
		default:
			return Frame{}, errClosed
		}
	case <-ctx.Done():
		return Frame{}, ctx.Err()
	}
}
