package play

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/tests/pairs/scenario"
	"github.com/tandem-rtc/tandem/tests/pairs/voice"
)

// call is one call of a terminal.
type call struct {
	k     kittest.Call
	voice voice.Voice
	// outgoing: placed or pulled by this terminal, so that its answer comes.
	outgoing bool
	answered bool
	// offer is what it was offered last, and not yet answered.
	offer string
	sdp   string     // its own early description
	op    kittest.Op // the last request
	heard []kittest.Heard
	// over: it ended, for the reason that was told, or by the terminal itself.
	over   bool
	reason string
}

// signIn connects the terminal.
func (t *terminal) signIn() error {
	ctx, cancel := context.WithTimeout(t.st.ctx, t.st.patience)
	defer cancel()
	c, err := t.p.Dial(ctx, t.st.x)
	if err != nil {
		return fmt.Errorf("%s cannot connect: %w", t.name, err)
	}
	for _, k := range t.calls { // before it signs in: what it is told comes at once
		if !k.over && t.p.CannotResume == "" {
			k.k = c.Named(k.k.ID())
		}
	}
	who := t.st.who[t.person]
	before := t.st.x.Terminals(who.Subscriber)
	if err = c.SignIn(ctx, who); err == nil {
		err = t.came(ctx, who.Subscriber, before)
	}
	if err != nil {
		c.Close()
		return fmt.Errorf("%s cannot sign in: %w", t.name, err)
	}
	t.client = c
	return nil
}

// came waits until the terminal is in the table, if it is not one that is there.
func (t *terminal) came(ctx context.Context, subscriber string, before map[string]bool) (err error) {
	key := [2]string{t.person, t.p.Shares}
	t.st.mu.Lock()
	defer t.st.mu.Unlock()
	if id := t.st.shared[key]; t.p.Shares != "" && before[id] {
		t.id = id
		return nil
	}
	t.id, err = t.st.x.Came(ctx, subscriber, before)
	t.st.shared[key] = t.id
	return err //nolint:wrapcheck // the caller says what failed
}

// do carries out an action and waits for its acknowledgement, if the wire has any.
func (t *terminal) do(s scenario.Step) error {
	ctx, cancel := context.WithTimeout(t.st.ctx, t.st.patience)
	defer cancel()
	switch s.What {
	case "sign-in":
		return t.signIn()
	case "sign-out":
		err := t.client.SignOut(ctx)
		t.leave(false)
		return errors.Join(err, t.st.x.Went(ctx, t.st.who[t.person].Subscriber, t.id))
	case "drop":
		t.leave(true)
		return t.st.x.Went(ctx, t.st.who[t.person].Subscriber, t.id)
	case "call":
		return t.place(ctx, s, t.st.dialled(s.Arg))
	case "dial-back":
		return t.place(ctx, s, kittest.Account{AOR: t.caller, MSISDN: t.caller})
	case "pull", "steal":
		return t.pull(ctx, s)
	}
	k := t.calls[s.Call]
	if k != nil && s.What == "rejoin" {
		k.k, k.over, k.reason = t.client.Named(k.k.ID()), false, ""
		return nil
	}
	if k == nil || k.over {
		return errors.New("it has no such call")
	}
	return t.within(ctx, s, k)
}

// leave closes the connection and forgets the calls, but for those that a terminal
// which is lost will know again. Their media goes on.
func (t *terminal) leave(lost bool) {
	t.client.Close()
	t.client = nil
	for _, k := range t.calls {
		if !lost || t.p.CannotResume != "" || !k.outgoing && !k.answered {
			k.over, k.reason = true, itsOwn
		}
	}
}

// itsOwn is the reason of an end that needs no telling.
const itsOwn = "its own"

func (t *terminal) place(ctx context.Context, s scenario.Step, to kittest.Account) error {
	v, err := t.st.voice(t.name)
	if err != nil {
		return err
	}
	sdp, err := v.Offer("", s.Has("video"))
	if err != nil {
		return err
	}
	if s.Has("nothing") {
		sdp = voice.Unusable(sdp)
	}
	k := &call{voice: v, outgoing: true}
	t.calls[s.Call] = k
	if hs := headers(s); hs != nil {
		c, ok := t.client.(kittest.HeaderCaller)
		if !ok {
			return errors.New("the client has no headers")
		}
		k.k, err = c.CallWith(ctx, to, sdp, hs)
	} else {
		k.k, err = t.client.Call(ctx, to, sdp)
	}
	return t.acked(ctx, k, kittest.OpCall, err)
}

func headers(s scenario.Step) (out []*callv1.Header) {
	for _, w := range s.With {
		if w.What == "header" {
			out = append(out, &callv1.Header{Name: w.Name, Value: w.Value})
		}
	}
	return out
}

func (t *terminal) pull(ctx context.Context, s scenario.Step) error {
	c, ok := t.client.(kittest.Puller)
	if !ok {
		return errors.New("the client does not pull")
	}
	v, err := t.st.voice(t.name)
	if err != nil {
		return err
	}
	sdp, err := v.Offer("", false)
	if err != nil {
		return err
	}
	if s.Has("nothing") {
		sdp = voice.Unusable(sdp)
	}
	name := t.inCall.Call
	if s.What == "steal" {
		records, err := t.st.records(ctx)
		if err != nil || len(records) == 0 {
			return fmt.Errorf("there is nothing to steal: %w", err)
		}
		name = records[len(records)-1].GetId()
	}
	k := &call{voice: v, outgoing: true, op: kittest.OpPull}
	t.calls[s.Call] = k
	k.k, err = c.Pull(ctx, name, sdp)
	return err
}

// within carries out what is about a call that the terminal has.
func (t *terminal) within(ctx context.Context, s scenario.Step, k *call) error {
	switch s.What {
	case "ring":
		if t.p.RingsItself {
			return nil
		}
		return t.acked(ctx, k, kittest.OpRing, k.k.Ring(ctx))
	case "early-media":
		return t.earlyMedia(ctx, k)
	case "answer":
		return t.answer(ctx, s, k)
	case "decline":
		k.over = true
		return t.acked(ctx, k, kittest.OpReject, k.k.Reject(ctx, callv1.Reason_REASON_DECLINED))
	case "busy":
		k.over = true
		return t.acked(ctx, k, kittest.OpReject, k.k.Reject(ctx, callv1.Reason_REASON_BUSY))
	case "hang-up":
		k.over = true
		return t.acked(ctx, k, kittest.OpHangUp, k.k.HangUp(ctx))
	case "press":
		for _, d := range s.Arg {
			if err := k.k.DTMF(ctx, string(d)); err != nil {
				return err
			}
		}
		return nil
	case "play":
		return k.voice.Play(ctx, s.Arg)
	case "push":
		c, ok := k.k.(kittest.Pusher)
		if !ok {
			return errors.New("the client does not push")
		}
		return t.acked(ctx, k, kittest.OpPush, c.Push(ctx))
	case "reoffer":
		c, ok := k.k.(kittest.Reofferer)
		if !ok {
			return errors.New("the client does not re-offer")
		}
		sdp, err := k.voice.Offer(s.Arg, false)
		if err != nil {
			return err
		}
		k.op = kittest.OpReoffer
		return c.Reoffer(ctx, sdp)
	case "refuse":
		c, ok := k.k.(kittest.ReofferRefuser)
		if !ok {
			return errors.New("the client does not refuse re-offers")
		}
		k.offer = ""
		return t.acked(ctx, k, kittest.OpRefuseReoffer, c.RefuseReoffer(ctx))
	}
	return fmt.Errorf("no such action: %s", s.What)
}

func (t *terminal) earlyMedia(ctx context.Context, k *call) error {
	c, ok := k.k.(kittest.EarlyRinger)
	if !ok {
		return errors.New("the client has no early media")
	}
	var err error
	if k.sdp, err = k.voice.Answer(k.k.SDP()); err != nil {
		return err
	}
	return t.acked(ctx, k, kittest.OpRing, c.RingEarly(ctx, k.sdp))
}

// answer answers the call, or in one that was answered what was offered last.
func (t *terminal) answer(ctx context.Context, s scenario.Step, k *call) error {
	if k.answered {
		c, ok := k.k.(kittest.ReofferTaker)
		if !ok || k.offer == "" {
			return errors.New("there is nothing to answer")
		}
		sdp, err := k.voice.Answer(k.offer)
		if err != nil {
			return err
		}
		k.offer = ""
		return t.acked(ctx, k, kittest.OpAnswerReoffer, c.AnswerReoffer(ctx, sdp))
	}
	sdp, err := k.sdp, error(nil)
	if sdp == "" {
		sdp, err = k.voice.Answer(k.k.SDP())
	}
	if err != nil {
		return err
	}
	if s.Has("nothing") {
		sdp = voice.Unusable(sdp)
	}
	k.answered = true
	if hs := headers(s); hs != nil {
		c, ok := k.k.(kittest.HeaderBearer)
		if !ok {
			return errors.New("the client has no headers")
		}
		return t.acked(ctx, k, kittest.OpAnswer, c.AnswerWith(ctx, sdp, hs))
	}
	return t.acked(ctx, k, kittest.OpAnswer, k.k.Answer(ctx, sdp))
}

// acked waits until a request that was sent is acknowledged or refused, on a wire
// that acknowledges; what it hears besides is kept for the lines that follow.
func (t *terminal) acked(ctx context.Context, k *call, op kittest.Op, err error) error {
	if err != nil {
		return err
	}
	k.op = op
	if _, lacks := t.p.Lacks[kittest.Acks]; lacks {
		return t.carriedOut(ctx, k, op)
	}
	for {
		h, err := k.k.Next(ctx)
		if err != nil {
			return fmt.Errorf("no acknowledgement: %w", err)
		}
		if h.What == kittest.Acked {
			return nil
		}
		k.heard = append(k.heard, h)
		if h.What == kittest.Refused {
			return nil
		}
	}
}

// carriedOut waits, on a wire that does not acknowledge, until the owner of the call
// has carried a request out that nobody else is told of at once: what the next line
// does would cross it.
func (t *terminal) carriedOut(ctx context.Context, k *call, op kittest.Op) error {
	c, ok := k.k.(interface{ CallID() string })
	if !ok || k.outgoing && op != kittest.OpHangUp {
		return nil
	}
	still := func(l *callv1.Leg) bool { return false }
	switch {
	case op == kittest.OpRing:
		still = func(l *callv1.Leg) bool {
			return l.GetId() == c.CallID() && l.GetState() == callv1.LegState_LEG_STATE_OFFERED
		}
	case op == kittest.OpReject, op == kittest.OpHangUp:
		still = func(l *callv1.Leg) bool {
			mine := l.GetId() == c.CallID() || l.GetRef() != "" && l.GetRef() == c.CallID()
			return mine && l.GetState() != callv1.LegState_LEG_STATE_ENDED
		}
	}
	return t.st.x.Until(ctx, func(r *callv1.CallRecord) bool { return !slices.ContainsFunc(r.GetLegs(), still) })
}
