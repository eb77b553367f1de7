package races_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// TestRaces runs every race with descriptions alone, and less often with media.
func TestRaces(t *testing.T) {
	for _, r := range races() {
		t.Run(r.name, func(t *testing.T) { r.play(t, false, *rounds) })
		t.Run(r.name+", with media", func(t *testing.T) { r.play(t, true, *rounds/20) })
	}
}

func races() []race {
	return []race{
		{name: "two answers", phones: []string{"alice", "bob", "bob2"}, run: twoAnswers},
		{name: "answer against cancel", phones: []string{"alice", "bob"}, run: answerAgainstCancel},
		{
			name: "pull against pull", phones: []string{"alice", "alice2", "alice3", "bob"},
			needs: []kittest.Ability{kittest.Pulls}, run: pullAgainstPull,
		},
		{
			name: "bye against re-offer", phones: []string{"alice", "bob"},
			needs: []kittest.Ability{kittest.Reoffers}, run: byeAgainstReoffer,
		},
		{name: "glare", phones: []string{"alice", "bob"}, late: true, run: glare},
	}
}

// twoAnswers: of two terminals that answer, one has the call and the other not.
func twoAnswers(ctx context.Context, w *world) error {
	a, err := w.place(ctx, "alice", "bob")
	if err != nil {
		return err
	}
	b1, err1 := w.ring(ctx, "bob")
	b2, err2 := w.ring(ctx, "bob2")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	err = w.atOnce(func() error { return b1.answer(ctx) }, func() error { return b2.answer(ctx) })
	if err != nil {
		return err
	}
	if err := a.until(ctx, "the answer", func() bool { return a.answered == 1 }); err != nil {
		return err
	}
	holder, err := w.holder(ctx, callv1.Side_SIDE_CALLEE)
	if err != nil {
		return err
	}
	winner, loser := b1, b2
	if holder == b2.f.id {
		winner, loser = b2, b1
	}
	if err := loser.until(ctx, "the loser's end", func() bool { return loser.ended+loser.refused > 0 }); err != nil {
		return err
	}
	if _, refused, ended := winner.state(); refused+ended > 0 || holder != winner.f.id {
		return fmt.Errorf("%s has the call, and the terminal that heard no end is %s", holder, winner.f.id)
	}
	if err := winner.k.HangUp(ctx); err != nil {
		return err
	}
	if err := a.until(ctx, "the end", func() bool { return a.ended == 1 }); err != nil {
		return err
	}
	r, err := w.one(ctx, true, callv1.Reason_REASON_NORMAL)
	if err != nil {
		return err
	}
	elsewhere := 0
	for _, l := range r.GetLegs() {
		if l.GetReason() == callv1.Reason_REASON_ANSWERED_ELSEWHERE && l.GetTerminal().GetId() == loser.f.id {
			elsewhere++
		}
	}
	if answered, _, _ := a.state(); answered != 1 || elsewhere != 1 {
		return fmt.Errorf("the caller heard %d answers, and %d legs of the loser's were answered elsewhere", answered, elsewhere)
	}
	return nil
}

// answerAgainstCancel: the call was answered and hung up, or cancelled; both
// terminals and the journal say the same.
func answerAgainstCancel(ctx context.Context, w *world) error {
	a, err := w.place(ctx, "alice", "bob")
	if err != nil {
		return err
	}
	b, err := w.ring(ctx, "bob")
	if err != nil {
		return err
	}
	if err := w.atOnce(func() error { return b.answer(ctx) }, func() error { return a.k.HangUp(ctx) }); err != nil {
		return err
	}
	rs, err := w.records(ctx, 1)
	if err != nil {
		return err
	}
	r := rs[0]
	want := callv1.Reason_REASON_CANCELLED
	if r.GetAnsweredAt() != nil {
		want = callv1.Reason_REASON_NORMAL
	}
	if r.GetReason() != want {
		return fmt.Errorf("answered: %v, and ended as %s", r.GetAnsweredAt() != nil, r.GetReason())
	}
	err = b.until(ctx, "the called's end", func() bool { return b.ended+b.refused > 0 })
	if err != nil {
		return err
	}
	w.ph["bob"].mu.Lock()
	defer w.ph["bob"].mu.Unlock()
	if b.ended > 0 && b.why != b.f.p.Shows(want) {
		return fmt.Errorf("the called heard %s, and the journal says %s", b.why, want)
	}
	return nil
}

// pullAgainstPull: whoever pulls last has the call, and nobody else.
func pullAgainstPull(ctx context.Context, w *world) error {
	before1, before2, before3 := w.ph["alice"].heardSoFar(), w.ph["alice2"].heardSoFar(), w.ph["alice3"].heardSoFar()
	a, b, err := w.talk(ctx, "alice", "bob")
	if err != nil {
		return err
	}
	call, err := w.live()
	if err != nil {
		return err
	}
	name2, err2 := w.ph["alice2"].shown(ctx, before2, call)
	name3, err3 := w.ph["alice3"].shown(ctx, before3, call)
	if err := errors.Join(err2, err3); err != nil {
		return err
	}
	pullers := make([]*leg, 2)
	err = w.atOnce(
		func() (err error) { pullers[0], err = w.pull(ctx, "alice2", name2); return err },
		func() (err error) { pullers[1], err = w.pull(ctx, "alice3", name3); return err },
	)
	for _, l := range pullers {
		if l != nil {
			w.legs = append(w.legs, l)
		}
	}
	if err != nil {
		return err
	}
	for _, l := range pullers {
		if err := l.until(ctx, "the pull's answer", func() bool { return l.answered == 1 }); err != nil {
			return err
		}
	}
	holder, err := w.holder(ctx, callv1.Side_SIDE_CALLER)
	if err != nil {
		return err
	}
	winner, loser, beforeLoser := pullers[0], pullers[1], before3
	if holder == loser.f.id {
		winner, loser, beforeLoser = loser, winner, before2
	}
	for _, l := range []*leg{a, loser} {
		if err := l.until(ctx, "the end of who lost it", func() bool { return l.ended == 1 }); err != nil {
			return err
		}
	}
	if _, _, ended := winner.state(); ended > 0 || holder != winner.f.id {
		return fmt.Errorf("%s has the call, and heard %d ends", holder, ended)
	}
	if err := b.k.HangUp(ctx); err != nil {
		return err
	}
	if err := winner.until(ctx, "the end", func() bool { return winner.ended == 1 }); err != nil {
		return err
	}
	if _, err = w.one(ctx, true, callv1.Reason_REASON_NORMAL); err != nil {
		return err
	}
	return errors.Join(a.f.idle(ctx, before1, 0), loser.f.idle(ctx, beforeLoser, 1))
}

// byeAgainstReoffer: the call is over for both, whatever became of the offer.
func byeAgainstReoffer(ctx context.Context, w *world) error {
	from, to := "alice", "bob"
	if w.rng.IntN(2) == 0 {
		from, to = to, from
	}
	a, b, err := w.talk(ctx, from, to)
	if err != nil {
		return err
	}
	offers, ends := a, b
	if w.rng.IntN(2) == 0 {
		offers, ends = b, a
	}
	sdp, err := offers.voice.Offer("hold", false)
	if err != nil {
		return err
	}
	err = w.atOnce(
		func() error { return offers.k.(kittest.Reofferer).Reoffer(ctx, sdp) },
		func() error { return ends.k.HangUp(ctx) },
	)
	if err != nil {
		return err
	}
	// WG2 says Bye to an offer that comes too late, besides the Bye that it crossed.
	if err := offers.until(ctx, "the end", func() bool { return offers.ended > 0 }); err != nil {
		return err
	}
	_, err = w.one(ctx, true, callv1.Reason_REASON_NORMAL)
	return err
}

// glare: two calls are one.
func glare(ctx context.Context, w *world) error {
	legs := make([]*leg, 2)
	voices := map[string]func() (kittest.Call, error){}
	for i, name := range []string{"alice", "bob"} {
		other := []string{"bob", "alice"}[i]
		v, err := w.voice(name)
		if err != nil {
			return err
		}
		sdp, err := v.Offer("", false)
		if err != nil {
			return err
		}
		voices[name] = func() (kittest.Call, error) {
			k, err := w.ph[name].c.Call(ctx, w.who[other], sdp)
			if err == nil {
				legs[i] = w.ph[name].follow(k, v)
			}
			return k, err
		}
	}
	err := w.atOnce(
		func() error { _, err := voices["alice"](); return err },
		func() error { _, err := voices["bob"](); return err },
	)
	for _, l := range legs {
		if l != nil {
			w.legs = append(w.legs, l)
		}
	}
	if err != nil {
		return err
	}
	for _, l := range legs {
		if err := l.until(ctx, "the answer", func() bool { return l.answered == 1 }); err != nil {
			return err
		}
	}
	ends, hears := legs[0], legs[1]
	if w.rng.IntN(2) == 0 {
		ends, hears = hears, ends
	}
	if err := ends.k.HangUp(ctx); err != nil {
		return err
	}
	if err := hears.until(ctx, "the end", func() bool { return hears.ended == 1 }); err != nil {
		return err
	}
	rs, err := w.records(ctx, 2)
	if err != nil {
		return err
	}
	answered, redirected := 0, 0
	for _, r := range rs {
		switch {
		case r.GetState() == callv1.CallState_CALL_STATE_REDIRECTED:
			redirected++
		case r.GetAnsweredAt() != nil && r.GetReason() == callv1.Reason_REASON_NORMAL:
			answered++
		}
	}
	if answered != 1 || redirected != 1 {
		return fmt.Errorf("%d calls were answered and %d redirected", answered, redirected)
	}
	return w.ringEnded(ctx)
}
