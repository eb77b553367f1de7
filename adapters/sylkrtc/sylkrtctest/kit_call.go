package sylkrtctest

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// KitCall is a session as the kit has it.
type KitCall struct {
	c        *KitClient
	id       string
	outgoing bool
	incoming Message        // of one that came
	first    map[string]any // of one that was placed
	rang     chan error

	mu    sync.Mutex
	asked map[string]kittest.Op // by transaction
	// offering is how many offers of this terminal's wait for what becomes of them.
	offering int
	past     bool // it has been answered, or is over
}

// ID implements kittest.Call.
func (k *KitCall) ID() string { return k.id }

// SDP implements kittest.Call.
func (k *KitCall) SDP() string { return k.incoming.SDP }

// Caller is who calls, as the wire shows it.
func (k *KitCall) Caller() Identity { return k.incoming.Originator }

func (k *KitCall) asks(transaction string, op kittest.Op) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked[transaction] = op
	if op == kittest.OpReoffer {
		k.offering++
	}
}

func (k *KitCall) ask(ctx context.Context, op kittest.Op, name string, fields map[string]any) error {
	t := rand.Text()
	k.asks(t, op)
	fields["sylkrtc"], fields["transaction"], fields["session"] = name, t, k.id
	_, err := k.c.Send(ctx, fields)
	return err
}

// Repeat implements kittest.Call.
func (k *KitCall) Repeat(ctx context.Context) error {
	_, err := k.c.Send(ctx, k.first)
	return err
}

// Ring implements kittest.Call.
func (k *KitCall) Ring(ctx context.Context) error {
	if k.c.rings == nil {
		return nil
	}
	return k.c.rings.Release(ctx, k.id, func(_ *callv1.Reply, err error) { k.rang <- err })
}

// Answer implements kittest.Call.
func (k *KitCall) Answer(ctx context.Context, sdp string) error {
	return k.ask(ctx, kittest.OpAnswer, "session-answer", map[string]any{"sdp": sdp})
}

// Reject implements kittest.Call.
func (k *KitCall) Reject(ctx context.Context, _ callv1.Reason) error {
	return k.ask(ctx, kittest.OpReject, "session-terminate", map[string]any{})
}

// HangUp implements kittest.Call.
func (k *KitCall) HangUp(ctx context.Context) error {
	return k.ask(ctx, kittest.OpHangUp, "session-terminate", map[string]any{})
}

// Trickle implements kittest.Call.
func (k *KitCall) Trickle(ctx context.Context, candidate string) error {
	return k.c.Trickle(ctx, k.id, Candidate{Candidate: candidate, Mid: "0"})
}

// DTMF implements kittest.Call.
func (k *KitCall) DTMF(ctx context.Context, digit string) error {
	return k.c.DTMF(ctx, k.id, digit, 0)
}

var errRang = errors.New("rang")

// Next implements kittest.Call. What the wire says before a call alerts is no news
// to the kit, nor is the ack of an offer, which says nothing of what becomes of it.
func (k *KitCall) Next(ctx context.Context) (kittest.Heard, error) {
	for {
		m, err := k.next(ctx)
		if errors.Is(err, errRang) {
			err = <-k.rang
			if k.answered() {
				continue // what became of alerting is past
			}
			return kittest.Heard{What: kittest.Acked, Op: kittest.OpRing}, err
		}
		if err != nil {
			return kittest.Heard{}, err
		}
		if heard, news := k.heard(m); news {
			return heard, nil
		}
	}
}

// next waits for the next message about the call, or for what Ring was told, which is
// no message: then the error is errRang.
func (k *KitCall) next(ctx context.Context) (Message, error) {
	both, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case err := <-k.rang:
			k.rang <- err
			cancel(errRang)
		case <-stop:
		}
	}()
	m, err := k.c.Next(both, func(m Message) bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return m.Type == "session-event" && m.Session == k.id || m.Transaction != "" && k.asked[m.Transaction] != ""
	})
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(both), errRang) {
		return m, errRang
	}
	return m, err
}

func (k *KitCall) answered() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.past
}

func (k *KitCall) heard(m Message) (h kittest.Heard, news bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	op := k.asked[m.Transaction]
	switch {
	case m.Type == "ack":
		return kittest.Heard{What: kittest.Acked, Op: op}, op != kittest.OpReoffer
	case m.Type == "error":
		if op == kittest.OpReoffer {
			k.offering--
		}
		return kittest.Heard{What: kittest.Refused, Op: op, Code: CodeIn(m.Error)}, true
	case m.Event == "update":
		return k.updated(m)
	case m.Event != "state":
		return kittest.Heard{What: kittest.What(m.Raw)}, true
	}
	return k.stateOf(m)
}

// updated is what an event of an update says. k.mu is held.
func (k *KitCall) updated(m Message) (h kittest.Heard, news bool) {
	switch {
	case m.State == "received":
		return kittest.Heard{What: kittest.Reoffered, SDP: m.SDP}, true
	case m.State == "failed" && k.offering == 0:
		return kittest.Heard{}, false // of an offer that this terminal did not answer
	}
	k.offering--
	if m.State == "failed" {
		return kittest.Heard{What: kittest.Refused, Op: kittest.OpReoffer, Code: CodeIn(m.Reason)}, true
	}
	return kittest.Heard{What: kittest.ReofferAnswered, Op: kittest.OpReoffer, SDP: m.SDP}, true
}

// stateOf is what a state says. k.mu is held.
func (k *KitCall) stateOf(m Message) (h kittest.Heard, news bool) {
	k.past = k.past || m.State == "accepted" || m.State == "terminated"
	switch m.State {
	case "progress", "proceeding":
		return kittest.Heard{}, false
	case "ringing":
		return kittest.Heard{What: kittest.Alerting}, true
	case "early-media":
		return kittest.Heard{What: kittest.Alerting, SDP: m.SDP}, true
	case "accepted":
		if k.outgoing {
			return kittest.Heard{What: kittest.Answered, SDP: m.SDP, Headers: headersIn(m.Headers)}, true
		}
		return kittest.Heard{What: kittest.Accepted}, true
	case "established":
		return kittest.Heard{What: kittest.Established}, true
	case "terminated":
		return kittest.Heard{What: kittest.Ended, Reason: ReasonIn(m.Reason)}, true
	}
	return kittest.Heard{What: kittest.What(m.Raw)}, true
}
