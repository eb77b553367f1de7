package grpcpipe

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe/grpcpipetest"
	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestConformancePipe(t *testing.T) { kittest.Run(t, harness(false)) }

func TestConformanceMultiPipe(t *testing.T) { kittest.Run(t, harness(true)) }

func harness(multi bool) kittest.Harness {
	return kittest.Harness{
		Protocol: grpcpipetest.Protocol(multi),
		Node:     func(kittest.T) kittest.Node { return node(multi) },
		BadInput: badInput(multi),
	}
}

func node(multi bool) kittest.Node {
	cfg := Defaults()
	cfg.Listen = "127.0.0.1:0"
	cfg.MaxCalls = 1000 // so that it is not this that stops a slow peer
	var a *Adapter
	spec := Spec()
	inner := spec.New
	spec.New = func(c kit.Config, h kit.Host) (kit.Adapter, error) {
		made, err := inner(c, &oneAsk{Host: h})
		a, _ = made.(*Adapter)
		return made, err
	}
	return kittest.Node{Spec: spec, Config: cfg, Dial: func(ctx context.Context) (kittest.Client, error) {
		return grpcpipetest.Dial(ctx, a.Addr(ctx).String(), multi)
	}}
}

// oneAsk spares the kit, which scripts one command for each request, what follows
// when an Offer was refused because its call is there: TestOfferWithinFormerCall.
type oneAsk struct {
	kit.Host
	refused sync.Map // legs
}

func (h *oneAsk) Accept(ctx context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
	if _, was := h.refused.Load(c.GetLegId()); was && c.GetReoffer() != nil {
		ack(nil, schema.Errorf(callv1.Code_CODE_CONFLICT, "as before"))
		return
	}
	h.Host.Accept(ctx, c, ref, func(r *callv1.Reply, err error) {
		if c.GetOffer() != nil && schema.CodeOf(err) == callv1.Code_CODE_CONFLICT {
			h.refused.Store(c.GetLegId(), true)
		}
		ack(r, err)
	})
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
		answeredBy("a move to the phone without a call", toPhone("nonsense"), noCall+" id=nonsense"),
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
		c := client.(*grpcpipetest.Client)
		if err := c.Send(m); err != nil {
			return err
		}
		got, err := c.Stray(ctx)
		if err != nil {
			return err
		}
		if show(got) != want {
			return fmt.Errorf("answered by %q, want %q", show(got), want)
		}
		return nil
	}}
}

// ends is bad input that ends the stream, as gRPC has it.
func ends(name string, b []byte, want codes.Code) kittest.BadInput {
	return kittest.BadInput{Name: name, Closes: true, Send: func(ctx context.Context, client kittest.Client) error {
		c := client.(*grpcpipetest.Client)
		if err := c.Send(b); err != nil {
			return err
		}
		if err := c.Ended(ctx); status.Code(err) != want {
			return fmt.Errorf("the stream ended with %w, want %s", err, want)
		}
		return nil
	}}
}
