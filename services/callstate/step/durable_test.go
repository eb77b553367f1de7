package step_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// room is a terminal that lives on without its adapter.
func room(id, subscriber, instance string, attached time.Time) *callv1.Terminal {
	t := terminal(id, "matrix", subscriber, true)
	t.Features.Durable, t.Features.Renegotiates = true, true
	t.Instance, t.AttachedAt = instance, timestamppb.New(attached)
	return t
}

// again is bob's room after its adapter started again.
func (w *world) again(id string) *callv1.Terminal { return room(id, "bob", "i2", w.now) }

// ringingRoom is a call that bob's room (leg 2) and his phone (leg 3) have been
// offered.
func ringingRoom(t *testing.T) *world {
	w := newWorld(t)
	w.targets = []*callv1.Terminal{room("r1", "bob", "i1", start), bob1}
	w.mustOK(w.send(from(alice), offerFrom(alice)))
	w.targets = nil
	w.now = w.now.Add(5 * time.Second)
	return w
}

var matrix1 = &callv1.Identity{Kind: "matrix", Node: "matrix1"}

// TestARoomRingsOn: its leg is kept while its adapter is away, and is its next
// terminal's, with its events.
func TestARoomRingsOn(t *testing.T) {
	w := ringingRoom(t)
	w.own(ownLoss(legOf(w, 2)))
	if !legOf(w, 2).GetLost() || w.plan() != "" || w.after() != "" {
		t.Fatalf("leg %v, left for the media node %q", legOf(w, 2), w.after())
	}
	w.check(stories{1: "", 2: "incoming", 3: "incoming", 4: ""})
	w.now = w.now.Add(10 * time.Second)
	back := w.again("r2")
	w.own(attachedTerminal(back))
	if l := legOf(w, 2); l.GetLost() || l.GetTerminal().GetId() != "r2" || w.plan() != "" {
		t.Fatalf("leg %v, the media node did %q", l, w.plan())
	}
	for _, e := range w.call.GetPendingEvents() {
		if e.GetLegId() == legID(2) && (e.GetTerminalId() != "r2" || e.GetNumber() != 1) {
			t.Errorf("event %v", e)
		}
	}
	w.own(attachedTerminal(back)) // told twice
	w.check(stories{2: "incoming", 3: "incoming", 4: ""})
	w.mustOK(w.send(from(back), ringingOn(2, "bob")))
	w.do(act{by: from(back), c: answerOn(2, "bob"), plan: "TakeAnswer 2, MakeAnswer 1, Bridge 1-2"})
	w.check(stories{1: "alerting answered", 2: "incoming", 3: "incoming ended:answered elsewhere"})
}

// TestARoomThatIsBackBeforeItsLossWasNoticed: a node that started again, or
// another that took over from it.
func TestARoomThatIsBackBeforeItsLossWasNoticed(t *testing.T) {
	t.Run("started again", func(t *testing.T) {
		w := ringingRoom(t)
		w.own(attachedTerminal(w.again("r2")))
		if l := legOf(w, 2); l.GetTerminal().GetId() != "r2" || w.plan() != "" {
			t.Fatalf("leg %v, the media node did %q", l, w.plan())
		}
		w.own(&callv1.Command{LegId: legID(2), Body: &callv1.Command_LegFailed{ // noticed now
			LegFailed: &callv1.LegFailed{Reason: lost, TerminalId: "r1"},
		}})
		if legOf(w, 2).GetLost() {
			t.Error("the leg is lost with its former terminal")
		}
	})
	t.Run("another node", func(t *testing.T) {
		w := ringingRoom(t)
		other := w.again("r2")
		other.Node = "matrix2"
		w.own(attachedTerminal(other)) // the first may be there still
		w.check(stories{2: "incoming", 4: ""})
		if l := legOf(w, 2); l.GetTerminal().GetId() != "r1" || w.plan() != "" {
			t.Fatalf("leg %v, the media node did %q", l, w.plan())
		}
		w.now = w.now.Add(7 * time.Second)
		w.targets = []*callv1.Terminal{bob1, other}
		w.own(ownLoss(legOf(w, 2)))
		if l := legOf(w, 2); l.GetLost() || l.GetTerminal().GetId() != "r2" {
			t.Fatalf("leg %v", l)
		}
		w.check(stories{2: "incoming", 4: ""})
	})
	t.Run("clocks that differ", func(t *testing.T) {
		w := ringingRoom(t)
		w.own(ownLoss(legOf(w, 2)))
		back := w.again("r2")
		back.AttachedAt = timestamppb.New(start.Add(-time.Second)) // before the call, it says
		w.own(attachedTerminal(back))
		if l := legOf(w, 2); l.GetTerminal().GetId() != "r2" {
			t.Errorf("leg %v", l)
		}
	})
}

// TestACommandThatNamesARingingRoomsLeg takes it up, whatever it says.
func TestACommandThatNamesARingingRoomsLeg(t *testing.T) {
	for name, tt := range map[string]struct {
		c    func() *callv1.Command
		want stories
	}{
		"answer":  {func() *callv1.Command { return answerOn(2, "bob") }, stories{1: "answered", 2: "incoming", 3: "incoming ended:answered elsewhere"}},
		"ringing": {func() *callv1.Command { return ringingOn(2, "bob") }, stories{1: "alerting", 2: "incoming", 3: "incoming"}},
		"reject":  {func() *callv1.Command { return hangUpOn(2, "bob", busy) }, stories{1: "", 2: "incoming", 3: "incoming"}},
	} {
		for _, noticed := range []bool{true, false} {
			w := ringingRoom(t)
			if noticed {
				w.own(ownLoss(legOf(w, 2)))
			}
			back := w.again("r2")
			c := tt.c()
			c.Id, c.CallId = "up", callID
			on, ok := step.TakeUp(step.Input{
				Call: w.call, Command: c, From: matrix1, Now: w.now, Epoch: 1, Settings: w.settings, MediaNode: "m1",
			}, back)
			if !ok {
				t.Fatalf("%s: not taken up", name)
			}
			out := w.run(on)
			if out.Reply.GetError() != nil || !out.Commit || legOf(w, 2).GetTerminal().GetId() != "r2" {
				t.Errorf("%s: reply %v, leg %v", name, out.Reply, legOf(w, 2))
			}
			w.check(tt.want)
		}
	}
}

// TestARoomWhoseAdapterStaysAway: its leg ends, the others ring on, and without
// others the call ends. The room hears of it when its adapter is back.
func TestARoomWhoseAdapterStaysAway(t *testing.T) {
	t.Run("others ring", func(t *testing.T) {
		w := ringingRoom(t)
		w.own(ownLoss(legOf(w, 2)))
		w.due(20*time.Second, kindLost, legID(2))
		w.check(stories{1: "", 2: "incoming ended:terminal lost(missed)", 3: "incoming"})
		w.own(attachedTerminal(w.again("r2"))) // rings as one that appears
		w.check(stories{2: "incoming ended:terminal lost(missed)", 3: "incoming", 4: "incoming"})
		w.mustOK(w.send(from(bob1), answerOn(3, "bob")))
		w.check(stories{1: "answered", 4: "incoming ended:answered elsewhere"})
	})
	t.Run("others declined", func(t *testing.T) {
		w := ringingRoom(t)
		w.own(ownLoss(legOf(w, 2)))
		w.mustOK(w.send(from(bob1), hangUpOn(3, "bob", declined)))
		if !step.Live(w.call) {
			t.Fatal("the call ended while the room rings")
		}
		w.due(20*time.Second, kindLost, legID(2))
		w.check(stories{1: "ended:declined", 2: "incoming ended:terminal lost(missed)"})
	})
	t.Run("it was alone", func(t *testing.T) {
		w := newWorld(t)
		w.targets = []*callv1.Terminal{room("r1", "bob", "i1", start)}
		w.mustOK(w.send(from(alice), offerFrom(alice)))
		w.targets = nil
		w.own(ownLoss(legOf(w, 2)))
		w.due(20*time.Second, kindLost, legID(2))
		w.check(stories{1: "ended:unreachable", 2: "incoming ended:terminal lost(missed)"})
		if w.call.GetReason() != callv1.Reason_REASON_UNREACHABLE {
			t.Errorf("reason %v", w.call.GetReason())
		}
	})
	t.Run("the caller gives up meanwhile", func(t *testing.T) {
		w := ringingRoom(t)
		w.own(ownLoss(legOf(w, 2)))
		w.mustOK(w.send(from(alice), hangUpOn(1, "alice", unsaid)))
		w.check(stories{2: "incoming ended:cancelled(missed)", 3: "incoming ended:cancelled(missed)"})
	})
}

// TestARoomThatDeclinedIsNotRungAgain when its adapter starts again.
func TestARoomThatDeclinedIsNotRungAgain(t *testing.T) {
	w := ringingRoom(t)
	w.mustOK(w.send(matrix1, hangUpOn(2, "bob", declined)))
	w.own(attachedTerminal(w.again("r2")))
	w.check(stories{2: "incoming", 3: "incoming", 4: ""})
	second := w.again("r3")
	second.Instance = "i1" // another room of bob's, at the adapter that the first was at
	w.own(attachedTerminal(second))
	w.check(stories{4: "incoming"})
}

// TestOfARoomsTerminalsTheLastIsRung: the table may still have the one before.
func TestOfARoomsTerminalsTheLastIsRung(t *testing.T) {
	w := newWorld(t)
	former, last := room("r1", "bob", "i1", start.Add(-time.Hour)), room("r2", "bob", "i2", start)
	beside := room("r3", "bob", "i2", start.Add(-time.Minute)) // another room, at the same start
	for _, targets := range [][]*callv1.Terminal{{former, last, beside}, {last, beside, former}} {
		w.targets, w.call = targets, nil
		w.mustOK(w.send(from(alice), offerFrom(alice)))
		rung := map[string]bool{}
		for _, l := range w.call.GetLegs()[1:] {
			rung[l.GetTerminal().GetId()] = true
		}
		if len(rung) != 2 || !rung["r2"] || !rung["r3"] {
			t.Errorf("rung: %v", rung)
		}
	}
	w = talking(t)
	w.phone, w.targets = party("carol"), []*callv1.Terminal{room("c1", "carol", "i1", start.Add(-time.Hour)), room("c2", "carol", "i2", start)}
	w.do(act{by: from(al1), c: pushOn(1, "alice")})
	if n := len(w.call.GetLegs()); n != 3 || legOf(w, 3).GetTerminal().GetId() != "c2" {
		t.Errorf("%d legs, the last %v", n, w.call.GetLegs()[n-1])
	}
}

// pushedToRoom is a call that alice pushes to her phone, carol's room.
func pushedToRoom(t *testing.T) *world {
	w := talking(t)
	w.phone, w.targets = party("carol"), []*callv1.Terminal{room("c1", "carol", "i1", start)}
	w.do(act{by: from(al1), c: pushOn(1, "alice")})
	w.check(stories{1: "answered established", 3: "incoming"})
	w.targets = nil
	w.now = w.now.Add(5 * time.Second)
	w.own(ownLoss(legOf(w, 3)))
	if !legOf(w, 3).GetLost() || w.call.GetPushLegId() != legID(1) {
		t.Fatalf("leg %v, push of %q", legOf(w, 3), w.call.GetPushLegId())
	}
	return w
}

// TestAPushToARoom waits for its adapter as an incoming call does.
func TestAPushToARoom(t *testing.T) {
	t.Run("it comes back", func(t *testing.T) {
		w := pushedToRoom(t)
		back := room("c2", "carol", "i2", w.now)
		w.own(attachedTerminal(back))
		w.check(stories{3: "incoming", 4: ""})
		if l := legOf(w, 3); l.GetLost() || l.GetTerminal().GetId() != "c2" || w.plan() != "" {
			t.Fatalf("leg %v, plan %q", l, w.plan())
		}
		w.do(act{by: from(back), c: answerOn(3, "carol"), plan: "TakeAnswer 3", post: "Keep 3, Bridge 3-2, Release 1"})
		w.check(stories{1: "answered established ended:transferred(requested)", 3: "incoming"})
	})
	t.Run("it stays away", func(t *testing.T) {
		w := pushedToRoom(t)
		w.due(20*time.Second, kindLost, legID(3))
		w.check(stories{1: "answered established push failed:unreachable", 3: "incoming ended:terminal lost"})
		if w.call.GetState() != isEstablished {
			t.Errorf("call %v", w.call.GetState())
		}
	})
	t.Run("its loss is not noticed", func(t *testing.T) {
		w := pushedToRoom(t)
		legOf(w, 3).Lost = false
		w.call.Deadlines = w.call.GetDeadlines()[:len(w.call.GetDeadlines())-1]
		other := room("c2", "carol", "i2", w.now)
		other.Node = "matrix2"
		w.own(attachedTerminal(other))
		w.check(stories{3: "incoming", 4: ""})
	})
	t.Run("its media is gone", func(t *testing.T) {
		w := pushedToRoom(t)
		w.mustOK(w.send(media, mediaFailedOn(3)))
		w.check(stories{1: "answered established push failed:media failed", 3: "incoming ended:media failed"})
	})
}

// TestWithoutGraceARoomIsAnyTerminal.
func TestWithoutGraceARoomIsAnyTerminal(t *testing.T) {
	w := ringingRoom(t)
	w.settings.Grace = 0
	w.own(ownLoss(legOf(w, 2)))
	w.check(stories{2: "incoming", 3: "incoming"})
	if legOf(w, 2).GetState() != callv1.LegState_LEG_STATE_ENDED {
		t.Errorf("leg %v", legOf(w, 2))
	}
}
