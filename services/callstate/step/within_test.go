package step_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// able is a terminal that does all that terminals can do inside a call.
func able(id, subscriber string) *callv1.Terminal {
	t := terminal(id, "loopback", subscriber, false)
	t.Features = &callv1.Features{Resumes: true, Renegotiates: true, ShowsCalls: true}
	return t
}

var (
	al1, al2 = able("al1", "alice"), able("al2", "alice")
	bo1, bo2 = able("bo1", "bob"), able("bo2", "bob")
	carol    = able("ca1", "carol")
	old      = terminal("old", "sylkrtc", "bob", false) // offers nothing new, shows nothing
)

// talking is an established call between al1 (leg 1) and bo1 (leg 2).
func talking(t *testing.T) *world {
	w := newWorld(t)
	w.targets = []*callv1.Terminal{bo1}
	w.mustOK(w.send(from(al1), offerFrom(al1)))
	w.mustOK(w.send(from(bo1), answerOn(2, "bob")))
	w.mustOK(w.send(media, connectedOn(1)))
	w.mustOK(w.send(media, connectedOn(2)))
	return w
}

// step is one command and what is expected of it.
type act struct {
	by   *callv1.Identity
	c    *callv1.Command
	code callv1.Code // of the refusal
	plan string      // what the media node does before
	post string      // and after the commit
}

func (w *world) do(a act) step.Output {
	w.t.Helper()
	out := w.send(a.by, a.c)
	if out.Reply.GetError().GetCode() != a.code {
		w.t.Errorf("%s: reply %v, want %v", step.CommandName(a.c), out.Reply.GetError(), a.code)
	}
	if a.plan != "" && w.plan() != a.plan {
		w.t.Errorf("%s: the media node did %q, want %q", step.CommandName(a.c), w.plan(), a.plan)
	}
	if a.post != "" && w.after() != a.post {
		w.t.Errorf("%s: left for the media node %q, want %q", step.CommandName(a.c), w.after(), a.post)
	}
	if w.call != nil {
		checkInvariants(w.t, w.call)
	}
	return out
}

// stories are the events that wait for legs, by ordinal.
type stories map[uint32]string

func (w *world) check(want stories) {
	w.t.Helper()
	for n, story := range want {
		if got := w.story(n); got != story {
			w.t.Errorf("leg %d: %q, want %q", n, got, story)
		}
	}
	checkInvariants(w.t, w.call)
}

// after lets time pass, and the deadline be due.
func (w *world) due(after time.Duration, k callv1.DeadlineKind, leg string) {
	w.now = w.now.Add(after)
	w.own(passed(k, leg))
}

const (
	kindLost    = callv1.DeadlineKind_DEADLINE_KIND_LOST
	kindMedia   = callv1.DeadlineKind_DEADLINE_KIND_MEDIA
	kindPush    = callv1.DeadlineKind_DEADLINE_KIND_PUSH
	kindReoffer = callv1.DeadlineKind_DEADLINE_KIND_REOFFER
	kindWake    = callv1.DeadlineKind_DEADLINE_KIND_WAKE

	conflict      = callv1.Code_CODE_CONFLICT
	notAcceptable = callv1.Code_CODE_NOT_ACCEPTABLE

	isEstablished = callv1.CallState_CALL_STATE_ESTABLISHED
)

func TestPull(t *testing.T) {
	w := talking(t)
	out := w.do(act{from(bo2), pullBy(bo2, 0), 0, "TakeOffer 32768, MakeAnswer 32768",
		"Keep 32768, Bridge 32768-1, Release 2"})
	if out.Reply.GetSdp() == "" || out.Reply.GetSkeleton() == nil || out.Reply.GetLegId() != legID(pulled(0)) ||
		out.Reply.GetMediaNode() != "m1" || out.Reply.GetLegState() != callv1.LegState_LEG_STATE_ANSWERED {
		t.Errorf("reply %v", out.Reply)
	}
	w.check(stories{1: "answered established", 2: "incoming established ended:transferred", pulled(0): ""})
	if w.call.GetState() != isEstablished || !has(w.call, kindMedia) {
		t.Errorf("call %v, deadlines %v", w.call.GetState(), w.call.GetDeadlines())
	}
	w.do(act{by: media, c: connectedOn(pulled(0))})
	w.check(stories{1: "answered established", pulled(0): "established"})
	if has(w.call, kindMedia) {
		t.Errorf("deadlines %v", w.call.GetDeadlines())
	}
	// The caller's side may pull too, and back.
	w.do(act{by: from(al2), c: pullBy(al2, 1)})
	w.do(act{by: from(bo1), c: pullBy(bo1, 2), post: "Keep 32770, Bridge 32770-32769, Release 32768"})
	w.check(stories{1: "answered established ended:transferred", pulled(0): "established ended:transferred"})
	w.do(act{by: from(bo1), c: hangUpOn(pulled(2), "bob", unsaid)})
	w.check(stories{pulled(1): "ended:normal"})
}

func TestAPullBeforeMediaIsUpEstablishesTheCallLater(t *testing.T) {
	w := newWorld(t)
	w.targets = []*callv1.Terminal{bo1}
	w.mustOK(w.send(from(al1), offerFrom(al1)))
	w.do(act{from(bo2), pullBy(bo2, 0), conflict, "", ""})
	w.mustOK(w.send(from(bo1), answerOn(2, "bob")))
	w.mustOK(w.send(media, connectedOn(1)))
	w.do(act{by: from(bo2), c: pullBy(bo2, 0)})
	w.mustOK(w.send(media, connectedOn(2))) // of the leg that has left
	if w.call.GetState() == isEstablished {
		t.Error("established without the new leg's media")
	}
	w.mustOK(w.send(media, connectedOn(pulled(0))))
	w.check(stories{1: "answered established", 2: "incoming ended:transferred", pulled(0): "established"})
}

func TestPullsThatAreRefusedChangeNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		by   *callv1.Terminal
		edit func(w *world, c *callv1.Command)
		want callv1.Code
	}{
		{"by a terminal of a subscriber that has no part", carol, func(*world, *callv1.Command) {}, callv1.Code_CODE_NOT_FOUND},
		{"by a terminal that is in the call", bo1, func(*world, *callv1.Command) {}, conflict},
		{"of a leg of another", bo2, func(_ *world, c *callv1.Command) { c.LegId = legID(2) }, callv1.Code_CODE_INVALID},
		{"of another call's leg", bo2, func(_ *world, c *callv1.Command) {
			c.LegId = schema.LegID(key.CallID("x", "y", "z"), pulled(0))
		}, callv1.Code_CODE_INVALID},
		{"without media in common", bo2, func(w *world, _ *callv1.Command) { w.fail[legID(pulled(0))] = notAcceptable }, notAcceptable},
		{"under another's name", bo2, func(_ *world, c *callv1.Command) { c.Principal = "alice" }, callv1.Code_CODE_FORBIDDEN},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := talking(t)
			before := proto.Clone(w.call)
			c := pullBy(tt.by, 0)
			tt.edit(w, c)
			if out := w.send(from(tt.by), c); out.Reply.GetError().GetCode() != tt.want || out.Commit || !proto.Equal(before, w.call) {
				t.Errorf("reply %v, commit %v", out.Reply, out.Commit)
			}
		})
	}
	w := talking(t)
	w.do(act{by: from(bo2), c: pullBy(bo2, 0)})
	out := w.send(from(al2), pullBy(al2, 0)) // chose the same leg
	if out.Reply.GetError().GetCode() != conflict || out.Reply.GetError().GetField() != "leg_id" {
		t.Errorf("a leg id that is taken: %v", out.Reply)
	}
	w.mustOK(w.send(from(al1), hangUpOn(1, "alice", unsaid)))
	w.do(act{from(bo2), pullBy(bo2, 1), callv1.Code_CODE_ENDED, "", ""})
	w.do(act{from(carol), pullBy(carol, 1), callv1.Code_CODE_NOT_FOUND, "", ""})
}

// TestACallToOneself: each side is the same subscriber's; a pull takes the called
// side, or the one whose terminal is lost.
func TestACallToOneself(t *testing.T) {
	for _, lostSide := range []bool{false, true} {
		w := newWorld(t)
		w.targets = []*callv1.Terminal{al2}
		in := offerFrom(al1)
		in.GetOffer().To = "sip:alice@demo.test"
		w.n++
		in.Id, in.CallId = "c0", callID
		w.mustOK(w.run(step.Input{Command: in, From: from(al1), Now: w.now, Epoch: 1, Settings: w.settings,
			Callee: party("alice"), Targets: w.targets, MediaNode: "m1"}))
		w.mustOK(w.send(from(al2), answerOn(2, "alice")))
		w.targets = nil
		left := uint32(2)
		if lostSide {
			w.mustOK(w.send(from(al1), failedOn(1, "alice", lost)))
			left = 1
		}
		al3 := able("al3", "alice")
		w.do(act{by: from(al3), c: pullBy(al3, 0)})
		if l := w.call.GetLegs()[left-1]; l.GetReason() != callv1.Reason_REASON_TRANSFERRED {
			t.Errorf("lost %v: legs %v", lostSide, w.call.GetLegs())
		}
	}
}

// pushed is a call that alice pushes to bob's phone, which has two terminals.
func pushed(t *testing.T) *world {
	w := talking(t)
	w.targets = []*callv1.Terminal{bob1, bob2, bo1}
	w.do(act{by: from(al1), c: pushOn(1, "alice"), plan: "MakeOffer 3, MakeOffer 4", post: "Keep 3, Keep 4"})
	return w
}

func TestPush(t *testing.T) {
	for _, tt := range []struct {
		name  string
		act   func(w *world)
		want  stories
		state callv1.CallState
	}{
		{"rings the phone's terminals that are not in the call, as calls of the far party", func(w *world) {
			for _, e := range w.call.GetPendingEvents() {
				if i := e.GetIncoming(); i != nil && e.GetLegId() == legID(3) &&
					(i.GetCaller().GetSubscriber() != "bob" || i.GetDialled() != "sip:phone@demo.test") {
					w.t.Errorf("incoming %v", i)
				}
			}
		}, stories{1: "answered established", 2: "incoming established", 3: "incoming", 4: "incoming"}, isEstablished},
		{"moves the call to the one that answers first", func(w *world) {
			w.send(from(bob1), ringingOn(3, "bob"))
			w.do(act{by: from(bob1), c: answerOn(3, "bob"), plan: "TakeAnswer 3", post: "Keep 3, Bridge 3-2, Release 1, Release 4"})
			w.do(act{by: from(bob2), c: answerOn(4, "bob"), code: callv1.Code_CODE_ENDED})
		}, stories{1: "answered established ended:transferred(requested)", 2: "incoming established", 3: "incoming", 4: "incoming ended:answered elsewhere"}, isEstablished},
		{"fails when every terminal declines", func(w *world) {
			w.mustOK(w.send(from(bob1), hangUpOn(3, "bob", busy)))
			w.mustOK(w.send(from(bob2), hangUpOn(4, "bob", declined)))
		}, stories{1: "answered established push failed:declined", 2: "incoming established"}, isEstablished},
		{"fails when the phone is lost", func(w *world) {
			w.mustOK(w.send(from(bob1), failedOn(3, "bob", lost)))
			w.mustOK(w.send(from(bob2), failedOn(4, "bob", lost)))
		}, stories{1: "answered established push failed:unreachable"}, isEstablished},
		{"fails when nobody answers in time", func(w *world) { w.due(time.Minute, kindPush, legID(1)) },
			stories{1: "answered established push failed:no answer", 3: "incoming ended:no answer"}, isEstablished},
		{"can be tried again after a failure, not before", func(w *world) {
			w.do(act{from(al1), pushOn(1, "alice"), conflict, "", ""})
			w.do(act{from(bo1), pushOn(2, "bob"), conflict, "", ""})
			w.due(time.Minute, kindPush, legID(1))
			w.do(act{by: from(al1), c: pushOn(1, "alice")})
		}, stories{5: "incoming", 6: "incoming"}, isEstablished},
		{"an answer without usable media leaves the others", func(w *world) {
			w.fail[legID(3)] = notAcceptable
			w.do(act{from(bob1), answerOn(3, "bob"), notAcceptable, "", "Release 3"})
		}, stories{1: "answered established", 4: "incoming"}, isEstablished},
		{"media lost while it rings leaves the others", func(w *world) { w.send(media, mediaFailedOn(3)) },
			stories{1: "answered established", 3: "incoming ended:media failed", 4: "incoming"}, isEstablished},
		{"ends with the call when the far party hangs up", func(w *world) { w.send(from(bo1), hangUpOn(2, "bob", unsaid)) },
			stories{1: "answered established ended:normal", 3: "incoming ended:cancelled"}, callv1.CallState_CALL_STATE_ENDED},
		{"ends with the call when the one who pushes hangs up", func(w *world) { w.send(from(al1), hangUpOn(1, "alice", unsaid)) },
			stories{2: "incoming established ended:normal", 3: "incoming ended:cancelled"}, callv1.CallState_CALL_STATE_ENDED},
		{"gives way to a pull", func(w *world) { w.do(act{by: from(al2), c: pullBy(al2, 0)}) },
			stories{1: "answered established ended:transferred", 3: "incoming ended:answered elsewhere", 4: "incoming ended:answered elsewhere"}, isEstablished},
		{"goes on when the other side pulls", func(w *world) {
			w.do(act{by: from(bo2), c: pullBy(bo2, 0)})
			w.do(act{by: from(bob1), c: answerOn(3, "bob"), post: "Keep 3, Bridge 3-32768, Release 1, Release 4"})
		}, stories{1: "answered established ended:transferred(requested)"}, isEstablished},
		{"goes on when the one who pushes is lost, beyond the grace", func(w *world) {
			w.targets = nil
			w.mustOK(w.send(from(al1), failedOn(1, "alice", lost)))
			w.due(20*time.Second, kindLost, legID(1))
			w.do(act{by: from(bob1), c: answerOn(3, "bob")})
		}, stories{1: "answered established ended:transferred(requested)"}, isEstablished},
		{"then ends the call when it fails", func(w *world) {
			w.targets = nil
			w.mustOK(w.send(from(al1), failedOn(1, "alice", lost)))
			w.due(20*time.Second, kindLost, legID(1))
			w.due(40*time.Second, kindPush, legID(1))
		}, stories{2: "incoming established ended:terminal lost", 3: "incoming ended:cancelled"}, callv1.CallState_CALL_STATE_ENDED},
		{"rings a terminal of the phone's that signs in meanwhile", func(w *world) {
			b3 := terminal("b3", "sylkrtc", "bob", false)
			w.own(attachedTerminal(b3))
			w.mustOK(w.send(from(b3), hangUpOn(5, "bob", unsaid)))
			w.own(attachedTerminal(b3)) // and does so once
		}, stories{5: "incoming", 6: ""}, isEstablished},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := pushed(t)
			tt.act(w)
			w.check(tt.want)
			if w.call.GetState() != tt.state {
				t.Errorf("call is %v", w.call.GetState())
			}
		})
	}
}

func TestPushesThatCannotBegin(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(w *world)
		want callv1.Code
	}{
		{"no phone", func(w *world) { w.phone = nil }, callv1.Code_CODE_NOT_FOUND},
		{"the phone is not signed in", func(w *world) { w.targets = nil }, callv1.Code_CODE_GONE},
		{"the phone is in the call", func(w *world) { w.targets = []*callv1.Terminal{al1, bo1} }, callv1.Code_CODE_GONE},
		{"nothing that the phone can do", func(w *world) { w.fail[legID(3)] = notAcceptable }, notAcceptable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := talking(t)
			w.targets = []*callv1.Terminal{bob1}
			tt.edit(w)
			if out := w.do(act{from(al1), pushOn(1, "alice"), tt.want, "", ""}); out.Commit {
				t.Error("the call changed")
			}
		})
	}
	w := newWorld(t)
	w.targets = []*callv1.Terminal{bo1}
	w.mustOK(w.send(from(al1), offerFrom(al1)))
	w.do(act{from(al1), pushOn(1, "alice"), conflict, "", ""})
}

// TestAPushWaitsForAPhoneThatIsWoken if it is the subscriber's own.
func TestAPushWaitsForAPhoneThatIsWoken(t *testing.T) {
	w := talking(t)
	w.targets, w.wakes, w.phone = nil, true, party("alice")
	w.do(act{by: from(al1), c: pushOn(1, "alice")})
	phone := terminal("p1", "sylkrtc", "alice", false)
	w.own(attachedTerminal(phone))
	w.check(stories{3: "incoming"})
	w.do(act{by: from(phone), c: answerOn(3, "alice")})
	w.check(stories{1: "answered established ended:transferred(requested)"})

	w = talking(t)
	w.targets, w.wakes, w.phone = nil, true, party("alice")
	w.do(act{by: from(al1), c: pushOn(1, "alice")})
	w.due(30*time.Second, kindPush, legID(1))
	w.check(stories{1: "answered established push failed:unreachable"})
}
