package matrix

import (
	"testing"
)

// Calls that do not come about, and calls that cross or are left.

func rejects(t *testing.T, b bed) {
	p := b.softphone(t)
	alice := b.signUp(t, "Alice")
	a := b.device(t, shared.left, alice, false)
	p.Dial(alice.number, false)
	a.AwaitState(step, "incoming")
	a.Reject()
	p.AwaitEnded(step, "Busy, or declined")
}

func pageDeclines(t *testing.T, b bed) {
	p := b.softphone(t)
	alice := b.signUp(t, "Alice")
	a := b.device(t, shared.left, alice, false)
	a.Dial(b.portal(t, alice, bobNumber, false), false)
	p.AwaitState(step, "incoming")
	p.Click("decline")
	a.AwaitState(step, "ended")
}

func cancels(t *testing.T, b bed) {
	p := b.softphone(t)
	alice := b.signUp(t, "Alice")
	a := b.device(t, shared.left, alice, false)
	a.Dial(b.portal(t, alice, bobNumber, false), false)
	p.AwaitState(step, "incoming")
	a.HangUp()
	p.AwaitState(step, "ended")
}

func pageCancels(t *testing.T, b bed) {
	p := b.softphone(t)
	alice := b.signUp(t, "Alice")
	a := b.device(t, shared.left, alice, false)
	p.Dial(alice.number, false)
	a.AwaitState(step, "incoming")
	p.Click("hangup")
	a.AwaitState(step, "ended")
}

// Instead of answering, alice calls who calls her: both see one call answered.
func crossing(t *testing.T, b bed) {
	p := b.softphone(t)
	alice := b.signUp(t, "Alice")
	portal := b.portal(t, alice, bobNumber, false)
	a := b.device(t, shared.left, alice, false)
	p.Dial(alice.number, false)
	a.AwaitState(step, "incoming")
	a.Dial(portal, false)
	established(a.Page, p)
	a.HangUp()
	p.AwaitEnded(step, "The other side hung up")
}

func unreachable(t *testing.T, b bed) {
	alice := b.signUp(t, "Alice")
	a := b.device(t, shared.left, alice, false)
	a.Dial(b.portal(t, alice, carolNumber, false), false)
	a.AwaitEnded(step, "remote: unknown_error")
}

func calleeLeaves(t *testing.T, b bed) {
	p := b.softphone(t)
	alice := b.signUp(t, "Alice")
	a := b.device(t, shared.left, alice, false)
	p.Dial(alice.number, false)
	a.AwaitState(step, "incoming")
	a.Answer(false)
	established(a.Page, p)
	alice.Leave(t, a.Room())
	p.AwaitEnded(step, "The other side hung up")
}
