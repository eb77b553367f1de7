package step_test

import (
	"testing"
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

const (
	busy     = callv1.Reason_REASON_BUSY
	declined = callv1.Reason_REASON_DECLINED
	unsaid   = callv1.Reason_REASON_UNSPECIFIED
	lost     = callv1.Reason_REASON_TERMINAL_LOST
)

// TestTransitions names every path through the table by what people would call
// it: the events each leg gets, the call's end, and why.
func TestTransitions(t *testing.T) {
	tests := []struct {
		name  string
		start func(*testing.T) *world
		act   func(w *world)
		want  [3]string // events of leg 1 (caller), 2 and 3 (called)
		state callv1.CallState
		why   callv1.Reason
	}{
		{"an offer rings every terminal of the called subscriber", ringing, func(*world) {},
			[3]string{"", "incoming", "incoming"}, callv1.CallState_CALL_STATE_RINGING, unsaid},
		{"the caller is told once that somebody alerts", ringing, func(w *world) {
			w.send(from(bob1), ringingOn(2, "bob"))
			w.send(from(bob2), ringingOn(3, "bob"))
		}, [3]string{"alerting", "incoming", "incoming"}, callv1.CallState_CALL_STATE_RINGING, unsaid},
		{"the first answer wins, the others end as answered elsewhere", answered, func(*world) {},
			[3]string{"answered", "incoming", "incoming ended:answered elsewhere"}, callv1.CallState_CALL_STATE_ANSWERED, unsaid},
		{"a call is established when both legs' media is connected", established, func(*world) {},
			[3]string{"answered established", "incoming established", "incoming ended:answered elsewhere"},
			callv1.CallState_CALL_STATE_ESTABLISHED, unsaid},
		{"a caller that hangs up unanswered cancels; the called side missed a call", ringing, func(w *world) {
			w.send(from(alice), hangUpOn(1, "alice", unsaid))
		}, [3]string{"", "incoming ended:cancelled(missed)", "incoming ended:cancelled(missed)"},
			callv1.CallState_CALL_STATE_ENDED, callv1.Reason_REASON_CANCELLED},
		{"one terminal that declines leaves the others ringing", ringing, func(w *world) {
			w.send(from(bob1), hangUpOn(2, "bob", unsaid))
		}, [3]string{"", "incoming", "incoming"}, callv1.CallState_CALL_STATE_RINGING, unsaid},
		{"the call ends declined when no terminal is left, and a person's word counts most", ringing, func(w *world) {
			w.send(from(bob1), hangUpOn(2, "bob", declined))
			w.send(from(bob2), hangUpOn(3, "bob", busy))
		}, [3]string{"ended:declined", "incoming", "incoming"}, callv1.CallState_CALL_STATE_ENDED, declined},
		{"busy when every terminal is busy", ringing, func(w *world) {
			w.send(from(bob1), failedOn(2, "bob", busy))
			w.send(from(bob2), failedOn(3, "bob", busy))
		}, [3]string{"ended:busy", "incoming", "incoming"}, callv1.CallState_CALL_STATE_ENDED, busy},
		{"no answer in time", ringing, func(w *world) {
			w.now = w.now.Add(time.Minute)
			w.own(passed(callv1.DeadlineKind_DEADLINE_KIND_ANSWER, ""))
		}, [3]string{"ended:no answer", "incoming ended:no answer(missed)", "incoming ended:no answer(missed)"},
			callv1.CallState_CALL_STATE_ENDED, callv1.Reason_REASON_NO_ANSWER},
		{"a deadline that is not due does nothing", ringing, func(w *world) {
			w.own(passed(callv1.DeadlineKind_DEADLINE_KIND_ANSWER, ""))
		}, [3]string{"", "incoming", "incoming"}, callv1.CallState_CALL_STATE_RINGING, unsaid},
		{"the caller hangs up", established, func(w *world) {
			w.send(from(alice), hangUpOn(1, "alice", unsaid))
		}, [3]string{"answered established", "incoming established ended:normal", "incoming ended:answered elsewhere"},
			callv1.CallState_CALL_STATE_ENDED, callv1.Reason_REASON_NORMAL},
		{"the called side hangs up", established, func(w *world) {
			w.send(from(bob1), hangUpOn(2, "bob", unsaid))
		}, [3]string{"answered established ended:normal", "incoming established", "incoming ended:answered elsewhere"},
			callv1.CallState_CALL_STATE_ENDED, callv1.Reason_REASON_NORMAL},
		{"an answered call whose media never connects ends", answered, func(w *world) {
			w.now = w.now.Add(30 * time.Second)
			w.own(passed(callv1.DeadlineKind_DEADLINE_KIND_MEDIA, ""))
		}, [3]string{"answered ended:media failed", "incoming ended:media failed", "incoming ended:answered elsewhere"},
			callv1.CallState_CALL_STATE_ENDED, callv1.Reason_REASON_MEDIA_FAILED},
		{"media lost in a call ends it", established, func(w *world) {
			w.send(media, mediaFailedOn(1))
		}, [3]string{"answered established ended:media failed", "incoming established ended:media failed", "incoming ended:answered elsewhere"},
			callv1.CallState_CALL_STATE_ENDED, callv1.Reason_REASON_MEDIA_FAILED},
		{"the longest allowed call ends", established, func(w *world) {
			w.now = w.now.Add(time.Hour)
			w.own(passed(callv1.DeadlineKind_DEADLINE_KIND_DURATION, ""))
		}, [3]string{"answered established ended:expired", "incoming established ended:expired", "incoming ended:answered elsewhere"},
			callv1.CallState_CALL_STATE_ENDED, callv1.Reason_REASON_EXPIRED},
		{"a caller that is lost and cannot come back cancels", ringing, func(w *world) {
			w.send(from(alice), failedOn(1, "alice", lost))
		}, [3]string{"", "incoming ended:cancelled(missed)", "incoming ended:cancelled(missed)"},
			callv1.CallState_CALL_STATE_ENDED, callv1.Reason_REASON_CANCELLED},
		{"a party that is lost in a call and cannot come back ends it", established, func(w *world) {
			w.send(from(bob1), failedOn(2, "bob", lost))
		}, [3]string{"answered established ended:terminal lost", "incoming established", "incoming ended:answered elsewhere"},
			callv1.CallState_CALL_STATE_ENDED, lost},
		{"a call whose called terminals are all lost rings on for the grace period", ringing, func(w *world) {
			w.send(from(bob1), failedOn(2, "bob", lost))
			w.send(from(bob2), failedOn(3, "bob", lost))
		}, [3]string{"", "incoming", "incoming"}, callv1.CallState_CALL_STATE_RINGING, unsaid},
		{"and then ends unreachable", ringing, func(w *world) {
			w.send(from(bob1), failedOn(2, "bob", lost))
			w.send(from(bob2), failedOn(3, "bob", lost))
			w.now = w.now.Add(20 * time.Second)
			w.own(passed(callv1.DeadlineKind_DEADLINE_KIND_LOST, ""))
		}, [3]string{"ended:unreachable", "incoming", "incoming"}, callv1.CallState_CALL_STATE_ENDED, callv1.Reason_REASON_UNREACHABLE},
		{"an answer without usable media ends its leg, the others ring on", ringing, func(w *world) {
			w.fail[legID(2)] = callv1.Code_CODE_NOT_ACCEPTABLE
			if out := w.send(from(bob1), answerOn(2, "bob")); out.Reply.GetError().GetCode() != callv1.Code_CODE_NOT_ACCEPTABLE {
				w.t.Errorf("reply %v", out.Reply)
			}
		}, [3]string{"", "incoming", "incoming"}, callv1.CallState_CALL_STATE_RINGING, unsaid},
		{"a terminal that signs in while its subscriber is called rings too", ringing, func(w *world) {
			w.own(attachedTerminal(terminal("b3", "sylkrtc", "bob", false)))
			if w.story(4) != "incoming" {
				w.t.Errorf("late terminal got %q", w.story(4))
			}
		}, [3]string{"", "incoming", "incoming"}, callv1.CallState_CALL_STATE_RINGING, unsaid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := tt.start(t)
			tt.act(w)
			if got := [3]string{w.story(1), w.story(2), w.story(3)}; got != tt.want {
				t.Errorf("events\n got %q\nwant %q", got, tt.want)
			}
			if w.call.GetState() != tt.state || w.call.GetReason() != tt.why {
				t.Errorf("call is %v %v, want %v %v", w.call.GetState(), w.call.GetReason(), tt.state, tt.why)
			}
			checkInvariants(t, w.call)
		})
	}
}

func TestRefusedOffersLeaveARecord(t *testing.T) {
	tests := []struct {
		name   string
		change func(*step.Input)
		code   callv1.Code
		why    callv1.Reason
	}{
		{"nobody has the address", func(in *step.Input) { in.Callee = nil }, callv1.Code_CODE_NOT_FOUND, callv1.Reason_REASON_NOT_FOUND},
		{"no terminal is signed in", func(in *step.Input) { in.Targets = nil }, callv1.Code_CODE_GONE, callv1.Reason_REASON_UNREACHABLE},
		{"the caller's own terminal does not ring", func(in *step.Input) { in.Targets = []*callv1.Terminal{alice} },
			callv1.Code_CODE_GONE, callv1.Reason_REASON_UNREACHABLE},
		{"a terminal that only places calls does not ring", func(in *step.Input) {
			quiet := terminal("b9", "sylkrtc", "bob", false)
			quiet.Rings = false
			in.Targets = []*callv1.Terminal{quiet}
		}, callv1.Code_CODE_GONE, callv1.Reason_REASON_UNREACHABLE},
		{"no media node", func(in *step.Input) { in.MediaNode = "" }, callv1.Code_CODE_OVERLOAD, callv1.Reason_REASON_OVERLOAD},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			c := offerFrom(alice)
			c.Id, c.CallId = "c1", callID
			in := step.Input{
				Command: c, From: from(alice), Now: w.now, Epoch: 1, Settings: w.settings,
				Callee: party("bob"), Targets: []*callv1.Terminal{bob1}, MediaNode: "m1",
			}
			tt.change(&in)
			out := w.run(in)
			if out.Reply.GetError().GetCode() != tt.code || out.Reply.GetReason() != tt.why || !out.Commit {
				t.Errorf("reply %v commit %v", out.Reply, out.Commit)
			}
			if w.call.GetState() != callv1.CallState_CALL_STATE_ENDED || w.call.GetReason() != tt.why || len(w.call.GetPendingEvents()) > 0 {
				t.Errorf("record %v", w.call)
			}
			again := step.Step(step.Input{Call: w.call, Command: c, From: from(alice), Now: w.now, Settings: w.settings})
			if again.Reply.GetError().GetCode() != tt.code || again.Commit {
				t.Errorf("the repeated command got %v", again.Reply)
			}
		})
	}
}

func TestALostTerminalThatResumesTakesItsLegUp(t *testing.T) {
	w := newWorld(t)
	caller := terminal("a1", "grpcpipe", "alice", true)
	w.targets = []*callv1.Terminal{bob1}
	w.mustOK(w.send(from(caller), offerFrom(caller)))
	w.targets = nil
	w.mustOK(w.send(from(caller), failedOn(1, "alice", lost)))
	if w.call.GetState() != callv1.CallState_CALL_STATE_RINGING || !w.call.GetLegs()[0].GetLost() {
		t.Fatalf("the call did not wait: %v", w.call.GetState())
	}
	w.mustOK(w.send(from(bob1), answerOn(2, "bob")))
	back := terminal("a2", "grpcpipe", "alice", true)
	back.Node = "grpcpipe2"
	w.own(attachedTerminal(back))
	l := w.call.GetLegs()[0]
	if l.GetLost() || l.GetTerminal().GetId() != "a2" {
		t.Fatalf("leg %v", l)
	}
	for _, e := range w.call.GetPendingEvents() {
		if e.GetLegId() == l.GetId() && e.GetTerminalId() != "a2" {
			t.Errorf("event %v still goes to the lost terminal", e)
		}
	}
	if out := w.send(from(caller), hangUpOn(1, "alice", unsaid)); out.Reply.GetError().GetCode() != callv1.Code_CODE_NOT_FOUND {
		t.Errorf("the old node still speaks for the leg: %v", out.Reply)
	}
	w.mustOK(w.send(from(back), hangUpOn(1, "alice", unsaid)))
	checkInvariants(t, w.call)
}

func TestALostTerminalThatStaysAwayEndsItsLeg(t *testing.T) {
	w := newWorld(t)
	caller := terminal("a1", "grpcpipe", "alice", true)
	w.targets = []*callv1.Terminal{bob1}
	w.mustOK(w.send(from(caller), offerFrom(caller)))
	w.mustOK(w.send(from(bob1), answerOn(2, "bob")))
	w.targets = nil
	w.mustOK(w.send(from(caller), failedOn(1, "alice", lost)))
	w.now = w.now.Add(20 * time.Second)
	w.own(passed(callv1.DeadlineKind_DEADLINE_KIND_LOST, legID(1)))
	if w.call.GetReason() != lost || w.story(2) != "incoming ended:terminal lost" {
		t.Errorf("%v, callee got %q", w.call.GetReason(), w.story(2))
	}
	checkInvariants(t, w.call)
}

// TestAnotherDeviceDoesNotInheritALeg: only a terminal that came about the time
// of the loss, or later, takes a lost leg up.
func TestAnotherDeviceDoesNotInheritALeg(t *testing.T) {
	w := newWorld(t)
	caller, other := terminal("a1", "grpcpipe", "alice", true), terminal("a2", "grpcpipe", "alice", true)
	w.targets = []*callv1.Terminal{bob1}
	w.mustOK(w.send(from(caller), offerFrom(caller)))
	w.now = w.now.Add(30 * time.Second)
	w.targets = []*callv1.Terminal{other}
	w.mustOK(w.send(from(caller), failedOn(1, "alice", lost)))
	w.own(attachedTerminal(other))
	if l := w.call.GetLegs()[0]; !l.GetLost() || l.GetTerminal().GetId() != "a1" {
		t.Errorf("leg %v", l)
	}
}

// TestMediaThatConnectsBeforeTheAnswerIsCommittedCounts: the called leg's media
// can be up before the owner has committed its answer.
func TestMediaThatConnectsBeforeTheAnswerIsCommittedCounts(t *testing.T) {
	w := ringing(t)
	w.mustOK(w.send(media, connectedOn(2)))
	w.mustOK(w.send(from(bob1), answerOn(2, "bob")))
	w.mustOK(w.send(media, connectedOn(1)))
	if w.call.GetState() != callv1.CallState_CALL_STATE_ESTABLISHED || w.story(1) != "answered established" {
		t.Errorf("%v, caller got %q", w.call.GetState(), w.story(1))
	}
}

func TestGlareAnswersBothOffers(t *testing.T) {
	w := ringing(t)
	loser := key.CallID("bob", "test", "2")
	leg := loserLeg(loser)
	out := w.send(&callv1.Identity{Kind: "callstate", Node: "c1"}, &callv1.Command{
		LegId: leg, Principal: "bob", Body: &callv1.Command_HandOver{HandOver: &callv1.HandOver{
			FromCallId: loser, NextEvent: 1, MediaRevision: 2,
			Offer: &callv1.Offer{To: "sip:alice@demo.test", Sdp: "sdp", Terminal: bob1, Ref: "ref-b", Caller: party("bob")},
		}},
	})
	w.mustOK(out)
	if out.Reply.GetLegState() != callv1.LegState_LEG_STATE_ANSWERED {
		t.Errorf("reply %v", out.Reply)
	}
	if w.story(1) != "answered" || w.story(2) != "incoming ended:answered elsewhere" || w.story(3) != "incoming ended:answered elsewhere" {
		t.Errorf("events %q %q %q", w.story(1), w.story(2), w.story(3))
	}
	found := false
	for _, e := range w.call.GetPendingEvents() {
		if e.GetLegId() == leg {
			found = e.GetAnswered() != nil && e.GetRef() == "ref-b" && e.GetCallId() == callID
		}
	}
	if !found {
		t.Error("the other caller was not answered")
	}
	checkInvariants(t, w.call)
}
