package e2e

import (
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// Calls that nobody takes.

func pageDeclines(t *testing.T, x *harness.Exchange) {
	a, b := pages(t, x)
	a.Dial(bob, false)
	b.AwaitState(step, "incoming")
	id := x.LiveCall(t)
	b.Click("decline")
	b.AwaitEnded(step, "Declined")
	a.AwaitEnded(step, "Busy, or declined")
	x.AwaitLadder(t, id, "bob sylkrtc → tandem: reject", "tandem → alice sylkrtc: ended")

	phone := x.Call(t, aliceNumber)
	a.AwaitState(step, "incoming")
	a.Click("decline")
	if o := phone.Outcome(step, harness.ExitRefused); o.Reason != "refused" {
		t.Errorf("phone says %+v", o)
	}
}

func phoneRejects(t *testing.T, x *harness.Exchange) {
	x.Listen(t, "--reject", "--count", "1")
	a := signedIn(t, x, shared.left, alice)
	a.Dial(carol, false)
	a.AwaitEnded(step, "Busy, or declined")
}

func pageCancels(t *testing.T, x *harness.Exchange) {
	a, b := pages(t, x)
	a.Dial(bobNumber, false)
	b.AwaitState(step, "incoming")
	id := x.LiveCall(t)
	a.Click("hangup")
	a.AwaitEnded(step, "Cancelled")
	b.AwaitState(step, "ended")
	harness.Eventually(t, step, "missed call noted", func() (bool, string) {
		return b.Missed() == "1 missed", b.Missed()
	})
	x.AwaitLadder(t, id, "alice sylkrtc → tandem: cancel", "tandem → bob sylkrtc: ended")

	// A cancel reaches a phone as well, which goes on listening.
	phone := x.Listen(t, "--answer-after", "60s")
	a.Click("done")
	a.Dial(carolNumber, false)
	a.AwaitState(step, "ringing")
	a.Click("hangup")
	x.AwaitNoCall(t)
	phone.Interrupt()
	if _, err := phone.Exit(step); err != nil {
		t.Error(err)
	}
}

func phoneCancels(t *testing.T, x *harness.Exchange) {
	a := signedIn(t, x, shared.left, alice)
	phone := x.Call(t, aliceNumber)
	a.AwaitState(step, "incoming")
	phone.Interrupt()
	a.AwaitState(step, "ended")
	harness.Eventually(t, step, "missed call noted", func() (bool, string) {
		return a.Missed() == "1 missed", a.Missed()
	})
	if _, err := phone.Exit(step); err != nil {
		t.Error(err)
	}
}

func busyPage(t *testing.T, x *harness.Exchange) {
	a, b, _ := established(t, x, false)
	phone := x.Call(t, bobNumber)
	phone.Outcome(step, harness.ExitRefused)
	if got := b.Missed(); got != "1 missed" {
		t.Errorf("callee reads %q of the call that was refused", got)
	}
	// The call that was there first has not noticed.
	a.AwaitTone(b.Tone())
	b.AwaitTone(a.Tone())
	a.Click("hangup")
	b.AwaitEnded(step, "The other side hung up")
}

func unknownNumber(t *testing.T, x *harness.Exchange) {
	a := signedIn(t, x, shared.left, alice)
	for _, address := range []string{nobodyNumber, "mallory", "mallory@elsewhere.test"} {
		a.Dial(address, false)
		a.AwaitEnded(step, "No such number or address")
		a.Click("done")
	}
	x.Call(t, nobodyNumber).Outcome(step, harness.ExitRefused)
}

func nobodySignedIn(t *testing.T, x *harness.Exchange) {
	a := signedIn(t, x, shared.left, alice)
	a.Dial(bobNumber, false)
	a.AwaitEnded(step, "Not reachable right now")
}

// Nobody answers: both sides are told, and the callee notes a missed call.
func TestNoAnswer(t *testing.T) {
	options := harness.Options{Set: map[string]string{"callstate.ring_timeout": "3s"}}
	everywhere(t, options, func(t *testing.T, x *harness.Exchange) {
		a, b := pages(t, x)
		a.Dial(bobNumber, false)
		b.AwaitState(step, "incoming")
		id := x.LiveCall(t)
		a.AwaitEnded(step, "No answer")
		b.AwaitState(step, "ended")
		harness.Eventually(t, step, "missed call noted", func() (bool, string) {
			return b.Missed() == "1 missed", b.Missed()
		})
		x.AwaitLadder(t, id, "alice sylkrtc → tandem: offer", "timer → tandem: deadline", "tandem → alice sylkrtc: ended")

		x.Call(t, bobNumber).Outcome(step, harness.ExitRefused)
		x.AwaitNoCall(t)
	})
}
