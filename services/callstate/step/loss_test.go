package step_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// plain is a terminal that is offered a lost call anew: it shows no calls.
func plain(id, subscriber string) *callv1.Terminal {
	t := terminal(id, "sylkrtc", subscriber, false)
	t.Features = &callv1.Features{Resumes: true, Renegotiates: true}
	return t
}

// losing is a call whose caller's terminal was lost; alice has another.
func losing(t *testing.T) (w *world, other *callv1.Terminal) {
	w = newWorld(t)
	w.targets = []*callv1.Terminal{bo1}
	caller := plain("pa1", "alice")
	w.mustOK(w.send(from(caller), offerFrom(caller)))
	w.mustOK(w.send(from(bo1), answerOn(2, "bob")))
	w.mustOK(w.send(media, connectedOn(1)))
	w.mustOK(w.send(media, connectedOn(2)))
	w.now = w.now.Add(time.Minute)
	before := w.call
	w.mustOK(w.send(from(caller), failedOn(1, "alice", lost)))
	if l := step.Lost(before, w.call); len(l) != 1 || l[0].GetId() != legID(1) {
		t.Fatalf("lost %v", l)
	}
	w.targets = nil
	return w, plain("pa2", "alice")
}

func TestALostCallIsOfferedAnew(t *testing.T) {
	w, other := losing(t)
	w.own(attachedTerminal(other))
	w.own(attachedTerminal(other)) // told twice, offered once
	w.check(stories{1: "answered established", 2: "incoming established", 3: "incoming", 4: ""})
	i := slices.IndexFunc(w.call.GetPendingEvents(), func(e *callv1.Event) bool { return e.GetLegId() == legID(3) })
	if in := w.call.GetPendingEvents()[i].GetIncoming(); in.GetCaller().GetSubscriber() != "bob" || in.GetDialled() != "sip:alice@demo.test" {
		t.Errorf("incoming %v", in)
	}
	w.mustOK(w.send(from(other), ringingOn(3, "alice")))
	w.do(act{by: from(other), c: answerOn(3, "alice"), plan: "TakeAnswer 3", post: "Keep 3, Bridge 3-2, Release 1"})
	w.check(stories{1: "answered established ended:transferred", 2: "incoming established", 3: "incoming"})
	w.mustOK(w.send(media, connectedOn(3)))
	w.check(stories{2: "incoming established", 3: "incoming established"})
}

func TestALostCallWaitsForItsGraceWhateverCandidatesDo(t *testing.T) {
	w, other := losing(t)
	w.own(attachedTerminal(other))
	w.mustOK(w.send(from(other), hangUpOn(3, "alice", unsaid)))
	w.own(attachedTerminal(other)) // has declined
	w.mustOK(w.send(media, mediaFailedOn(1)))
	w.check(stories{1: "answered established", 2: "incoming established", 3: "incoming", 4: ""})
	if w.call.GetState() != isEstablished || legOf(w, 1).GetMediaConnected() {
		t.Errorf("call %v, leg %v", w.call.GetState(), legOf(w, 1))
	}
	w.due(20*time.Second, kindLost, legID(1))
	w.check(stories{2: "incoming established ended:terminal lost"})
}

// TestWhoIsOfferedALostCall: who rings, and is not shown calls to take them.
func TestWhoIsOfferedALostCall(t *testing.T) {
	quiet, shows, remembers := plain("q", "alice"), able("s", "alice"), plain("r", "alice")
	quiet.Rings = false
	remembers.Features.RemembersCalls, remembers.Features.ShowsCalls = true, true
	for name, target := range map[string]*callv1.Terminal{
		"does not ring": quiet, "shows calls": shows, "another subscriber's": plain("b", "bob"),
		"remembers calls, but came before the loss": remembers,
	} {
		w, _ := losing(t)
		w.own(attachedTerminal(target))
		if len(w.call.GetLegs()) != 2 || !legOf(w, 1).GetLost() {
			t.Errorf("%s: %v", name, w.call.GetLegs())
		}
	}
}

// TestATerminalThatRememberedTheCallComesBack: candidates give way, and media that
// was lost has its time to come back.
func TestATerminalThatRememberedTheCallComesBack(t *testing.T) {
	w, other := losing(t)
	w.own(attachedTerminal(other))
	w.mustOK(w.send(media, mediaFailedOn(1)))
	back := plain("pa3", "alice")
	back.Features.RemembersCalls = true
	back.AttachedAt = timestamppb.New(w.now)
	w.own(attachedTerminal(back))
	w.check(stories{3: "incoming ended:answered elsewhere"})
	if l := legOf(w, 1); l.GetLost() || l.GetTerminal().GetId() != "pa3" || !has(w.call, kindMedia) {
		t.Fatalf("leg %v, deadlines %v", l, w.call.GetDeadlines())
	}
	w.says[legID(1)] = &callv1.MediaResult{NewTransport: true}
	w.do(act{by: from(back), c: reofferOn(1, "alice")})
	c := connectedOn(1)
	c.GetMediaConnected().Revision = 2
	w.mustOK(w.send(media, c))
	if has(w.call, kindMedia) || !legOf(w, 1).GetMediaConnected() {
		t.Errorf("leg %v", legOf(w, 1))
	}
}

// TestACommandThatNamesALostLegTakesItUp, whatever becomes of the command.
func TestACommandThatNamesALostLegTakesItUp(t *testing.T) {
	for _, refused := range []bool{false, true} {
		w, other := losing(t)
		w.own(attachedTerminal(other))
		back := plain("pa3", "alice")
		back.AttachedAt, back.Node = timestamppb.New(w.now), "elsewhere"
		c := reofferOn(1, "alice")
		c.Id, c.CallId = "up", callID
		in := step.Input{Call: w.call, Command: c, From: from(back), Now: w.now, Epoch: 1, Settings: w.settings, MediaNode: "m1"}
		on, ok := step.TakeUp(in, back)
		if !ok {
			t.Fatal("not taken up")
		}
		if _, again := step.TakeUp(in, bo1); again {
			t.Error("taken up by somebody else")
		}
		if refused {
			w.fail[legID(1)] = notAcceptable
		}
		in = on
		version := w.call.GetVersion()
		out := w.run(in)
		if (out.Reply.GetError() != nil) != refused || !out.Commit || out.Call.GetVersion() != version+1 {
			t.Errorf("reply %v, commit %v", out.Reply, out.Commit)
		}
		if l := legOf(w, 1); l.GetLost() || l.GetTerminal().GetId() != "pa3" {
			t.Errorf("leg %v", l)
		}
		w.check(stories{3: "incoming ended:answered elsewhere"})
		if !strings.HasPrefix(w.after(), "Release 3") {
			t.Errorf("left for the media node %q", w.after())
		}
	}
}

// TestACallAnsweredWhileItsCallerIsLost goes on as any whose terminal was lost.
func TestACallAnsweredWhileItsCallerIsLost(t *testing.T) {
	w := newWorld(t)
	w.targets = []*callv1.Terminal{bo1}
	caller := plain("pa1", "alice")
	w.mustOK(w.send(from(caller), offerFrom(caller)))
	w.targets = nil
	w.mustOK(w.send(from(caller), failedOn(1, "alice", lost)))
	before := w.call
	w.mustOK(w.send(from(bo1), answerOn(2, "bob")))
	if l := step.Lost(before, w.call); len(l) != 1 {
		t.Errorf("lost %v", l)
	}
	other := plain("pa2", "alice")
	w.own(attachedTerminal(other))
	w.due(15*time.Second, kindMedia, "") // is not due: it takes 30 s
	w.mustOK(w.send(from(other), answerOn(3, "alice")))
	w.mustOK(w.send(media, connectedOn(2)))
	w.mustOK(w.send(media, connectedOn(3)))
	w.check(stories{1: "answered ended:transferred", 2: "incoming established", 3: "incoming established"})
}

// TestMediaThatNeverCameUpOfALostTerminalEndsNothingBeforeItsGrace.
func TestMediaThatNeverCameUpOfALostTerminalEndsNothingBeforeItsGrace(t *testing.T) {
	w := newWorld(t)
	w.settings.Grace = time.Minute
	w.targets = []*callv1.Terminal{bo1}
	caller := plain("pa1", "alice")
	w.mustOK(w.send(from(caller), offerFrom(caller)))
	w.mustOK(w.send(from(bo1), answerOn(2, "bob")))
	w.mustOK(w.send(media, connectedOn(2)))
	w.targets = nil
	w.mustOK(w.send(from(caller), failedOn(1, "alice", lost)))
	w.due(30*time.Second, kindMedia, "")
	if !step.Live(w.call) {
		t.Fatalf("ended %v", w.call.GetReason())
	}
	pa2 := able("al2", "alice")
	w.do(act{by: from(pa2), c: pullBy(pa2, 0)})
	w.due(30*time.Second, kindMedia, "")
	if w.call.GetReason() != callv1.Reason_REASON_MEDIA_FAILED {
		t.Errorf("%v %v", w.call.GetState(), w.call.GetReason())
	}
	checkInvariants(t, w.call)
}

func TestAnOfferForALostTerminalWaitsForItsReturn(t *testing.T) {
	w, _ := losing(t)
	w.do(act{by: from(bo1), c: reofferOn(2, "bob"), plan: "TakeOffer 2/2, MakeAnswer 2/2"})
	back := plain("pa3", "alice")
	back.Features.RemembersCalls = true
	back.AttachedAt = timestamppb.New(w.now)
	w.own(attachedTerminal(back))
	w.due(0, kindReoffer, legID(1))
	if w.plan() != "MakeOffer 1/2" {
		t.Errorf("plan %q", w.plan())
	}
	w.check(stories{1: "answered established re-offer"})
}

func TestWhoSpeaksForMedia(t *testing.T) {
	w, other := losing(t)
	w.own(attachedTerminal(other))
	if l := step.Spokesman(w.call); l.GetId() != legID(2) {
		t.Errorf("leg %v", l)
	}
	if got := opNames(step.MediaOf(w.call)); got != "Keep 1, Keep 2, Keep 3, Bridge 1-2" {
		t.Errorf("media of the record: %q", got)
	}
}

func TestTheRecordOfACallThatIsMovedOftenStaysSmall(t *testing.T) {
	w := talking(t)
	for n := range uint32(300) {
		w.mustOK(w.send(from(bo1), pullBy([]*callv1.Terminal{bo2, bo1}[n%2], n)))
		step.DropDelivered(w.call, func(string) uint64 { return 99 })
	}
	if n := len(w.call.GetLegs()); n > 100 || w.call.GetLegs()[0].GetId() != legID(1) {
		t.Errorf("%d legs", n)
	}
	checkInvariants(t, w.call)
}

func TestStatus(t *testing.T) {
	w := newWorld(t)
	w.targets = []*callv1.Terminal{bo1}
	w.mustOK(w.send(from(al1), offerFrom(al1)))
	is := func(terminal *callv1.Terminal, want step.Status) {
		t.Helper()
		if got := step.StatusOf(w.call, terminal); got != want {
			t.Errorf("to %s: %v, want %v", terminal.GetId(), got, want)
		}
	}
	is(al2, step.NotShown) // nobody has answered
	w.mustOK(w.send(from(bo1), answerOn(2, "bob")))
	is(al1, step.NotShown)
	is(al2, step.ShownInCall)
	is(bo2, step.ShownInCall)
	is(carol, step.ShownIdle) // no part in it
	if e := step.InCallEvent(w.call, al2); e.GetInCall().GetPeer().GetSubscriber() != "bob" || e.GetLegId() != callID ||
		e.GetNumber() != w.call.GetVersion() || !e.GetInCall().GetSince().AsTime().Equal(w.now) {
		t.Errorf("event %v", e)
	}
	w.phone, w.targets = party("carol"), []*callv1.Terminal{carol}
	w.do(act{by: from(al1), c: pushOn(1, "alice")})
	ca2 := able("ca2", "carol")
	is(carol, step.ShownAsIs)
	is(ca2, step.ShownIdle)
	w.do(act{by: from(carol), c: answerOn(3, "carol")})
	is(al1, step.ShownInCall)
	is(ca2, step.ShownInCall)
	if got := step.Audience(w.call); len(got) != 3 {
		t.Errorf("audience %v", got)
	}
	if e := step.InCallEvent(w.call, ca2); e.GetInCall().GetPeer().GetSubscriber() != "bob" {
		t.Errorf("event %v", e)
	}
	w.do(act{by: from(al1), c: pullBy(al1, 0)}) // and back
	is(ca2, step.ShownIdle)
	is(al1, step.NotShown)
	w.do(act{by: from(al1), c: hangUpOn(pulled(0), "alice", unsaid)})
	is(al1, step.NotShown)
	is(bo1, step.NotShown)
	is(bo2, step.ShownIdle)
	if e := step.IdleEvent(w.call, bo2); e.GetIdle() == nil || e.GetLegId() != callID {
		t.Errorf("event %v", e)
	}
}

// TestATerminalWhosePullHadNoOutcomePullsAgain: its host gave the leg up that it may
// have got.
func TestATerminalWhosePullHadNoOutcomePullsAgain(t *testing.T) {
	w, _ := losing(t)
	own := legOf(w, 1).GetTerminal()
	w.mustOK(w.send(from(own), pullBy(own, 3)))
	w.mustOK(w.send(from(own), failedOn(pulled(3), "alice", lost)))
	out := w.send(from(own), pullBy(own, 3)) // the leg that was given up is not made twice
	if out.Reply.GetError().GetField() != "leg_id" {
		t.Errorf("reply %v", out.Reply)
	}
	w.mustOK(w.send(from(own), pullBy(own, 5)))
	last := w.call.GetLegs()[len(w.call.GetLegs())-1]
	if last.GetTerminal().GetId() != own.GetId() || last.GetState() == callv1.LegState_LEG_STATE_ENDED {
		t.Errorf("leg %v", last)
	}
	if out := w.send(from(own), pullBy(own, 4)); out.Reply.GetError().GetCode() != callv1.Code_CODE_CONFLICT {
		t.Errorf("a terminal in the call pulled it: %v", out.Reply)
	}
}

// TestWhoWasHeldIsOfferedAnewByWhoeverTakesOver: the terminal that held it is gone.
func TestWhoWasHeldIsOfferedAnewByWhoeverTakesOver(t *testing.T) {
	for direction, want := range map[string]bool{"sendrecv": false, "sendonly": true, "inactive": true} {
		w, _ := losing(t)
		legOf(w, 2).Skeleton = &callv1.Skeleton{MLines: []*callv1.MLine{{Kind: "audio", Direction: direction}}}
		legOf(w, 2).GetTerminal().Features.Renegotiates = true
		w.mustOK(w.send(from(legOf(w, 1).GetTerminal()), pullBy(legOf(w, 1).GetTerminal(), 3)))
		if got := has(w.call, kindReoffer); got != want {
			t.Errorf("%s: offered anew %v, want %v", direction, got, want)
		}
	}
}
