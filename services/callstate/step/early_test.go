package step_test

import (
	"testing"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

func TestEarlyMedia(t *testing.T) {
	w := ringing(t)
	out := w.do(act{from(bob1), earlyOn(2, "bob"), 0, "TakeAnswer 2, MakeAnswer 1, Bridge 1-2", "Keep 2, Keep 1"})
	if !out.Commit || out.Provisional {
		t.Error("early media decides what the caller is told")
	}
	w.check(stories{1: "alerting(early)"})
	w.do(act{from(bob1), earlyOn(2, "bob"), 0, "", ""}) // said again
	w.do(act{from(bob2), emptyAnswerOn(3, "bob"), callv1.Code_CODE_INVALID, "", ""})
	w.do(act{by: from(bob1), c: emptyAnswerOn(2, "bob"), plan: "Bridge 1-2"})
	w.check(stories{1: "alerting(early) answered"})
	if sdp := w.call.GetPendingEvents(); sdp[len(sdp)-1].GetEnded() == nil || answerOf(w) != "sdp for "+legID(1) {
		t.Errorf("the answer repeats %q", answerOf(w))
	}
}

func answerOf(w *world) string {
	for _, e := range w.call.GetPendingEvents() {
		if e.GetAnswered() != nil {
			return e.GetAnswered().GetSdp()
		}
	}
	return ""
}

// TestTheEarlyDescriptionIsKeptUntilTheAnswer although it was delivered.
func TestTheEarlyDescriptionIsKeptUntilTheAnswer(t *testing.T) {
	w := ringing(t)
	w.do(act{by: from(bob1), c: ringingOn(2, "bob")})
	w.do(act{by: from(bob1), c: earlyOn(2, "bob")})
	w.check(stories{1: "alerting alerting(early)"})
	step.DropDelivered(w.call, func(string) uint64 { return 99 })
	w.check(stories{1: "alerting(early)", 2: "", 3: ""})
	w.do(act{by: from(bob1), c: answerOn(2, "bob"), plan: "Bridge 1-2"})
	if answerOf(w) != "sdp for "+legID(1) {
		t.Errorf("answer %q", answerOf(w))
	}
	step.DropDelivered(w.call, func(string) uint64 { return 99 })
	if len(w.call.GetPendingEvents()) > 0 {
		t.Errorf("still pending: %v", w.call.GetPendingEvents())
	}
}

// TestAnotherLegMayAnswerAfterEarlyMedia within what the caller has been told.
func TestAnotherLegMayAnswerAfterEarlyMedia(t *testing.T) {
	w := ringing(t)
	w.do(act{by: from(bob1), c: earlyOn(2, "bob")})
	w.do(act{by: from(bob2), c: earlyOn(3, "bob"), plan: "TakeAnswer 3"})
	w.mustOK(w.send(from(bob1), hangUpOn(2, "bob", unsaid)))
	w.do(act{by: from(bob2), c: emptyAnswerOn(3, "bob"), plan: "Bridge 1-3"})
	w.check(stories{1: "alerting(early) answered"})

	w = ringing(t)
	w.do(act{by: from(bob1), c: earlyOn(2, "bob")})
	w.do(act{by: from(bob2), c: answerOn(3, "bob"), plan: "TakeAnswer 3, Bridge 1-3"})
	w.check(stories{1: "alerting(early) answered", 2: "incoming ended:answered elsewhere"})
}

func TestAnEarlyDescriptionWithoutUsableMediaEndsItsLeg(t *testing.T) {
	w := ringing(t)
	w.fail[legID(2)] = notAcceptable
	w.do(act{from(bob1), earlyOn(2, "bob"), notAcceptable, "", "Release 2"})
	w.check(stories{1: "", 2: "incoming", 3: "incoming"})
}

// TestACandidateMayBeEarlyToo: nobody hears of it, and its answer may be empty.
func TestACandidateMayBeEarlyToo(t *testing.T) {
	w := pushed(t)
	w.do(act{by: from(bob1), c: earlyOn(3, "bob"), plan: "TakeAnswer 3", post: "Keep 3"})
	w.do(act{from(bob2), emptyAnswerOn(4, "bob"), callv1.Code_CODE_INVALID, "", ""})
	w.do(act{by: from(bob1), c: emptyAnswerOn(3, "bob")})
	w.check(stories{1: "answered established ended:transferred(requested)", 2: "incoming established"})
	w = pushed(t)
	w.fail[legID(3)] = notAcceptable
	w.do(act{from(bob1), earlyOn(3, "bob"), notAcceptable, "", ""})
	w.check(stories{1: "answered established", 4: "incoming"})
}

func TestEarlyMediaAndGlare(t *testing.T) {
	w := ringing(t)
	w.do(act{by: from(bob1), c: earlyOn(2, "bob")})
	loser := key.CallID("bob", "test", "2")
	w.mustOK(w.send(&callv1.Identity{Kind: "callstate", Node: "c1"}, &callv1.Command{
		LegId: loserLeg(loser), Principal: "bob", Body: &callv1.Command_HandOver{HandOver: &callv1.HandOver{
			FromCallId: loser, NextEvent: 1, MediaRevision: 2,
			Offer: &callv1.Offer{To: "sip:alice@demo.test", Sdp: "sdp", Terminal: bob2, Ref: "r", Caller: party("bob")},
		}},
	}))
	w.check(stories{1: "alerting(early) answered"})
	// The leg that was handed over has an id of another call; it is a leg like any.
	puller := able("al2", "alice")
	w.do(act{by: from(puller), c: pullBy(puller, 0)})
	w.do(act{by: from(puller), c: reofferOn(pulled(0), "alice")})
	w.do(act{by: from(bo1), c: pullBy(bo1, 1)})
	if l := w.call.GetLegs()[3]; l.GetId() != loserLeg(loser) || l.GetReason() != callv1.Reason_REASON_TRANSFERRED {
		t.Errorf("leg %v", l)
	}
}

func TestACallWaitsForADeviceThatIsWoken(t *testing.T) {
	place := func() *world {
		w := newWorld(t)
		w.wakes = true
		w.do(act{by: from(alice), c: offerFrom(alice), plan: "TakeOffer 1", post: "Keep 1"})
		return w
	}
	w := place()
	w.own(attachedTerminal(bob1))
	w.check(stories{2: "incoming"})
	if has(w.call, kindWake) {
		t.Errorf("deadlines %v", w.call.GetDeadlines())
	}
	w.do(act{by: from(bob1), c: answerOn(2, "bob")})

	w = place()
	w.due(w.settings.Wake, kindWake, "")
	w.check(stories{1: "ended:unreachable"})
	w = place()
	w.do(act{by: from(alice), c: hangUpOn(1, "alice", unsaid)})
	w = place()
	w.own(attachedTerminal(bob1))
	w.mustOK(w.send(from(bob1), hangUpOn(2, "bob", unsaid)))
	w.check(stories{1: "ended:declined"})
}
