package loopback_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/loopback"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestConformance(t *testing.T) { kittest.Run(t, harness(&mutation{})) }

// harness is the adapter, with a mutation, and its terminals.
func harness(m *mutation) kittest.Harness {
	return kittest.Harness{
		Node: func(kittest.T) kittest.Node {
			x := loopback.NewExchange()
			spec := loopback.Spec()
			cfg := spec.Config().(*loopback.Config)
			cfg.Exchange = x
			return kittest.Node{
				Spec: mutate(spec, m), Config: cfg,
				Dial: func(ctx context.Context) (kittest.Client, error) { return dial(ctx, x) },
			}
		},
		BadInput: []kittest.BadInput{
			refused("an unknown frame", loopback.Frame{Op: "juggle", Call: "c1"}, "unsupported"),
			refused("a frame without a call", loopback.Frame{Op: loopback.HangUp}, "invalid"),
			refused("an address that is none", loopback.Frame{Op: loopback.Place, Call: "c1", To: "\x00"}, "invalid"),
			refused("a description that is too long", loopback.Frame{
				Op: loopback.Place, Call: "c1", To: kittest.Bob.AOR, SDP: strings.Repeat("x", 1<<20),
			}, "invalid"),
			refused("text that is not UTF-8", loopback.Frame{
				Op: loopback.Place, Call: "c1", To: kittest.Bob.AOR, SDP: "v=0\r\n\xff",
			}, "invalid"),
			refused("an unknown reason", loopback.Frame{Op: loopback.HangUp, Call: "c1", Reason: "bored"}, "invalid"),
			refused("signing in twice", loopback.Frame{Op: loopback.SignIn}, "conflict"),
			refused("a digit that is none", loopback.Frame{Op: loopback.Digit, Call: "c1", Text: "x"}, "invalid"),
			refused("a candidate of no call", loopback.Frame{Op: loopback.Trickle, Call: "c1", SDP: "candidate:1"}, "not-found"),
		},
	}
}

// refused is bad input that is answered with a code.
func refused(name string, f loopback.Frame, code string) kittest.BadInput {
	return kittest.BadInput{Name: name, Send: func(ctx context.Context, c kittest.Client) error {
		got, err := c.(*client).request(ctx, f)
		if err == nil && (got.Op != loopback.Refused || got.Code != code) {
			err = fmt.Errorf("answered with %+v, want refused, %s", got, code)
		}
		return err
	}}
}

// client is a terminal of this wire.
type client struct {
	conn     *loopback.Client
	stop     context.CancelFunc
	done     chan struct{}
	incoming chan *call
	replies  chan loopback.Frame // to what is not about one of our calls

	mu     sync.Mutex
	calls  map[string]*call
	placed int
}

func dial(ctx context.Context, x *loopback.Exchange) (*client, error) {
	conn, err := x.Dial(ctx)
	if err != nil {
		return nil, err
	}
	reading, stop := context.WithCancel(context.Background())
	c := &client{
		conn: conn, stop: stop, done: make(chan struct{}),
		incoming: make(chan *call, 1024), replies: make(chan loopback.Frame, 16), calls: map[string]*call{},
	}
	go c.read(reading)
	return c, nil
}

// read sorts what comes by call.
func (c *client) read(ctx context.Context) {
	defer close(c.done)
	for {
		f, err := c.conn.Receive(ctx)
		if err != nil {
			return
		}
		if f.Op == loopback.Incoming {
			k := c.call(f.Call)
			k.sdp = f.SDP
			c.incoming <- k
			continue
		}
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

// call makes the call of a name known.
func (c *client) call(name string) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := &call{c: c, name: name, heard: make(chan loopback.Frame, 64)}
	c.calls[name] = k
	return k
}

func (c *client) request(ctx context.Context, f loopback.Frame) (loopback.Frame, error) {
	if err := c.conn.Send(ctx, f); err != nil {
		return f, err
	}
	select {
	case f = <-c.replies:
		return f, nil
	case <-ctx.Done():
		return f, ctx.Err()
	}
}

// SignIn implements kittest.Client.
func (c *client) SignIn(ctx context.Context, a kittest.Account) error {
	f, err := c.request(ctx, loopback.Frame{Op: loopback.SignIn, Account: a.AOR, Password: a.HA1})
	if err == nil && f.Op == loopback.Refused {
		err = schema.Errorf(code(f.Code), "%s", f.Text)
	}
	return err
}

// Call implements kittest.Client.
func (c *client) Call(ctx context.Context, to kittest.Account, sdp string) (kittest.Call, error) {
	c.placed++
	k := c.call(fmt.Sprintf("%s-%p-%d", "call", c, c.placed))
	k.first = loopback.Frame{Op: loopback.Place, Call: k.name, To: to.AOR, SDP: sdp}
	return k, c.conn.Send(ctx, k.first)
}

// Incoming implements kittest.Client.
func (c *client) Incoming(ctx context.Context) (kittest.Call, error) {
	select {
	case k := <-c.incoming:
		return k, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Named implements kittest.Client.
func (c *client) Named(id string) kittest.Call { return c.call(id) }

// Stall implements kittest.Client.
func (c *client) Stall() {
	c.stop()
	<-c.done
}

// SignOut implements kittest.Client.
func (c *client) SignOut(ctx context.Context) error {
	return c.conn.Send(ctx, loopback.Frame{Op: loopback.SignOut})
}

// Close implements kittest.Client.
func (c *client) Close() {
	c.conn.Close()
	c.Stall()
}

// call is one call of a client.
type call struct {
	c     *client
	name  string
	sdp   string
	first loopback.Frame
	heard chan loopback.Frame
}

func (k *call) send(ctx context.Context, f loopback.Frame) error {
	f.Call = k.name
	return k.c.conn.Send(ctx, f)
}

func (k *call) ID() string                       { return k.name }
func (k *call) SDP() string                      { return k.sdp }
func (k *call) Repeat(ctx context.Context) error { return k.send(ctx, k.first) }
func (k *call) Ring(ctx context.Context) error   { return k.send(ctx, loopback.Frame{Op: loopback.Ring}) }
func (k *call) HangUp(ctx context.Context) error {
	return k.send(ctx, loopback.Frame{Op: loopback.HangUp})
}
func (k *call) Answer(ctx context.Context, sdp string) error {
	return k.send(ctx, loopback.Frame{Op: loopback.Answer, SDP: sdp})
}
func (k *call) Reject(ctx context.Context, why callv1.Reason) error {
	return k.send(ctx, loopback.Frame{Op: loopback.HangUp, Reason: schema.ReasonName(why)})
}
func (k *call) Trickle(ctx context.Context, candidate string) error {
	return k.send(ctx, loopback.Frame{Op: loopback.Trickle, SDP: candidate})
}
func (k *call) DTMF(ctx context.Context, digit string) error {
	return k.send(ctx, loopback.Frame{Op: loopback.Digit, Text: digit})
}

// Next implements kittest.Call.
func (k *call) Next(ctx context.Context) (kittest.Heard, error) {
	for {
		var f loopback.Frame
		select {
		case f = <-k.heard:
		case <-ctx.Done():
			return kittest.Heard{}, ctx.Err()
		case <-k.c.done:
			select {
			case f = <-k.heard:
			default:
				return kittest.Heard{}, errors.New("connection closed")
			}
		}
		switch f.Op {
		case loopback.Accepted:
			if f.Of == loopback.Trickle || f.Of == loopback.Digit {
				continue
			}
			return kittest.Heard{What: kittest.Acked, Op: op(f.Of)}, nil
		case loopback.Refused:
			return kittest.Heard{What: kittest.Refused, Op: op(f.Of), Code: code(f.Code)}, nil
		case loopback.Alerting:
			return kittest.Heard{What: kittest.Alerting}, nil
		case loopback.Answered:
			return kittest.Heard{What: kittest.Answered, SDP: f.SDP}, nil
		case loopback.Established:
			return kittest.Heard{What: kittest.Established}, nil
		case loopback.Ended:
			why, _ := schema.ParseReason(f.Reason)
			return kittest.Heard{What: kittest.Ended, Reason: why}, nil
		}
		return kittest.Heard{}, fmt.Errorf("unexpected frame %+v", f)
	}
}

func op(o loopback.Op) kittest.Op {
	return map[loopback.Op]kittest.Op{
		loopback.Place: kittest.OpCall, loopback.Ring: kittest.OpRing, loopback.Answer: kittest.OpAnswer,
		loopback.HangUp: kittest.OpHangUp, loopback.Trickle: kittest.OpTrickle, loopback.Digit: kittest.OpDTMF,
	}[o]
}

func code(name string) callv1.Code {
	for n := range callv1.Code_name {
		if schema.CodeName(callv1.Code(n)) == name {
			return callv1.Code(n)
		}
	}
	return callv1.Code_CODE_UNSPECIFIED
}
