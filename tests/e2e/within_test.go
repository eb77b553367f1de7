package e2e

import (
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// What happens inside an answered call.

func pageHolds(t *testing.T, x *harness.Exchange) {
	a, b, id := established(t, x, false)
	a.AwaitTone(b.Tone())
	b.AwaitTone(a.Tone())
	a.Click("hold")
	b.AwaitSilence()
	a.AwaitSilence()
	b.AwaitNote("hold")
	a.Click("hold")
	b.AwaitTone(a.Tone())
	a.AwaitTone(b.Tone())
	b.Click("hold") // the one who was held holds
	a.AwaitSilence()
	b.Click("hold")
	a.AwaitTone(b.Tone())
	b.AwaitTone(a.Tone())
	b.Click("hangup")
	a.AwaitEnded(step, "The other side hung up")
	x.AwaitLadder(t, id,
		"alice sylkrtc → tandem: re-offer",
		"tandem → bob sylkrtc: re-offer",
		"bob sylkrtc → tandem: re-offer answered",
		"bob sylkrtc → tandem: re-offer",
		"bob sylkrtc → tandem: hang up")
}

func pageAddsVideo(t *testing.T, x *harness.Exchange) {
	a, b, id := established(t, x, false)
	a.AwaitTone(b.Tone())
	a.Click("camera")
	b.AwaitVideo()
	b.AwaitTone(a.Tone())
	b.AwaitEnabled("camera")
	b.Click("camera")
	a.AwaitVideo()
	a.AwaitEnabled("camera")
	a.Click("camera") // takes it away again
	b.AwaitNoVideo()
	b.AwaitTone(a.Tone())
	a.AwaitTone(b.Tone())
	a.Click("hangup")
	b.AwaitEnded(step, "The other side hung up")
	x.AwaitLadder(t, id,
		"alice sylkrtc → tandem: re-offer",
		"tandem → bob sylkrtc: re-offer",
		"bob sylkrtc → tandem: re-offer answered")
}

// A phone on the other side has no video, and is held all the same.
func pageHoldsPhone(t *testing.T, x *harness.Exchange) {
	phone := x.Listen(t, append(tone(phoneTone), "--count", "1")...)
	a := signedIn(t, x, shared.left, alice)
	a.Dial(carolNumber, false)
	a.AwaitState(step, "established")
	a.AwaitTone(phoneTone)
	a.Click("hold")
	a.AwaitSilence()
	a.AwaitEnabled("hold")
	a.Click("hold")
	a.AwaitTone(phoneTone)
	a.AwaitEnabled("camera")
	a.Click("camera")
	a.AwaitEnabled("camera")
	a.AwaitTone(phoneTone)
	a.Talk()
	a.Click("hangup")
	phone.Outcome(step, harness.ExitEstablished).Heard(t, a.Tone())
}

// A call moves from one phone of a subscriber to another; the page is not told,
// and hears the other phone.
func phonePulls(t *testing.T, x *harness.Exchange) {
	first := x.Listen(t, append(tone(phoneTone), "--count", "1")...)
	a := signedIn(t, x, shared.left, alice)
	a.Dial(carolNumber, false)
	a.AwaitState(step, "established")
	a.AwaitTone(phoneTone)
	id := x.LiveCall(t)
	second := x.Pull(t, append(tone(otherPhoneTone), "--duration", "60s")...)
	a.AwaitTone(otherPhoneTone)
	first.Outcome(step, harness.ExitEstablished)
	a.Talk()
	a.Click("hangup")
	second.Outcome(step, harness.ExitEstablished).Heard(t, a.Tone())
	x.AwaitLadder(t, id,
		"carol grpcpipe → tandem: answer",
		"carol grpcpipe → tandem: pull",
		"tandem → carol grpcpipe: ended",
		"alice sylkrtc → tandem: hang up")
	if out := x.Ladder(t, id); strings.Contains(out, "alice sylkrtc: re-offer") {
		t.Errorf("the page was offered anew:\n%s", out)
	}
}
