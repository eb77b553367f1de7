package callstate_test

import (
	"context"
	"maps"
	"testing"
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// livesOn is what a terminal can do that lives on without its adapter.
func livesOn() *callv1.Features {
	return &callv1.Features{Resumes: true, RemembersCalls: true, Renegotiates: true, Durable: true}
}

// startAgain is an adapter killed, and another start of it, as node or as one of
// another name. What its terminals have heard lives on with them.
func (r *rig) startAgain(a *adapter, node string) *adapter {
	r.t.Helper()
	a.leave()
	again := r.startAdapter(a.b.Kind(), node)
	a.mu.Lock()
	maps.Copy(again.seen, a.seen)
	maps.Copy(again.alerted, a.alerted)
	a.mu.Unlock()
	if err := again.terminals.Purge(context.Background(), again.b.Kind(), node, again.instance, time.Time{}); err != nil {
		r.t.Fatal(err)
	}
	return again
}

// oneRestart is a call to a terminal whose adapter is killed while it rings, and
// again while it talks.
func oneRestart(r *rig, t *testing.T) {
	a, m := r.startAdapter("loopback", "n1"), r.startAdapter("matrix", "n1")
	alice, bob := a.attachWith("alice", able()), m.attachWith("bob", livesOn())
	placed := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	in := m.event(bob, "incoming", isIncoming)
	m.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Ringing{}))
	a.event(alice, "alerting", isAlerting)

	second := r.startAgain(m, "n1")
	bob = second.attachWith("bob", livesOn())
	second.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Answer{Sdp: "v=0"}))
	a.event(alice, "answered", isAnswered)

	third := r.startAgain(second, "n2") // another node takes over
	bob = third.attachWith("bob", livesOn())
	r.connected(in.GetCallId(), placed.GetLegId(), 1)
	r.connected(in.GetCallId(), in.GetLegId(), 1)
	r.until("established", func() bool { return second.count(isEstablished)+third.count(isEstablished) == 1 })
	third.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.HangUp{}))
	heard(r, t, a, map[*callv1.Terminal]string{alice: "Alerting Answered Established Ended:normal"})
	if n := m.count(isIncoming) + second.count(isIncoming) + third.count(isIncoming); n != 1 {
		t.Errorf("rung %d times", n)
	}
	if c := record(t, a.b, in.GetCallId()); len(c.GetLegs()) != 2 {
		t.Errorf("legs %v", c.GetLegs())
	}
}

// TestAnEventWaitsForTheNextStartOfAnAdapter: what was on its way to a terminal that
// lives on when its adapter was killed comes to it with the same number.
func TestAnEventWaitsForTheNextStartOfAnAdapter(t *testing.T) {
	for name, node := range map[string]string{"the same node": "n1", "another node": "n2"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.media.settled = true
			r.startCallState(nil)
			a, m := r.startAdapter("loopback", "n1"), r.startAdapter("matrix", "n1")
			tried := make(chan uint64, 64)
			m.refuse = func(e *callv1.Event) *callv1.Error {
				select {
				case tried <- e.GetNumber():
				default:
				}
				return &callv1.Error{Code: callv1.Code_CODE_RETRY}
			}
			alice := a.attachWith("alice", able())
			m.attachWith("bob", livesOn())
			a.must(a.offer(alice, "1", "sip:bob@demo.test"))
			number := <-tried

			again := r.startAgain(m, node)
			bob := again.attachWith("bob", livesOn())
			in := again.event(bob, "incoming", isIncoming)
			if in.GetNumber() != number {
				t.Errorf("number %d, was %d", in.GetNumber(), number)
			}
			again.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.HangUp{}))
			heard(r, t, a, map[*callv1.Terminal]string{alice: "Ended:declined"})
			if n := again.count(isIncoming); n != 1 {
				t.Errorf("rung %d times", n)
			}
		})
	}
}

// TestAnEventDoesNotWaitForADeadAdapter: one that an adapter had taken when it was
// killed, the end of a call too, goes to its next start as soon as that is there.
func TestAnEventDoesNotWaitForADeadAdapter(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a, m := r.startAdapter("loopback", "n1"), r.startAdapter("matrix", "n1")
	taken := make(chan *callv1.Event, 64)
	mute := func(e *callv1.Event) bool {
		if e.GetProbe() != nil {
			return false
		}
		taken <- e
		return true
	}
	m.mute = mute
	alice := a.attachWith("alice", able())
	m.attachWith("bob", livesOn())
	placed := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	<-taken
	began := time.Now()
	second := r.startAgain(m, "n1")
	bob := second.attachWith("bob", livesOn())
	second.event(bob, "incoming", isIncoming)

	second.mu.Lock()
	second.mute = mute
	second.mu.Unlock()
	a.must(command(alice, placed.GetCallId(), placed.GetLegId(), &callv1.HangUp{}))
	for (<-taken).GetEnded() == nil {
	}
	third := r.startAgain(second, "n1")
	third.event(third.attachWith("bob", livesOn()), "ended", isEnded)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestARoomHearsOfACallThatEndedWithoutIt: the caller gave up while its adapter was
// away.
func TestARoomHearsOfACallThatEndedWithoutIt(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a, m := r.startAdapter("loopback", "n1"), r.startAdapter("matrix", "n1")
	alice, bob := a.attachWith("alice", able()), m.attachWith("bob", livesOn())
	placed := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	m.event(bob, "incoming", isIncoming)
	m.leave()
	r.until("lost", func() bool { return record(t, a.b, placed.GetCallId()).GetLegs()[1].GetLost() })
	a.must(command(alice, placed.GetCallId(), placed.GetLegId(), &callv1.HangUp{}))
	again := r.startAgain(m, "n1")
	bob = again.attachWith("bob", livesOn())
	if e := again.event(bob, "ended", isEnded); !e.GetEnded().GetMissed() {
		t.Errorf("event %v", e)
	}
}

// TestARoomWhoseAdapterStaysAway ends the call after the grace.
func TestARoomWhoseAdapterStaysAway(t *testing.T) {
	r := newRig(t)
	r.cfg.Grace = 3 * r.cfg.NodeGrace
	r.startCallState(nil)
	a, m := r.startAdapter("loopback", "n1"), r.startAdapter("matrix", "n1")
	alice, bob := a.attachWith("alice", able()), m.attachWith("bob", livesOn())
	a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	m.event(bob, "incoming", isIncoming)
	m.leave()
	if e := a.event(alice, "ended", isEnded); e.GetEnded().GetReason() != callv1.Reason_REASON_UNREACHABLE {
		t.Errorf("event %v", e)
	}
	r.media.empty(r)
}

// TestATerminalWhoseNodeCallStateNeverSaw: it is still in the table, and takes a leg
// up or is rung; the next one has the leg.
func TestATerminalWhoseNodeCallStateNeverSaw(t *testing.T) {
	for name, told := range map[string]bool{"that was told all": true, "that was told nothing": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.media.settled = true
			kill := r.startCallState(nil)
			a, m := r.startAdapter("loopback", "n1"), r.startAdapter("matrix", "n1")
			if !told {
				m.refuse = func(*callv1.Event) *callv1.Error { return &callv1.Error{Code: callv1.Code_CODE_RETRY} }
			}
			alice, bob := a.attachWith("alice", able()), m.attachWith("bob", livesOn())
			placed := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
			if told {
				m.event(bob, "incoming", isIncoming)
			}
			m.leave()
			r.until("lost", func() bool { return record(t, a.b, placed.GetCallId()).GetLegs()[1].GetLost() })
			kill()
			second := r.startAgain(m, "n1")
			second.attachWith("bob", livesOn())
			second.leave()
			r.startCallState(nil)
			third := r.startAdapter("matrix", "n2")
			bob = third.attachWith("bob", livesOn())
			r.until("taken up", func() bool {
				return record(t, a.b, placed.GetCallId()).GetLegs()[1].GetTerminal().GetId() == bob.GetId()
			})
			if !told {
				third.event(bob, "incoming", isIncoming)
			}
			if n := len(record(t, a.b, placed.GetCallId()).GetLegs()); n != 2 {
				t.Errorf("%d legs", n)
			}
		})
	}
}
