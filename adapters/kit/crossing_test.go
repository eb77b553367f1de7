package kit_test

import (
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// A Ringing that crosses the call's end is told that the leg has ended, but the
// terminal learns it from the owner's event.
func TestRingingThatCrossesTheEndLeavesTheEndedEvent(t *testing.T) {
	n := start(t, nil)
	bob, _ := n.attach("bob")
	l := n.called("bob", bob)
	l.gets(l.send(1, &callv1.Incoming{}), ok)
	n.delivered()
	out := n.accept(n.ctx(), ringing("bob", l.id), kit.Ref{})
	a := n.next()
	ended := l.send(2, &callv1.Ended{Reason: callv1.Reason_REASON_CANCELLED})
	a.ok(callv1.LegState_LEG_STATE_ENDED)
	n.result(out)
	if e := n.delivered(); e.GetEnded() == nil {
		t.Errorf("delivered %v", e)
	}
	l.gets(ended, ok)
}

// A subscriber's terminals may name their calls alike. The one that has the call
// keeps it: it is not given up with the other.
func TestAnotherTerminalCannotTakeACallsName(t *testing.T) {
	n := start(t, nil)
	first, _ := n.attach("alice")
	second, leave := n.attach("alice")
	l := n.placed("alice", first, ref)
	n.refusedWith(n.accept(n.ctx(), offer("alice", second), ref), callv1.Code_CODE_CONFLICT)
	leave(kit.SignedOut)
	n.none()
	l.gets(l.send(1, &callv1.Alerting{}), ok)
	n.delivered()
}

// A leg that a terminal has taken up is known by a probe: when the terminal goes
// too, the leg is given up.
func TestAProbeMakesATakenUpLegKnown(t *testing.T) {
	n := start(t, nil)
	bob, leave := n.attach("bob")
	l := n.called("bob", bob)
	l.gets(l.send(0, &callv1.Probe{}), ok)
	leave(kit.Lost)
	a := n.next()
	if f := a.c.GetLegFailed(); a.c.GetLegId() != l.id || f.GetReason() != callv1.Reason_REASON_TERMINAL_LOST || f.GetTerminalId() != bob.GetId() {
		t.Errorf("command %v", a.c)
	}
	a.ok(callv1.LegState_LEG_STATE_ENDED)
}
