package loopbacktest

import (
	"context"
	"errors"
	"fmt"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/loopback"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

var errClosed = errors.New("connection closed")

// Call is one call of a Client, and all that a Call may be.
type Call struct {
	c       *Client
	name    string
	sdp     string
	headers []*callv1.Header
	first   loopback.Frame
	heard   chan loopback.Frame
}

var _ interface {
	kittest.Call
	kittest.Pusher
	kittest.Reofferer
	kittest.ReofferTaker
	kittest.ReofferRefuser
	kittest.EarlyRinger
	kittest.EarlyHearer
	kittest.HeaderBearer
} = (*Call)(nil)

func (k *Call) send(ctx context.Context, f loopback.Frame) error {
	f.Call = k.name
	return k.c.conn.Send(ctx, f)
}

// ID implements kittest.Call.
func (k *Call) ID() string { return k.name }

// SDP implements kittest.Call.
func (k *Call) SDP() string { return k.sdp }

// Headers implements kittest.HeaderBearer.
func (k *Call) Headers() []*callv1.Header { return k.headers }

// Repeat implements kittest.Call.
func (k *Call) Repeat(ctx context.Context) error { return k.send(ctx, k.first) }

// Ring implements kittest.Call.
func (k *Call) Ring(ctx context.Context) error {
	return k.send(ctx, loopback.Frame{Op: loopback.Ring})
}

// RingEarly implements kittest.EarlyRinger.
func (k *Call) RingEarly(ctx context.Context, sdp string) error {
	return k.send(ctx, loopback.Frame{Op: loopback.Ring, SDP: sdp})
}

// HearsEarly implements kittest.EarlyHearer.
func (k *Call) HearsEarly() {}

// Answer implements kittest.Call.
func (k *Call) Answer(ctx context.Context, sdp string) error { return k.AnswerWith(ctx, sdp, nil) }

// AnswerWith implements kittest.HeaderBearer.
func (k *Call) AnswerWith(ctx context.Context, sdp string, headers []*callv1.Header) error {
	return k.send(ctx, loopback.Frame{Op: loopback.Answer, SDP: sdp, Headers: headers})
}

// Reject implements kittest.Call.
func (k *Call) Reject(ctx context.Context, why callv1.Reason) error {
	return k.send(ctx, loopback.Frame{Op: loopback.HangUp, Reason: schema.ReasonName(why)})
}

// HangUp implements kittest.Call.
func (k *Call) HangUp(ctx context.Context) error {
	return k.send(ctx, loopback.Frame{Op: loopback.HangUp})
}

// Push implements kittest.Pusher.
func (k *Call) Push(ctx context.Context) error {
	return k.send(ctx, loopback.Frame{Op: loopback.Push})
}

// Reoffer implements kittest.Reofferer.
func (k *Call) Reoffer(ctx context.Context, sdp string) error {
	return k.send(ctx, loopback.Frame{Op: loopback.Reoffer, SDP: sdp})
}

// AnswerReoffer implements kittest.ReofferTaker: it is an answer like another.
func (k *Call) AnswerReoffer(ctx context.Context, sdp string) error { return k.Answer(ctx, sdp) }

// RefuseReoffer implements kittest.ReofferRefuser.
func (k *Call) RefuseReoffer(ctx context.Context) error {
	return k.send(ctx, loopback.Frame{Op: loopback.Refuse})
}

// Trickle implements kittest.Call.
func (k *Call) Trickle(ctx context.Context, candidate string) error {
	return k.send(ctx, loopback.Frame{Op: loopback.Trickle, SDP: candidate})
}

// DTMF implements kittest.Call.
func (k *Call) DTMF(ctx context.Context, digit string) error {
	return k.send(ctx, loopback.Frame{Op: loopback.Digit, Text: digit})
}

// Next implements kittest.Call.
func (k *Call) Next(ctx context.Context) (kittest.Heard, error) {
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
				return kittest.Heard{}, errClosed
			}
		}
		if f.Op == loopback.Accepted && (f.Of == loopback.Trickle || f.Of == loopback.Digit) {
			continue
		}
		return heard(f)
	}
}

// heard is what a frame means.
func heard(f loopback.Frame) (kittest.Heard, error) {
	why, _ := schema.ParseReason(f.Reason)
	switch f.Op {
	case loopback.Accepted:
		switch f.Of {
		case loopback.Pull:
			return kittest.Heard{What: kittest.Answered, SDP: f.SDP}, nil
		case loopback.Reoffer:
			return kittest.Heard{What: kittest.ReofferAnswered, SDP: f.SDP}, nil
		}
		return kittest.Heard{What: kittest.Acked, Op: op(f.Of)}, nil
	case loopback.Refused:
		return kittest.Heard{What: kittest.Refused, Op: op(f.Of), Code: code(f.Code)}, nil
	case loopback.Alerting:
		return kittest.Heard{What: kittest.Alerting, SDP: f.SDP}, nil
	case loopback.Answered:
		return kittest.Heard{What: kittest.Answered, SDP: f.SDP, Headers: f.Headers}, nil
	case loopback.Established:
		return kittest.Heard{What: kittest.Established}, nil
	case loopback.Reoffer:
		return kittest.Heard{What: kittest.Reoffered, SDP: f.SDP}, nil
	case loopback.PushFailed:
		return kittest.Heard{What: kittest.PushFailed, Reason: why}, nil
	case loopback.Ended:
		return kittest.Heard{What: kittest.Ended, Reason: why}, nil
	}
	return kittest.Heard{}, fmt.Errorf("unexpected frame %+v", f)
}

func op(o loopback.Op) kittest.Op {
	return map[loopback.Op]kittest.Op{
		loopback.Place: kittest.OpCall, loopback.Ring: kittest.OpRing, loopback.Answer: kittest.OpAnswer,
		loopback.HangUp: kittest.OpHangUp, loopback.Trickle: kittest.OpTrickle, loopback.Digit: kittest.OpDTMF,
		loopback.Pull: kittest.OpPull, loopback.Push: kittest.OpPush, loopback.Reoffer: kittest.OpReoffer,
		loopback.Refuse: kittest.OpRefuseReoffer,
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
