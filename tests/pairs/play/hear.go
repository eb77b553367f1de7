package play

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/tests/pairs/scenario"
)

// hear waits for an event. What a protocol has no word for is not waited for. The
// optional events may come before it; an optional one is not waited for itself.
func (t *terminal) hear(s scenario.Step, before []scenario.Step) error {
	if s.Optional || t.p.Cannot(scenario.Condition{Hears: true, What: s.What}) != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(t.st.ctx, t.st.patience)
	defer cancel()
	if t.client == nil {
		return errors.New("it is not there")
	}
	switch s.What {
	case "incoming":
		return t.incoming(ctx, s)
	case "missed":
		return t.missed(ctx, s)
	case "in-call", "idle":
		return t.status(ctx, s, before)
	}
	k := t.calls[s.Call]
	if k == nil {
		return errors.New("it has no such call")
	}
	if s.What == "refused" && t.wants(k, s.What, s.Args()[0]).What == "" {
		return nil // its protocol has no word for that refusal
	}
	for {
		h, err := t.next(ctx, k)
		if err != nil {
			return fmt.Errorf("it was not told: %w", err)
		}
		bad := t.fits(k, h, s)
		if bad == nil {
			return t.take(k, h, s)
		}
		i := slices.IndexFunc(before, func(b scenario.Step) bool { return t.fits(k, h, b) == nil })
		if i < 0 {
			return bad
		}
		before = before[i+1:]
	}
}

// next gives what a call says next, without the formalities of its wire.
func (t *terminal) next(ctx context.Context, k *call) (kittest.Heard, error) {
	for {
		var h kittest.Heard
		if len(k.heard) > 0 {
			h, k.heard = k.heard[0], k.heard[1:]
		} else {
			var err error
			if h, err = k.k.Next(ctx); err != nil {
				return h, err
			}
		}
		if h.What != kittest.Acked && h.What != kittest.Accepted {
			return h, nil
		}
	}
}

// fits says what is wrong with what was heard for an event.
func (t *terminal) fits(k *call, h kittest.Heard, s scenario.Step) error {
	var bad error
	for _, arg := range s.Args() {
		want := t.wants(k, s.What, arg)
		early := (h.SDP != "") == (s.What == "early-media")
		if h.What == want.What && h.Reason == want.Reason && h.Code == want.Code && (h.What != kittest.Alerting || early) {
			return fitsHeaders(h, s, t.p)
		}
		bad = fmt.Errorf("it heard %q (reason %v, code %v, description: %v), not %q (reason %v, code %v)", h.What, h.Reason,
			h.Code, h.SDP != "", want.What, want.Reason, want.Code)
	}
	return bad
}

// wants is what a terminal hears of an event.
func (t *terminal) wants(k *call, what, arg string) kittest.Heard {
	switch what {
	case "alerting", "early-media":
		return kittest.Heard{What: kittest.Alerting}
	case "answered":
		if k.op == kittest.OpReoffer {
			return kittest.Heard{What: kittest.ReofferAnswered}
		}
		return kittest.Heard{What: kittest.Answered}
	case "established":
		return kittest.Heard{What: kittest.Established}
	case "ended":
		return kittest.Heard{What: kittest.Ended, Reason: t.p.Shows(reasonOf(arg))}
	case "refused":
		return t.p.Refusal(k.op, codeOf(arg))
	case "reoffer":
		return kittest.Heard{What: kittest.Reoffered}
	case "moved":
		return t.p.Moved
	case "push-failed":
		return t.p.PushFailed(reasonOf(arg))
	}
	return kittest.Heard{What: kittest.What("no " + what)}
}

func fitsHeaders(h kittest.Heard, s scenario.Step, p *Protocol) error {
	for _, w := range s.With {
		if w.What == "header" && !hasHeader(h, w) && p.Lacks[kittest.Headers] == "" {
			return fmt.Errorf("header %s: %s did not come with it, but %v", w.Name, w.Value, h.Headers)
		}
	}
	return nil
}

func hasHeader(h kittest.Heard, w scenario.With) bool {
	for _, x := range h.Headers {
		if strings.EqualFold(x.GetName(), w.Name) && x.GetValue() == w.Value {
			return true
		}
	}
	return false
}

// take draws the consequences of an event.
func (t *terminal) take(k *call, h kittest.Heard, s scenario.Step) error {
	switch h.What {
	case kittest.Answered, kittest.ReofferAnswered:
		k.answered = true
		if h.SDP == "" && k.sdp == "" {
			return errors.New("the answer has no description")
		}
		return k.took(h.SDP)
	case kittest.Alerting:
		return k.took(h.SDP)
	case kittest.Reoffered:
		k.offer = h.SDP
	case kittest.Ended, kittest.Transferred:
		if h.What == kittest.Transferred { // what says so is what shows the call, too
			t.inCall, t.shown = kittest.Status{InCall: true, Call: k.k.ID()}, true
		}
		k.over = true
		k.voice.Close()
		if s.What == "ended" {
			k.reason = s.Args()[0]
		}
	case kittest.Refused:
		if k.op == kittest.OpCall || k.op == kittest.OpPull {
			k.over = true
			k.voice.Close()
		}
	}
	return nil
}

// took takes an answer; after early media it may come again, or not.
func (k *call) took(sdp string) error {
	if sdp == "" {
		return nil
	}
	k.sdp = sdp
	return k.voice.Take(sdp) //nolint:wrapcheck // says what it is
}

// incoming waits for a call.
func (t *terminal) incoming(ctx context.Context, s scenario.Step) error {
	for {
		c, err := t.client.Incoming(ctx)
		if err != nil {
			return fmt.Errorf("it does not ring: %w", err)
		}
		stale, err := t.isStale(ctx, c)
		if err != nil || !stale {
			return errors.Join(err, t.rung(c, s))
		}
	}
}

// isStale reports whether a call that came is one that might have come before, and
// which is over then.
func (t *terminal) isStale(ctx context.Context, c kittest.Call) (bool, error) {
	i := slices.IndexFunc(t.st.played, t.mayHaveCome)
	if i < 0 {
		return false, nil
	}
	short, cancel := context.WithTimeout(ctx, 4*quiet)
	defer cancel()
	s := t.st.played[i]
	k := &call{k: c}
	h, err := t.next(short, k)
	if err != nil {
		return false, nil //nolint:nilerr // it still rings: it is the one that is waited for
	}
	if err := t.rung(c, s); err != nil {
		return true, err
	}
	return true, t.endsAs(t.calls[s.Call], h, s)
}

// mayHaveCome reports whether a line is of a call that may come to the terminal, and
// has not.
func (t *terminal) mayHaveCome(s scenario.Step) bool {
	return s.Who == t.name && s.Optional && s.What == "incoming" && t.calls[s.Call] == nil
}

// endsAs takes the end of a call that might have come.
func (t *terminal) endsAs(k *call, h kittest.Heard, s scenario.Step) error {
	ends := slices.IndexFunc(t.tail(s.Call), func(b scenario.Step) bool { return t.fits(k, h, b) == nil })
	if ends < 0 {
		return fmt.Errorf("%s/%s: heard %q of the call that came", t.name, s.Call, h.What)
	}
	return t.take(k, h, t.tail(s.Call)[ends])
}

// rung takes a call that came.
func (t *terminal) rung(c kittest.Call, s scenario.Step) error {
	v, err := t.st.voice(t.name)
	if err != nil {
		return err
	}
	t.calls[s.Call] = &call{k: c, voice: v}
	if t.caller = callerOf(c); t.caller == "" {
		t.caller = t.st.who[s.From].AOR // a client that does not tell what it is shown
	}
	if want := t.st.shownAs(s.From); !slices.Contains(want, t.caller) {
		return fmt.Errorf("it shows %q as the caller, and %s is %q", t.caller, s.From, want)
	}
	for _, w := range s.With {
		b, ok := c.(kittest.HeaderBearer)
		if !ok {
			continue
		}
		if !hasHeader(kittest.Heard{Headers: b.Headers()}, w) {
			return fmt.Errorf("header %s did not come with it, but %v", w.Name, b.Headers())
		}
	}
	return nil
}

// status waits for what is said of calls elsewhere.
func (t *terminal) status(ctx context.Context, s scenario.Step, before []scenario.Step) error {
	c, ok := t.client.(kittest.StatusHearer)
	if !ok {
		return errors.New("the client hears of no calls")
	}
	if t.shown && s.What == "in-call" {
		t.shown = false
		return nil
	}
	for {
		h, err := c.NextStatus(ctx)
		if err != nil {
			return fmt.Errorf("it was not told: %w", err)
		}
		bad := t.fitsStatus(h, s)
		if bad == nil {
			return nil
		}
		i := slices.IndexFunc(before, func(b scenario.Step) bool { return t.fitsStatus(h, b) == nil })
		if i < 0 {
			return bad
		}
		before = before[i+1:]
	}
}

// fitsStatus says what is wrong with a status for an event, and notes one that is
// right.
func (t *terminal) fitsStatus(h kittest.Status, s scenario.Step) error {
	switch {
	case h.InCall != (s.What == "in-call") || !h.InCall && s.What != "idle":
		return fmt.Errorf("it heard %+v", h)
	case !h.InCall && t.inCall.Call != "" && h.Call != t.inCall.Call:
		return fmt.Errorf("it heard of the end of %q, and was shown %q", h.Call, t.inCall.Call)
	case h.InCall && h.Peer != "" && !slices.Contains(t.st.shownAs(s.Arg), h.Peer):
		return fmt.Errorf("it is shown %q, and %s is %q", h.Peer, s.Arg, t.st.shownAs(s.Arg))
	}
	if h.InCall {
		t.inCall = h
	}
	return nil
}

// receive waits for media.
func (t *terminal) receive(s scenario.Step) error {
	ctx, cancel := context.WithTimeout(t.st.ctx, t.st.patience)
	defer cancel()
	var k *call
	for _, c := range t.calls {
		if !c.over && c.answeredOrEarly() && (k == nil || c == t.calls[s.Call]) {
			k = c
		}
	}
	if k == nil {
		return errors.New("it has no call")
	}
	if s.What == "digits" {
		return k.voice.Digits(ctx, s.Arg)
	}
	return k.voice.Receives(ctx, s.What, s.Arg)
}

func (k *call) answeredOrEarly() bool { return k.answered || k.outgoing || k.sdp != "" }
