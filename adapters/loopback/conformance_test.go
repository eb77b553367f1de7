package loopback_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/loopback"
	"github.com/tandem-rtc/tandem/adapters/loopback/loopbacktest"
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
				Dial: func(ctx context.Context) (kittest.Client, error) {
					c, err := loopbacktest.Dial(ctx, x)
					if err != nil || m.client == nil {
						return c, err
					}
					return m.client(c), nil
				},
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
		got, err := c.(*loopbacktest.Client).Request(ctx, f)
		if err == nil && (got.Op != loopback.Refused || got.Code != code) {
			err = fmt.Errorf("answered with %+v, want refused, %s", got, code)
		}
		return err
	}}
}
