package step_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

func legOf(w *world, ordinal uint32) *callv1.Leg {
	for _, l := range w.call.GetLegs() {
		if l.GetId() == legID(ordinal) {
			return l
		}
	}
	w.t.Fatalf("no leg %d", ordinal)
	return nil
}

func TestReoffer(t *testing.T) {
	w := talking(t)
	out := w.do(act{from(al1), reofferOn(1, "alice"), 0,
		"TakeOffer 1/2, MakeAnswer 1/2, MakeOffer 2/2", "Keep 1"})
	if out.Reply.GetSdp() == "" || out.Reply.GetSkeleton() == nil {
		t.Errorf("reply %v", out.Reply)
	}
	w.check(stories{1: "answered established", 2: "incoming established re-offer"})
	if l := legOf(w, 2); l.GetOfferOut() != 2 {
		t.Errorf("leg %v", l)
	}
	// Its answer may have consequences for the first, and those for nobody.
	w.do(act{from(bo1), answerOn(2, "bob"), 0, "TakeAnswer 2/2, Withdraw 1/2, MakeOffer 1/3", "Keep 2"})
	w.check(stories{1: "answered established re-offer", 2: "incoming established"}) // one that is answered has been heard
	w.do(act{by: from(al1), c: answerOn(1, "alice"), plan: "TakeAnswer 1/3"})
	w.check(stories{1: "answered established", 2: "incoming established"})
	if legOf(w, 1).GetOfferOut() != 0 || legOf(w, 2).GetOfferOut() != 0 || has(w.call, kindReoffer) {
		t.Errorf("not settled: %v", w.call)
	}
	w.do(act{from(al1), answerOn(1, "alice"), conflict, "", ""}) // to no offer
}

func TestReofferThatTellsTheOtherSideNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(w *world)
		plan string
	}{
		{"because it is nothing new", func(w *world) { w.says[legID(2)] = &callv1.MediaResult{Unchanged: true} },
			"TakeOffer 1/2, MakeAnswer 1/2, MakeOffer 2/2"},
		{"because the offer cannot be made", func(w *world) { w.fail[legID(2)] = callv1.Code_CODE_INTERNAL },
			"TakeOffer 1/2, MakeAnswer 1/2, MakeOffer 2/2"},
		{"because it knows no re-offers", func(w *world) { legOf(w, 2).Terminal = old },
			"TakeOffer 1/2, MakeAnswer 1/2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := talking(t)
			tt.edit(w)
			w.do(act{by: from(al1), c: reofferOn(1, "alice"), plan: tt.plan})
			w.check(stories{1: "answered established", 2: "incoming established"})
			if l := legOf(w, 2); l.GetOfferOut() != 0 || l.GetOfferDue() {
				t.Errorf("leg %v", l)
			}
		})
	}
}

func TestARefusedReofferLeavesLegAndCallAsTheyWere(t *testing.T) {
	w := talking(t)
	w.fail[legID(1)] = notAcceptable
	before := proto.CloneOf(w.call)
	w.do(act{from(al1), reofferOn(1, "alice"), notAcceptable, "", ""})
	before.Legs[0].MediaRevision = 2 // is used up
	if !proto.Equal(before.GetLegs()[0], w.call.GetLegs()[0]) || len(before.GetDeadlines()) != len(w.call.GetDeadlines()) {
		t.Errorf("leg %v was %v", w.call.GetLegs()[0], before.GetLegs()[0])
	}
	w.check(stories{1: "answered established", 2: "incoming established"})
	w.fail = map[string]callv1.Code{}
	w.do(act{by: from(al1), c: reofferOn(1, "alice"), plan: "Withdraw 1/2, TakeOffer 1/3, MakeAnswer 1/3, MakeOffer 2/2"})
}

// TestReoffersThatCross: the terminal's is served; ours is dropped, and sent again
// at once.
func TestReoffersThatCross(t *testing.T) {
	w := talking(t)
	w.do(act{by: from(al1), c: reofferOn(1, "alice")})
	w.do(act{from(bo1), reofferOn(2, "bob"), 0, "Withdraw 2/2, TakeOffer 2/3, MakeAnswer 2/3, Withdraw 1/2, MakeOffer 1/3", "Keep 2"})
	w.check(stories{1: "answered established re-offer", 2: "incoming established"})
	w.due(0, kindReoffer, legID(2))
	if w.plan() != "Withdraw 2/3, MakeOffer 2/4" {
		t.Errorf("plan %q", w.plan())
	}
	w.check(stories{1: "answered established re-offer", 2: "incoming established re-offer"})
	w.do(act{by: from(bo1), c: answerOn(2, "bob"), plan: "TakeAnswer 2/4"}) // the other has one out
	w.do(act{by: from(al1), c: answerOn(1, "alice"), plan: "TakeAnswer 1/3, Withdraw 2/4, MakeOffer 2/5"})
}

// TestAnOfferThatIsOutIsFollowedByTheNext: what changes meanwhile is told after.
func TestAnOfferThatIsOutIsFollowedByTheNext(t *testing.T) {
	for name, settle := range map[string]func(w *world){
		"answered": func(w *world) { w.do(act{by: from(bo1), c: answerOn(2, "bob"), plan: "TakeAnswer 2/2"}) },
		"refused":  func(w *world) { w.do(act{by: from(bo1), c: refuseOn(2, "bob"), post: "Withdraw 2/2"}) },
		"late":     func(w *world) { w.due(15*time.Second, kindReoffer, legID(2)) },
		"unusable": func(w *world) {
			w.fail[legID(2)] = notAcceptable
			w.do(act{from(bo1), answerOn(2, "bob"), notAcceptable, "", "Withdraw 2/2"})
			w.fail = map[string]callv1.Code{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := talking(t)
			w.do(act{by: from(al1), c: reofferOn(1, "alice")})
			w.do(act{by: from(al1), c: reofferOn(1, "alice"), plan: "Withdraw 1/2, TakeOffer 1/3, MakeAnswer 1/3"})
			if l := legOf(w, 2); !l.GetOfferDue() || l.GetOfferOut() != 2 {
				t.Fatalf("leg %v", l)
			}
			settle(w)
			w.due(0, kindReoffer, legID(2))
			if w.plan() != "Withdraw 2/2, MakeOffer 2/3" {
				t.Errorf("plan %q", w.plan())
			}
			if l := legOf(w, 2); l.GetOfferOut() != 3 || l.GetOfferDue() {
				t.Errorf("leg %v", l)
			}
			checkInvariants(t, w.call)
		})
	}
}

func TestReoffersThatAreNotAnswered(t *testing.T) {
	for name, fail := range map[string]func(w *world){
		"refused": func(w *world) { w.do(act{by: from(bo1), c: refuseOn(2, "bob"), post: "Withdraw 2/2"}) },
		"late": func(w *world) {
			w.due(15*time.Second, kindReoffer, legID(2))
			if w.after() != "Withdraw 2/2" {
				w.t.Errorf("after %q", w.after())
			}
		},
		"unusable": func(w *world) {
			w.fail[legID(2)] = notAcceptable
			w.do(act{from(bo1), answerOn(2, "bob"), notAcceptable, "TakeAnswer 2/2, Withdraw 1/2, MakeOffer 1/3", "Withdraw 2/2"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := talking(t)
			w.do(act{by: from(al1), c: reofferOn(1, "alice")})
			fail(w)
			if w.call.GetState() != isEstablished || legOf(w, 2).GetOfferOut() != 0 || has(w.call, kindReoffer) {
				t.Errorf("call %v", w.call)
			}
			w.fail = map[string]callv1.Code{}
			w.do(act{from(bo1), answerOn(2, "bob"), conflict, "", ""})
			w.do(act{by: from(bo1), c: refuseOn(2, "bob")}) // says nothing new
		})
	}
	w := talking(t)
	w.do(act{by: from(al1), c: reofferOn(1, "alice")})
	if out := w.do(act{from(bo1), emptyAnswerOn(2, "bob"), callv1.Code_CODE_INVALID, "", ""}); out.Reply.GetError().GetField() != "answer.sdp" {
		t.Errorf("reply %v", out.Reply)
	}
}

// TestANewTransportHasItsTimeToConnect: facts of an exchange that made none are
// accepted whatever else is under way; those of the former transport are not.
func TestANewTransportHasItsTimeToConnect(t *testing.T) {
	w := talking(t)
	w.says[legID(1)] = &callv1.MediaResult{NewTransport: true}
	w.do(act{by: from(al1), c: reofferOn(1, "alice")})
	if l := legOf(w, 1); l.GetMediaConnected() || l.GetTransportRevision() != 2 || !has(w.call, kindMedia) {
		t.Fatalf("leg %v", l)
	}
	w.mustOK(w.send(media, mediaFailedOn(1))) // of revision 1
	if w.call.GetState() != isEstablished {
		t.Fatal("the former transport's end ended the call")
	}
	c := connectedOn(1)
	c.GetMediaConnected().Revision = 3 // of a later exchange that made none
	w.mustOK(w.send(media, c))
	if l := legOf(w, 1); !l.GetMediaConnected() || has(w.call, kindMedia) {
		t.Errorf("leg %v, deadlines %v", l, w.call.GetDeadlines())
	}
	w.check(stories{1: "answered established"}) // it was told before

	w = talking(t)
	w.says[legID(1)] = &callv1.MediaResult{NewTransport: true}
	w.do(act{by: from(al1), c: reofferOn(1, "alice")})
	w.due(30*time.Second, kindMedia, legID(1))
	if w.call.GetReason() != callv1.Reason_REASON_MEDIA_FAILED {
		t.Errorf("call %v %v", w.call.GetState(), w.call.GetReason())
	}
}

// TestRevisionsInUseAreSkipped: an exchange that was made for a command whose
// commit never came has its revision, which the record does not know of.
func TestRevisionsInUseAreSkipped(t *testing.T) {
	w := talking(t)
	in := step.Input{Call: w.call, Command: reofferOn(1, "alice"), From: from(al1), Now: w.now, Epoch: 1, Settings: w.settings}
	in.Command.CallId = callID
	ops := step.Plan(in)
	results := w.media(ops)
	results[2].Error = &callv1.Error{Code: conflict}
	if got := step.Crossed(ops, results); len(got) != 1 || got[0] != legID(2) || !step.Skips(in) {
		t.Fatalf("crossed %v", got)
	}
	in.Skip = map[string]uint32{legID(2): 1}
	ops = step.Plan(in)
	if got := opNames(ops); got != "TakeOffer 1/2, MakeAnswer 1/2, Withdraw 2/2, MakeOffer 2/3" {
		t.Errorf("plan %q", got)
	}
	in.Media = w.media(ops)
	if out := step.Step(in); out.Call.GetLegs()[1].GetOfferOut() != 3 {
		t.Errorf("leg %v", out.Call.GetLegs()[1])
	}
}

func TestReoffersOutOfPlace(t *testing.T) {
	w := ringing(t)
	w.do(act{from(alice), reofferOn(1, "alice"), conflict, "", ""})
	w.do(act{from(alice), refuseOn(1, "alice"), conflict, "", ""})
	w = pushed(t)
	w.do(act{from(bob1), reofferOn(3, "bob"), conflict, "", ""})
	w.do(act{from(bob1), pushOn(3, "bob"), conflict, "", ""})
	w.mustOK(w.send(from(bob1), hangUpOn(3, "bob", unsaid)))
	w.do(act{from(bob1), reofferOn(3, "bob"), callv1.Code_CODE_ENDED, "", ""})
}
