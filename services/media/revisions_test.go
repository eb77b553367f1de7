package media

import (
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

// offerOf gives a caller's offer.
func offerOf(t testing.TB) (*mediatest.Client, string) {
	t.Helper()
	a := client(t, mediatest.Options{Audio: "audio/opus"})
	return a, check[string](t)(a.Offer())
}

func TestRepeatedCommandGetsTheSameAnswer(t *testing.T) {
	r := newRig(t)
	c := newCall()
	_, offer := offerOf(t)
	first := r.do(c, "one", 1, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
	again := r.do(c, "one", 1, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
	if code(first) != 0 || code(again) != 0 || first.GetResults()[1].GetSdp() != again.GetResults()[1].GetSdp() || r.s.Legs() != 2 {
		t.Errorf("first %v, again %v", first, again)
	}
	// A new owner's command that asks for the same gets it too.
	other := r.do(c, "two", 2, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
	if code(other) != 0 || other.GetResults()[1].GetSdp() != first.GetResults()[1].GetSdp() {
		t.Errorf("same content: %v", other)
	}
}

func TestAnotherCommandForABoundRevisionConflicts(t *testing.T) {
	r := newRig(t)
	c := newCall()
	_, offer := offerOf(t)
	_, another := offerOf(t)
	r.must(c, opTakeOffer(c.leg(1), offer))
	if got := code(r.do(c, "x", 1, opTakeOffer(c.leg(1), another))); got != callv1.Code_CODE_CONFLICT {
		t.Errorf("same epoch: %v", got)
	}
	if got := code(r.do(c, "y", 0, opTakeOffer(c.leg(1), offer))); got != callv1.Code_CODE_CONFLICT {
		t.Errorf("lower epoch: %v", got)
	}
	if got := code(r.do(c, "z", 1, revised(opTakeOffer(c.leg(1), another), 2))); got != 0 {
		t.Errorf("next revision before an answer: %v", got)
	}
	if got := code(r.do(c, "w", 1, opTakeOffer(c.leg(1), another))); got != callv1.Code_CODE_CONFLICT {
		t.Errorf("a revision that is past: %v", got)
	}
}

func TestTwoCalleesAnswerAndOnlyOneIsBound(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, offer := offerOf(t)
	o := mediatest.Options{Audio: "audio/opus"}
	b1, b2 := client(t, o), client(t, o)
	made := r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)), opMakeOffer(c.leg(3), c.leg(1)))
	if made[1].GetSdp() == made[2].GetSdp() {
		t.Error("each forked leg has an offer of its own")
	}
	one := check[string](t)(b1.Answer(made[1].GetSdp()))
	two := check[string](t)(b2.Answer(made[2].GetSdp()))
	won := r.must(c, opTakeAnswer(c.leg(2), one), opMakeAnswer(c.leg(1), c.leg(2)), opBridge(c.leg(1), c.leg(2)))
	lost := r.do(c, "late", 1, opTakeAnswer(c.leg(3), two), opMakeAnswer(c.leg(1), c.leg(3)))
	if code(lost) != callv1.Code_CODE_CONFLICT || len(lost.GetResults()) != 2 {
		t.Errorf("second answer: %v", lost)
	}
	if err := a.Take(won[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	closedIn(t, "caller connected", a.Connected())
	closedIn(t, "callee connected", b1.Connected())
}

func TestHigherEpochReplacesAnUncommittedLeg(t *testing.T) {
	r := newRig(t)
	c := newCall()
	_, offer := offerOf(t)
	_, another := offerOf(t)
	r.must(c, opTakeOffer(c.leg(1), offer))
	if got := code(r.do(c, "new owner", 2, opTakeOffer(c.leg(1), another))); got != 0 {
		t.Errorf("uncommitted: %v", got)
	}
	if got := code(r.do(c, "old owner", 1, opKeep(c.leg(1)))); got != callv1.Code_CODE_CONFLICT {
		t.Errorf("old owner: %v", got)
	}
	if got := code(r.do(c, "keep", 2, opKeep(c.leg(1)))); got != 0 {
		t.Errorf("keep: %v", got)
	}
	if got := code(r.do(c, "newer owner", 3, opTakeOffer(c.leg(1), offer))); got != callv1.Code_CODE_CONFLICT {
		t.Errorf("committed: %v", got)
	}
}

func TestHigherEpochReplacesAnAnswerThatWasNotCommitted(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, offer := offerOf(t)
	o := mediatest.Options{Audio: "audio/opus"}
	b1, b2 := client(t, o), client(t, o)
	made := r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)), opMakeOffer(c.leg(3), c.leg(1)),
		opKeep(c.leg(1)), opKeep(c.leg(2)), opKeep(c.leg(3)))
	one := check[string](t)(b1.Answer(made[1].GetSdp()))
	r.must(c, opTakeAnswer(c.leg(2), one), opMakeAnswer(c.leg(1), c.leg(2)), opBridge(c.leg(1), c.leg(2)))
	// The owner dies here, and the next one hears the other callee first.
	two := check[string](t)(b2.Answer(made[2].GetSdp()))
	reply := r.do(c, "next", 2, opTakeAnswer(c.leg(3), two), opMakeAnswer(c.leg(1), c.leg(3)), opBridge(c.leg(1), c.leg(3)),
		opKeep(c.leg(1)), opKeep(c.leg(3)), opRelease(c.leg(2)))
	if code(reply) != 0 {
		t.Fatalf("next owner: %v", reply)
	}
	if err := a.Take(reply.GetResults()[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	closedIn(t, "caller connected", a.Connected())
	closedIn(t, "second callee connected", b2.Connected())
	send(t, b2, "audio")
	until(t, "caller hears", func() bool { return a.Audio.Load() > 5 })
}

// An owner that dies between media and commit leaves an answer that the next one
// does not know of, and keeps the legs of.
func TestKeepingALegDoesNotCommitAnAnswerOfAnotherCommand(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, offer := offerOf(t)
	o := mediatest.Options{Audio: "audio/opus"}
	b1, b2 := client(t, o), client(t, o)
	made := r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)), opMakeOffer(c.leg(3), c.leg(1)),
		opKeep(c.leg(1)), opKeep(c.leg(2)), opKeep(c.leg(3)))
	one := check[string](t)(b1.Answer(made[1].GetSdp()))
	two := check[string](t)(b2.Answer(made[2].GetSdp()))
	first := func(epoch uint64) *callv1.MediaReply {
		return r.do(c, "leg 2's", epoch, opTakeAnswer(c.leg(2), one), opMakeAnswer(c.leg(1), c.leg(2)), opBridge(c.leg(1), c.leg(2)))
	}
	lost := first(1)
	if got := code(r.do(c, "settle/after", 2, opKeep(c.leg(1)), opKeep(c.leg(2)), opKeep(c.leg(3)))); got != 0 {
		t.Fatalf("keep: %v", got)
	}
	again := first(2)
	if code(again) != 0 || again.GetResults()[1].GetSdp() != lost.GetResults()[1].GetSdp() {
		t.Errorf("leg 2 once more: %v", again)
	}
	won := r.do(c, "leg 3's", 2, opTakeAnswer(c.leg(3), two), opMakeAnswer(c.leg(1), c.leg(3)), opBridge(c.leg(1), c.leg(3)))
	if code(won) != 0 {
		t.Fatalf("leg 3: %v", won)
	}
	if got := code(r.do(c, "leg 3's/after", 2, opKeep(c.leg(1)), opKeep(c.leg(3)))); got != 0 {
		t.Fatalf("keep: %v", got)
	}
	// From here on it is committed, whoever comes.
	if got := code(r.do(c, "another", 3, opMakeAnswer(c.leg(1), c.leg(2)))); got != callv1.Code_CODE_CONFLICT {
		t.Errorf("a committed answer was replaced: %v", got)
	}
	if got := code(r.do(c, "late", 3, opTakeAnswer(c.leg(3), two), opMakeAnswer(c.leg(1), c.leg(3)))); got != 0 {
		t.Errorf("the same by another command: %v", got)
	}
	if err := a.Take(won.GetResults()[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	closedIn(t, "caller connected", a.Connected())
	closedIn(t, "second callee connected", b2.Connected())
	send(t, b2, "audio")
	until(t, "caller hears", func() bool { return a.Audio.Load() > 5 })
}

func TestUncommittedLegsExpireUnlessKept(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Uncommitted = 50 * time.Millisecond })
	c := newCall()
	_, offer := offerOf(t)
	r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)), opKeep(c.leg(2)))
	until(t, "one leg expired", func() bool { return r.s.Legs() == 1 })
	if got := code(r.do(c, "r", 1, opReport(c.leg(1)))); got != callv1.Code_CODE_NOT_FOUND {
		t.Errorf("expired leg: %v", got)
	}
	<-time.After(120 * time.Millisecond) // what is tested is that time passing does nothing
	if got := code(r.do(c, "r2", 1, opReport(c.leg(2)))); got != 0 {
		t.Errorf("kept leg: %v", got)
	}
}

func TestReleaseIsIdempotent(t *testing.T) {
	r := newRig(t)
	c := newCall()
	_, offer := offerOf(t)
	r.must(c, opRelease(c.leg(1)))
	r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
	r.must(c, opRelease(c.leg(1)), opRelease(c.leg(1)), opRelease(c.leg(2)))
	if r.s.Legs() != 0 {
		t.Errorf("%d legs", r.s.Legs())
	}
}

func TestOwnerOfAnOlderEpochReleasesNothing(t *testing.T) {
	r := newRig(t)
	c := newCall()
	_, offer := offerOf(t)
	r.must(c, opTakeOffer(c.leg(1), offer))
	if got := code(r.do(c, "new owner", 2, opKeep(c.leg(1)))); got != 0 {
		t.Fatalf("keep: %v", got)
	}
	if got := code(r.do(c, "old owner", 1, opRelease(c.leg(1)))); got != callv1.Code_CODE_CONFLICT || r.s.Legs() != 1 {
		t.Errorf("old owner: %v, %d legs", got, r.s.Legs())
	}
	if got := code(r.do(c, "new owner's", 2, opRelease(c.leg(1)))); got != 0 || r.s.Legs() != 0 {
		t.Errorf("new owner: %v, %d legs", got, r.s.Legs())
	}
}

func TestHandedOverLegBelongsToTheWinner(t *testing.T) {
	r := newRig(t)
	winner, loser := newCall(), newCall()
	a, offer := offerOf(t)
	b, other := offerOf(t)
	r.must(winner, opTakeOffer(winner.leg(1), offer), opKeep(winner.leg(1)))
	r.must(loser, opTakeOffer(loser.leg(1), other), opKeep(loser.leg(1)))
	if got := code(r.do(winner, "x", 1, opKeep(loser.leg(1)))); got != callv1.Code_CODE_CONFLICT {
		t.Errorf("another call's leg: %v", got)
	}
	// The winner's partition may be at a lower epoch: it is another one.
	r.do(loser, "bump", 9, opKeep(loser.leg(1)))
	results := r.must(winner,
		revised(opTakeOffer(loser.leg(1), other), 2), revised(opMakeAnswer(loser.leg(1), winner.leg(1)), 2),
		opMakeAnswer(winner.leg(1), loser.leg(1)), opBridge(winner.leg(1), loser.leg(1)), opKeep(loser.leg(1)))
	r.must(loser, opRelease(loser.leg(1))) // does nothing any more
	if err := b.Take(results[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	if err := a.Take(results[2].GetSdp()); err != nil {
		t.Fatal(err)
	}
	// Glare: both callers' offers are answered, and they hear each other.
	closedIn(t, "winner's caller connected", a.Connected())
	closedIn(t, "loser's caller connected", b.Connected())
	for range 2 {
		f := wait(r.facts)
		if f.GetCallId() != winner.id || f.GetMediaConnected() == nil {
			t.Errorf("fact %v", f)
		}
		if want := map[string]uint32{winner.leg(1): 1, loser.leg(1): 2}[f.GetLegId()]; f.GetMediaConnected().GetRevision() != want {
			t.Errorf("revision in %v", f)
		}
	}
	send(t, a, "audio")
	send(t, b, "audio")
	until(t, "both hear", func() bool { return a.Audio.Load() > 5 && b.Audio.Load() > 5 })
}

func TestBadOperations(t *testing.T) {
	r := newRig(t)
	c := newCall()
	_, offer := offerOf(t)
	r.must(c, opTakeOffer(c.leg(1), offer))
	for name, tt := range map[string]struct {
		op   *callv1.MediaOp
		want callv1.Code
	}{
		"no leg id":            {opTakeOffer("", offer), callv1.Code_CODE_INVALID},
		"a call's id":          {opTakeOffer(c.id, offer), callv1.Code_CODE_INVALID},
		"revision 0":           {revised(opTakeOffer(c.leg(9), offer), 0), callv1.Code_CODE_INVALID},
		"empty offer":          {opTakeOffer(c.leg(9), ""), callv1.Code_CODE_INVALID},
		"no SDP":               {opTakeOffer(c.leg(9), "v=1"), callv1.Code_CODE_INVALID},
		"nothing usable":       {opTakeOffer(c.leg(9), "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"), callv1.Code_CODE_NOT_ACCEPTABLE},
		"no operation":         {&callv1.MediaOp{LegId: c.leg(1), Revision: 1}, callv1.Code_CODE_UNSUPPORTED},
		"offer from nobody":    {opMakeOffer(c.leg(9), c.leg(8)), callv1.Code_CODE_NOT_FOUND},
		"offer from itself":    {opMakeOffer(c.leg(1), c.leg(1)), callv1.Code_CODE_NOT_FOUND},
		"answer of nobody":     {opTakeAnswer(c.leg(9), offer), callv1.Code_CODE_NOT_FOUND},
		"answer without offer": {opTakeAnswer(c.leg(1), offer), callv1.Code_CODE_CONFLICT},
		"bridge with nobody":   {opBridge(c.leg(1), c.leg(8)), callv1.Code_CODE_NOT_FOUND},
		"bridge with itself":   {opBridge(c.leg(1), c.leg(1)), callv1.Code_CODE_NOT_FOUND},
		"keep nobody":          {opKeep(c.leg(9)), callv1.Code_CODE_NOT_FOUND},
		"report nobody":        {opReport(c.leg(9)), callv1.Code_CODE_NOT_FOUND},
	} {
		t.Run(name, func(t *testing.T) {
			if got := code(r.do(c, schema.NewID(), 1, tt.op)); got != tt.want {
				t.Errorf("code %v", got)
			}
			if r.s.Legs() != 1 {
				t.Errorf("%d legs: a refused operation leaves none", r.s.Legs())
			}
		})
	}
	many := make([]*callv1.MediaOp, maxOps+1)
	for i := range many {
		many[i] = opKeep(c.leg(1))
	}
	if got := code(r.do(c, "many", 1, many...)); got != callv1.Code_CODE_INVALID {
		t.Errorf("too many operations: %v", got)
	}
	if reply := r.do(c, "stop", 1, opKeep(c.leg(9)), opKeep(c.leg(1))); len(reply.GetResults()) != 1 {
		t.Errorf("the first failure ends the list: %v", reply)
	}
}
