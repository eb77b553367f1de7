package matrix

import (
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/matrixphone"
)

// What happens inside an answered call.

// pair is a call from a Matrix user to bob's page.
func pair(t *testing.T, b bed) (a *matrixphone.Phone, p *harness.Page) {
	t.Helper()
	p = b.softphone(t)
	alice := b.signUp(t, "Alice")
	a = b.device(t, shared.left, alice, false)
	a.Dial(b.portal(t, alice, bobNumber, false), false)
	p.AwaitState(step, "incoming")
	accept(p, false)
	established(a.Page, p)
	return a, p
}

func holds(t *testing.T, b bed) {
	a, p := pair(t, b)
	a.Hold(true)
	p.AwaitSilence()
	p.AwaitNote("hold")
	a.Hold(false)
	hears(a.Page, p)
	p.Click("hold")
	a.AwaitSilence()
	a.AwaitNote("hold")
	p.Click("hold")
	hears(a.Page, p)
	a.HangUp()
	p.AwaitEnded(step, "The other side hung up")
}

func addsVideo(t *testing.T, b bed) {
	a, p := pair(t, b)
	a.AddVideo()
	p.AwaitVideo()
	hears(a.Page, p)
	p.AwaitEnabled("camera")
	p.Click("camera")
	a.AwaitVideo()
	hears(a.Page, p)
	p.Click("hangup")
	a.AwaitEnded(step, "remote: user_hangup")
}

func pageAddsVideo(t *testing.T, b bed) {
	a, p := pair(t, b)
	p.Click("camera")
	a.AwaitVideo()
	hears(a.Page, p)
	a.HangUp()
	p.AwaitEnded(step, "The other side hung up")
}

func mutes(t *testing.T, b bed) {
	a, c := matrixPair(t, b, false)
	a.Mute(true)
	c.AwaitSilence()
	a.Mute(false)
	hears(a.Page, c.Page)
	c.Mute(true)
	a.AwaitSilence()
	c.Mute(false)
	hears(a.Page, c.Page)
	a.HangUp()
	c.AwaitEnded(step, "remote: user_hangup")
}
