package matrix

import (
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/matrixphone"
)

func TestCalls(t *testing.T) {
	b := newBed(t, harness.AllInOne, false)
	for _, s := range []struct {
		name string
		run  func(t *testing.T, b bed)
	}{
		{"Matrix to phone", matrixToPhone},
		{"phone to Matrix", phoneToMatrix},
		{"Matrix to echo with video", matrixToEcho},
		{"Matrix to page with video", matrixToPage},
		{"page to Matrix with video", pageToMatrix},
		{"Matrix to Matrix with video", matrixToMatrix},
		{"dial pad", dialPad},
		{"dial pad, nobody has the number", dialPadNobody},
		{"a room of nobody's", nobodysRoom},
		{"a room to call back in", callBack},
		{"encrypted portal", encryptedPortal},
		{"encrypted line", encryptedLine},
		{"two devices ring, one answers", twoDevices},
		{"Matrix holds and is held", holds},
		{"Matrix adds video", addsVideo},
		{"page adds video", pageAddsVideo},
		{"Matrix mutes and is muted", mutes},
		{"Matrix rejects", rejects},
		{"page declines", pageDeclines},
		{"Matrix cancels", cancels},
		{"page cancels", pageCancels},
		{"phone not there", unreachable},
		{"calls cross", crossing},
		{"the callee leaves the room", calleeLeaves},
		{"a third member", thirdMember},
		{"a subscriber with a number", mappedSubscriber},
	} {
		t.Run(s.name, func(t *testing.T) {
			s.run(t, b)
			b.AwaitNoCall(t)
		})
	}
}

// hears waits until each side hears the other.
func hears(a, b *harness.Page) {
	a.AwaitTone(b.Tone())
	b.AwaitTone(a.Tone())
}

// established waits until both sides say so and hear each other.
func established(a, b *harness.Page) {
	a.AwaitState(step, "established")
	b.AwaitState(step, "established")
	hears(a, b)
}

func matrixToPhone(t *testing.T, b bed) {
	phone := b.Listen(t, append(tone(phoneTone), "--count", "1")...)
	alice := b.signUp(t, "Alice")
	a := b.device(t, shared.left, alice, false)
	a.Dial(b.portal(t, alice, carolNumber, false), false)
	a.AwaitState(step, "established")
	a.AwaitTone(phoneTone)
	if got := a.Peer(); got != "Carol" {
		t.Errorf("caller reads %q", got)
	}
	a.Digits("12#")
	a.Talk()
	a.HangUp()
	phone.Outcome(step, harness.ExitEstablished).Heard(t, a.Tone())
}

func phoneToMatrix(t *testing.T, b bed) {
	alice := b.signUp(t, "Alice")
	a := b.device(t, shared.left, alice, false)
	phone := b.Call(t, alice.number, append(tone(phoneTone), "--duration", "6s")...)
	a.AwaitState(step, "incoming")
	if got := a.Peer(); got != "Carol" {
		t.Errorf("callee reads that %q calls", got)
	}
	if got := a.Room(); got != alice.line {
		t.Errorf("rings in %s, want the line %s", got, alice.line)
	}
	a.Answer(false)
	a.AwaitState(step, "established")
	a.AwaitTone(phoneTone)
	phone.Outcome(step, harness.ExitEstablished).Heard(t, a.Tone())
	a.AwaitEnded(step, "remote: user_hangup")
}

// The echo is a phone: it sends back what it hears and sees.
func matrixToEcho(t *testing.T, b bed) {
	alice := b.signUp(t, "Alice")
	a := b.device(t, shared.left, alice, false)
	a.Dial(b.portal(t, alice, echoNumber, false), true)
	a.AwaitState(step, "established")
	a.AwaitTone(a.Tone())
	a.AwaitVideo()
	a.HangUp()
	a.AwaitEnded(step, "local: user_hangup")
}

func matrixToPage(t *testing.T, b bed) {
	p := b.softphone(t)
	alice := b.signUp(t, "Alice")
	a := b.device(t, shared.left, alice, false)
	a.Dial(b.portal(t, alice, bobNumber, false), true)
	p.AwaitState(step, "incoming")
	if got := p.Peer(); got != "Alice" {
		t.Errorf("callee reads that %q calls", got)
	}
	accept(p, true)
	established(a.Page, p)
	a.AwaitVideo()
	p.AwaitVideo()
	p.Click("hangup")
	a.AwaitEnded(step, "remote: user_hangup")
}

func pageToMatrix(t *testing.T, b bed) {
	p := b.softphone(t)
	alice := b.signUp(t, "Alice")
	portal := b.portal(t, alice, bobNumber, false)
	a := b.device(t, shared.left, alice, false)
	p.Dial(alice.number, true)
	a.AwaitState(step, "incoming")
	if got := a.Room(); got != portal {
		t.Errorf("rings in %s, want the portal %s", got, portal)
	}
	if got := a.Peer(); got != "Bob" {
		t.Errorf("callee reads that %q calls", got)
	}
	p.AwaitState(step, "ringing")
	a.Answer(true)
	established(a.Page, p)
	a.AwaitVideo()
	p.AwaitVideo()
	a.HangUp()
	p.AwaitEnded(step, "The other side hung up")
}

// matrixPair is a call of two Matrix users that goes through Tandem.
func matrixPair(t *testing.T, b bed, video bool) (a, c *matrixphone.Phone) {
	t.Helper()
	alice, chris := b.signUp(t, "Alice"), b.signUp(t, "Chris")
	a, c = b.device(t, shared.left, alice, false), b.device(t, shared.right, chris, false)
	a.Dial(b.portal(t, alice, chris.number, false), video)
	c.AwaitState(step, "incoming")
	if got := c.Peer(); got != "Alice" {
		t.Errorf("callee reads that %q calls", got)
	}
	c.Answer(video)
	established(a.Page, c.Page)
	return a, c
}

func matrixToMatrix(t *testing.T, b bed) {
	a, c := matrixPair(t, b, true)
	a.AwaitVideo()
	c.AwaitVideo()
	c.HangUp()
	a.AwaitEnded(step, "remote: user_hangup")
}
