package sylkrtc

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestConformanceSylkRTC1(t *testing.T) { kittest.Run(t, harness(sylkrtctest.V1)) }

func TestConformanceSylkRTC2(t *testing.T) { kittest.Run(t, harness(sylkrtctest.V2)) }

func harness(v string) kittest.Harness {
	return kittest.Harness{
		Protocol: kittest.Protocol{
			Cannot:  sylkrtctest.Cannot(v),
			Shows:   func(r callv1.Reason) callv1.Reason { return sylkrtctest.ReasonIn(endedText(r, outgoing)) },
			Refusal: refusalOf,
		},
		Node:     func(t kittest.T) kittest.Node { return conformanceNode(t, v) },
		BadInput: badInput(),
	}
}

func refusalOf(op kittest.Op, code callv1.Code) kittest.Heard {
	ends := func(text string) kittest.Heard {
		return kittest.Heard{What: kittest.Ended, Reason: sylkrtctest.ReasonIn(text)}
	}
	fails := func(c callv1.Code) kittest.Heard { return kittest.Heard{What: kittest.Refused, Code: c} }
	switch {
	case op == kittest.OpCall && (code == callv1.Code_CODE_CONFLICT || code == callv1.Code_CODE_ENDED):
		return fails(callv1.Code_CODE_CONFLICT)
	case op == kittest.OpCall && code != callv1.Code_CODE_INVALID:
		if text, ok := refusedCall(code); ok {
			return ends(text)
		}
	case op == kittest.OpReoffer:
		if text, ok := refusedUpdate(code); ok {
			return fails(sylkrtctest.CodeIn(text))
		}
		return fails(code) // not found, ended, invalid
	case op == kittest.OpAnswerReoffer:
		switch code {
		case callv1.Code_CODE_CONFLICT, callv1.Code_CODE_REJECTED:
			return fails(callv1.Code_CODE_CONFLICT)
		case callv1.Code_CODE_NOT_ACCEPTABLE, callv1.Code_CODE_ENDED:
			return fails(code)
		}
	case op == kittest.OpAnswer && code == callv1.Code_CODE_CONFLICT:
		return ends(textCancelled)
	case op == kittest.OpAnswer && code == callv1.Code_CODE_NOT_ACCEPTABLE:
		return ends("488")
	case code == callv1.Code_CODE_NOT_FOUND || code == callv1.Code_CODE_INVALID:
		return fails(code)
	}
	return fails(sylkrtctest.CodeIn(errorText(schema.Errorf(code, "x"))))
}

func conformanceNode(t kittest.T, v string) kittest.Node {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	cfg := Defaults()
	cfg.Listener = l
	cfg.MaxSessions = 1000 // so that it is not this that stops a slow peer
	rings := sylkrtctest.NewRings()
	return kittest.Node{Spec: rings.Spec(Spec()), Config: cfg, Dial: func(ctx context.Context) (kittest.Client, error) {
		c, err := sylkrtctest.Dial(ctx, "ws://"+l.Addr().String()+cfg.Path, v, sylkrtctest.Options{})
		if err != nil {
			return nil, err
		}
		return sylkrtctest.Kit(c, rings), nil
	}}
}

// badInput is what no client sends. Each is followed by a request whose answer
// shows that the bad one was dealt with.
func badInput() []kittest.BadInput {
	var out []kittest.BadInput
	text := func(name, message, want string) {
		out = append(out, kittest.BadInput{Name: name, Send: func(ctx context.Context, kc kittest.Client) error {
			c := sylkrtctest.Beneath(kc)
			if err := c.SendText(ctx, message); err != nil {
				return err
			}
			if want != "" {
				var e *sylkrtctest.Error
				if err := c.Reply(ctx, "T"); !errors.As(err, &e) || !strings.HasPrefix(e.Text, want) {
					return errors.Join(errors.New("want "+want), err)
				}
			}
			return stillServes(ctx, c)
		}})
	}
	text("truncated JSON", `{"sylkrtc":"session-create","transaction":`, "")
	text("truncated JSON with a transaction", `{"transaction":"T","sylkrtc":"session-create","sdp":"v=0`, "malformed JSON")
	text("no object", `["sylkrtc"]`, "")
	text("a transaction that is no text", `{"sylkrtc":"session-terminate","transaction":{},"session":"s"}`, "")
	text("no type", `{"transaction":"T"}`, "could not get")
	text("an unknown type", `{"transaction":"T","sylkrtc":"call-me"}`, "unknown WebSocket request")
	text("a missing field", `{"transaction":"T","sylkrtc":"session-create","session":"s"}`, "Mandatory property")
	text("a field of the wrong type", `{"transaction":"T","sylkrtc":"session-terminate","session":[]}`, "Invalid value")
	text("an account that was not added", `{"transaction":"T","sylkrtc":"session-create","session":"s","account":"zoe@example.com","uri":"bob@example.com","sdp":""}`, "Unknown account")
	text("an address that is none", `{"transaction":"T","sylkrtc":"session-create","session":"s","account":"alice@example.com","uri":"\u0000","sdp":""}`, "invalid SIP URI")
	text("an account twice", `{"transaction":"T","sylkrtc":"account-add","account":"alice@example.com","password":"x"}`, "Account alice@example.com already added")
	text("a foreign domain", `{"transaction":"T","sylkrtc":"account-add","account":"alice@elsewhere.org","password":"x"}`, "SIP domain not allowed")
	text("deep nesting", `{"transaction":"T","sylkrtc":"session-trickle","session":"s","candidates":`+strings.Repeat("[", 15000)+strings.Repeat("]", 15000)+`}`, "malformed JSON")
	out = append(out, kittest.BadInput{Name: "a binary message", Send: func(ctx context.Context, kc kittest.Client) error {
		c := sylkrtctest.Beneath(kc)
		return errors.Join(c.SendBinary(ctx, []byte{1, 2, 3}), stillServes(ctx, c))
	}}, kittest.BadInput{Name: "an oversized message", Closes: true, Send: func(ctx context.Context, kc kittest.Client) error {
		c := sylkrtctest.Beneath(kc)
		if err := c.SendText(ctx, `{"transaction":"T","x":"`+strings.Repeat("x", Defaults().MaxMessage)+`"}`); err != nil {
			return nil //nolint:nilerr // it was cut off while it was sent
		}
		if err := c.Ended(ctx); ctx.Err() != nil {
			return err
		}
		return nil
	}})
	return out
}

func stillServes(ctx context.Context, c *sylkrtctest.Client) error {
	var e *sylkrtctest.Error
	if err := c.RemoveAccount(ctx, "nobody@example.com"); !errors.As(err, &e) {
		return errors.Join(errors.New("no answer any more"), err)
	}
	return nil
}
