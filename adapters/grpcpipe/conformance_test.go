package grpcpipe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestConformancePipe(t *testing.T) { kittest.Run(t, harness(false)) }

func TestConformanceMultiPipe(t *testing.T) { kittest.Run(t, harness(true)) }

func harness(multi bool) kittest.Harness {
	return kittest.Harness{
		Protocol: protocol(multi),
		Node:     func(kittest.T) kittest.Node { return node(multi) },
		BadInput: badInput(multi),
	}
}

func protocol(multi bool) kittest.Protocol {
	p := kittest.Protocol{
		Cannot: map[kittest.Ability]string{
			kittest.Acks:             "requests have no answers; the protocol's own next message follows",
			kittest.HearsEstablished: "the terminal sees its own media connect",
			kittest.SaysBusy:         "Bye has no cause",
			kittest.SignsOut:         "ending the stream is all there is, in order or not",
			kittest.Trickles:         "candidates travel inside the SDP only",
			kittest.SignalsDTMF:      "digits travel in RTP (RFC 4733)",
		},
		Shows: func(callv1.Reason) callv1.Reason { return callv1.Reason_REASON_UNSPECIFIED },
		Refusal: func(op kittest.Op, code callv1.Code) kittest.Heard {
			r := sayNoCall
			switch op {
			case kittest.OpCall:
				r = refuseOffer(code)
			case kittest.OpAnswer:
				r = refuseAnswer(code)
			case kittest.OpRing:
				r = refuseRinging(code)
			}
			if r == sayBye {
				return kittest.Heard{What: kittest.Ended}
			}
			return kittest.Heard{What: kittest.Refused, Code: map[refusal]callv1.Code{
				sayTryAgain: callv1.Code_CODE_RETRY, sayRateLimit: callv1.Code_CODE_RATE_LIMITED,
				sayNoCall: callv1.Code_CODE_NOT_FOUND, sayUnknown: callv1.Code_CODE_UNSUPPORTED,
			}[r]}
		},
	}
	if !multi {
		p.Cannot[kittest.Names] = "call_id is ignored: a message means the current call"
		p.Cannot[kittest.ManyCalls] = "a Pipe has one call at a time"
	}
	return p
}

func node(multi bool) kittest.Node {
	cfg := Defaults()
	cfg.Listen = "127.0.0.1:0"
	cfg.MaxCalls = 1000 // so that it is not this that stops a slow peer
	var a *Adapter
	spec := Spec()
	inner := spec.New
	spec.New = func(c kit.Config, h kit.Host) (kit.Adapter, error) {
		made, err := inner(c, h)
		a, _ = made.(*Adapter)
		return made, err
	}
	return kittest.Node{Spec: spec, Config: cfg, Dial: func(ctx context.Context) (kittest.Client, error) {
		return dialTerminal(ctx, a.Addr(ctx).String(), multi)
	}}
}

// terminal is one client of this wire.
type terminal struct {
	multi    bool
	conn     *grpc.ClientConn
	stream   grpc.ClientStream
	cancel   context.CancelFunc
	incoming chan *terminalCall
	stray    chan *message // about no call of ours

	mu      sync.Mutex
	calls   map[string]*terminalCall
	stalled bool
	ended   chan struct{}
	err     error
}

func dialTerminal(ctx context.Context, addr string, multi bool) (*terminal, error) {
	// A window of fixed size: what is not read stops the sender soon.
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithInitialWindowSize(1<<16))
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
	return &terminal{
		multi: multi, conn: conn, cancel: func() {}, calls: make(map[string]*terminalCall),
		incoming: make(chan *terminalCall, 1024), stray: make(chan *message, 1024), ended: make(chan struct{}),
	}, nil
}

// SignIn implements kittest.Client.
func (c *terminal) SignIn(ctx context.Context, a kittest.Account) error {
	method := wgtwo.WebTerminalService_Pipe_FullMethodName
	if c.multi {
		method = wgtwo.WebTerminalService_MultiPipe_FullMethodName
	}
	life, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	life = metadata.AppendToOutgoingContext(life, "authorization", "Bearer "+a.Token, "wg2-msisdn", strings.TrimPrefix(a.MSISDN, "+"))
	st, err := c.conn.NewStream(life, &wgtwo.WebTerminalService_ServiceDesc.Streams[0], method,
		grpc.ForceCodecV2(raw{encoding.GetCodecV2("proto")}), grpc.WaitForReady(true))
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
	switch status.Code(err) {
	case codes.OK:
		return nil
	case codes.Unauthenticated:
		return schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "%w", err)
	case codes.PermissionDenied:
		return schema.Errorf(callv1.Code_CODE_FORBIDDEN, "%w", err)
	case codes.Unavailable:
		return schema.Errorf(callv1.Code_CODE_RETRY, "%w", err)
	}
	return err
}

// read sorts what comes by call. first gets how the stream's opening went.
func (c *terminal) read(first chan<- error) {
	defer close(c.ended)
	if c.multi {
		md, err := c.stream.Header()
		if err == nil && md == nil { // the stream ended without headers
			err = c.stream.RecvMsg(&message{})
		}
		first <- err
	}
	opened := c.multi
	for {
		c.mu.Lock()
		stalled := c.stalled
		c.mu.Unlock()
		if stalled {
			return
		}
		m := &message{}
		err := c.stream.RecvMsg(m)
		if err == nil && !opened && m.GetIdle() == nil {
			err = fmt.Errorf("a Pipe opened with %q", show(m))
		}
		if !opened {
			first <- err
			opened = true
			if err == nil {
				continue
			}
		}
		if err != nil {
			c.err = err
			return
		}
		c.mu.Lock()
		k := c.calls[m.GetCallId()]
		if k == nil && m.GetOffer() != nil {
			k = c.add(m.GetCallId())
			k.sdp = m.GetOffer().GetSdp()
			c.incoming <- k
			k = nil
		} else if k == nil {
			c.stray <- m
		}
		c.mu.Unlock()
		if k != nil {
			k.heard <- m
		}
	}
}

// add makes a call known. It is called with mu held.
func (c *terminal) add(id string) *terminalCall {
	k := &terminalCall{c: c, id: id, heard: make(chan *message, 64)}
	c.calls[id] = k
	return k
}

// Call implements kittest.Client.
func (c *terminal) Call(_ context.Context, to kittest.Account, sdp string) (kittest.Call, error) {
	c.mu.Lock()
	id, _ := schema.CanonicalUUID(schema.NewIDKey([]byte(schema.NewID())).NewCallID("a client's own", "id")) // any UUID
	k := c.add(id)
	c.mu.Unlock()
	k.first = wireOffer(k.id, sdp, to.MSISDN)
	return k, c.stream.SendMsg(k.first)
}

// Incoming implements kittest.Client.
func (c *terminal) Incoming(ctx context.Context) (kittest.Call, error) {
	select {
	case k := <-c.incoming:
		return k, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Named implements kittest.Client.
func (c *terminal) Named(id string) kittest.Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.add(id)
}

// Stall implements kittest.Client. A read under way gets one more message.
func (c *terminal) Stall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = true
}

// SignOut implements kittest.Client.
func (c *terminal) SignOut(context.Context) error { return errors.New("WG2 has no signing out") }

// Close implements kittest.Client.
func (c *terminal) Close() {
	c.cancel()
	_ = c.conn.Close()
	if c.stream != nil {
		<-c.ended
	}
}

// terminalCall is one call of a client.
type terminalCall struct {
	c     *terminal
	id    string
	sdp   string
	first *message
	heard chan *message
}

// ID implements kittest.Call.
func (k *terminalCall) ID() string {
	if !k.c.multi {
		return ""
	}
	return k.id
}

func (k *terminalCall) SDP() string                  { return k.sdp }
func (k *terminalCall) Repeat(context.Context) error { return k.c.stream.SendMsg(k.first) }
func (k *terminalCall) Ring(context.Context) error   { return k.c.stream.SendMsg(wireRinging(k.id)) }
func (k *terminalCall) HangUp(context.Context) error { return k.c.stream.SendMsg(wireBye(k.id)) }
func (k *terminalCall) Answer(_ context.Context, sdp string) error {
	return k.c.stream.SendMsg(wireAnswer(k.id, sdp))
}
func (k *terminalCall) Reject(context.Context, callv1.Reason) error {
	return k.c.stream.SendMsg(wireBye(k.id))
}
func (k *terminalCall) Trickle(context.Context, string) error {
	return errors.New("WG2 does not trickle")
}
func (k *terminalCall) DTMF(context.Context, string) error { return errors.New("WG2 has no digits") }

// Next implements kittest.Call.
func (k *terminalCall) Next(ctx context.Context) (kittest.Heard, error) {
	var m *message
	select {
	case m = <-k.heard:
	case <-ctx.Done():
		return kittest.Heard{}, ctx.Err()
	case <-k.c.ended:
		select {
		case m = <-k.heard:
		default:
			return kittest.Heard{}, fmt.Errorf("the stream ended: %w", k.c.err)
		}
	}
	switch body := m.GetMessage().(type) {
	case *wgtwo.WebTerminalMessage_Ringing:
		return kittest.Heard{What: kittest.Alerting}, nil
	case *wgtwo.WebTerminalMessage_Answer:
		return kittest.Heard{What: kittest.Answered, SDP: body.Answer.GetSdp()}, nil
	case *wgtwo.WebTerminalMessage_Bye:
		return kittest.Heard{What: kittest.Ended}, nil
	case *wgtwo.WebTerminalMessage_Error:
		return kittest.Heard{What: kittest.Refused, Code: map[errCode]callv1.Code{
			errTryAgain: callv1.Code_CODE_RETRY, errRateLimit: callv1.Code_CODE_RATE_LIMITED,
			errInvalidID: callv1.Code_CODE_NOT_FOUND, errNotInCall: callv1.Code_CODE_NOT_FOUND,
			errUnknown: callv1.Code_CODE_UNSUPPORTED,
		}[body.Error.GetErr()]}, nil
	}
	return kittest.Heard{}, fmt.Errorf("unexpected %q", show(m))
}

func badInput(multi bool) []kittest.BadInput {
	noCall := "error NOT_INCALL"
	if multi {
		noCall = "error INVALID_CALL_ID"
	}
	bad := []kittest.BadInput{
		answeredBy("a message that only the core says", wireIdle(uuid1), "error UNKNOWN id="+uuid1),
		answeredBy("a message of a version to come", &message{CallId: uuid1}, "error UNKNOWN id="+uuid1),
		answeredBy("an Answer without a call", wireAnswer("", "v=0"), noCall+" id="),
		answeredBy("a Bye for a call_id that is none", wireBye("nonsense"), noCall+" id=nonsense"),
		answeredBy("a Ringing without a call", wireRinging(""), noCall+" id="),
		answeredBy("a move to the phone without a call", toPhone(uuid2), noCall+" id="+uuid2),
		answeredBy("an Offer to no number", wireOffer(uuid1, "v=0", "bob"), "bye id="+uuid1),
		answeredBy("an Offer without a description", wireOffer(uuid1, "", "+"+bob), "bye id="+uuid1),
		answeredBy("an Offer with too long a description", wireOffer(uuid1, strings.Repeat("x", 100<<10), "+"+bob), "bye id="+uuid1),
		ends("bytes that are no message", []byte{0xff, 0xff}, codes.Internal),
		ends("half a message", []byte{1<<3 | 2, 100, 1}, codes.Internal),
		ends("a message that is too large", make([]byte, 1<<20), codes.ResourceExhausted),
	}
	if multi {
		bad = append(bad, answeredBy("an Offer without a call_id", wireOffer("", "v=0", "+"+bob), noCall+" id="))
	}
	return bad
}

// answeredBy is bad input that gets one message.
func answeredBy(name string, m *message, want string) kittest.BadInput {
	return kittest.BadInput{Name: name, Send: func(ctx context.Context, client kittest.Client) error {
		c := client.(*terminal)
		if err := c.stream.SendMsg(m); err != nil {
			return err
		}
		select {
		case got := <-c.stray:
			if show(got) != want {
				return fmt.Errorf("answered by %q, want %q", show(got), want)
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}

// ends is bad input that ends the stream, as gRPC has it.
func ends(name string, b []byte, want codes.Code) kittest.BadInput {
	return kittest.BadInput{Name: name, Closes: true, Send: func(ctx context.Context, client kittest.Client) error {
		c := client.(*terminal)
		if err := c.stream.SendMsg(b); err != nil {
			return err
		}
		select {
		case <-c.ended:
			if status.Code(c.err) != want {
				return fmt.Errorf("the stream ended with %w, want %s", c.err, want)
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}
