package grpcpipetest

import (
	"context"
	"errors"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Call is one call of a Client.
type Call struct {
	c     *Client
	id    string
	sdp   string // of an incoming one
	from  string
	first *Message
	heard chan kittest.Heard

	// Guarded by the client's mutex: what was asked and has no answer yet. The wire
	// does not say what an answer answers.
	reoffers, pushes int
}

var (
	_ kittest.Call           = (*Call)(nil)
	_ kittest.Pusher         = (*Call)(nil)
	_ kittest.Reofferer      = (*Call)(nil)
	_ kittest.ReofferTaker   = (*Call)(nil)
	_ kittest.ReofferRefuser = (*Call)(nil)
)

// ID implements kittest.Call.
func (k *Call) ID() string {
	if !k.c.multi {
		return ""
	}
	return k.id
}

// CallID is the call_id that this call's messages carry, on a Pipe too.
func (k *Call) CallID() string { return k.id }

// SDP implements kittest.Call.
func (k *Call) SDP() string { return k.sdp }

// From is the number that an incoming call came with.
func (k *Call) From() string { return k.from }

// Repeat implements kittest.Call.
func (k *Call) Repeat(context.Context) error { return k.c.Send(k.first) }

// Ring implements kittest.Call.
func (k *Call) Ring(context.Context) error { return k.c.Send(Ringing(k.id)) }

// HangUp implements kittest.Call.
func (k *Call) HangUp(context.Context) error { return k.c.Send(Bye(k.id)) }

// Answer implements kittest.Call.
func (k *Call) Answer(_ context.Context, sdp string) error { return k.c.Send(Answer(k.id, sdp)) }

// Reject implements kittest.Call.
func (k *Call) Reject(context.Context, callv1.Reason) error { return k.c.Send(Bye(k.id)) }

// Trickle implements kittest.Call.
func (k *Call) Trickle(context.Context, string) error { return errors.New("WG2 does not trickle") }

// DTMF implements kittest.Call.
func (k *Call) DTMF(context.Context, string) error { return errors.New("WG2 has no digits") }

// Push implements kittest.Pusher.
func (k *Call) Push(context.Context) error {
	k.asked(&k.pushes)
	return k.c.Send(ToPhone(k.id))
}

// Reoffer implements kittest.Reofferer.
func (k *Call) Reoffer(_ context.Context, sdp string) error {
	k.asked(&k.reoffers)
	return k.c.Send(Offer(k.id, sdp, ""))
}

// AnswerReoffer implements kittest.ReofferTaker.
func (k *Call) AnswerReoffer(_ context.Context, sdp string) error { return k.c.Send(Answer(k.id, sdp)) }

// RefuseReoffer implements kittest.ReofferRefuser.
func (k *Call) RefuseReoffer(context.Context) error {
	return k.c.Send(Error(k.id, wgtwo.Error_UNKNOWN))
}

// Next implements kittest.Call.
func (k *Call) Next(ctx context.Context) (kittest.Heard, error) { return next(ctx, k.c, k.heard) }

func (k *Call) asked(what *int) {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	*what++
}

// hear takes a message. It is called with the client's mutex held.
func (k *Call) hear(m *Message) {
	switch body := m.GetMessage().(type) {
	case *wgtwo.WebTerminalMessage_Ringing:
		k.heard <- kittest.Heard{What: kittest.Alerting}
	case *wgtwo.WebTerminalMessage_Offer:
		k.heard <- kittest.Heard{What: kittest.Reoffered, SDP: body.Offer.GetSdp()}
	case *wgtwo.WebTerminalMessage_Answer:
		what := kittest.Answered
		if k.reoffers > 0 {
			k.reoffers--
			what = kittest.ReofferAnswered
		}
		k.heard <- kittest.Heard{What: what, SDP: body.Answer.GetSdp()}
	case *wgtwo.WebTerminalMessage_InCall:
		k.heard <- kittest.Heard{What: kittest.Transferred}
	case *wgtwo.WebTerminalMessage_Bye:
		k.heard <- kittest.Heard{What: kittest.Ended}
	case *wgtwo.WebTerminalMessage_Error:
		k.heard <- k.refused(body.Error.GetErr())
	default:
		k.c.stray <- m
	}
}

// refused is what an Error is about: what was asked last.
func (k *Call) refused(code wgtwo.Error_Code) kittest.Heard {
	switch {
	case k.reoffers > 0:
		k.reoffers--
	case k.pushes > 0 && code == wgtwo.Error_TRY_AGAIN:
		k.pushes--
		return kittest.Heard{What: kittest.PushFailed}
	}
	return kittest.Heard{What: kittest.Refused, Code: CodeIn(code)}
}
