package e2e

import (
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// Terminals that go away without a word.

func phoneKilled(t *testing.T, x *harness.Exchange) {
	a := signedIn(t, x, shared.left, alice)
	phone := x.Call(t, aliceNumber, append(tone(phoneTone), "--duration", "60s")...)
	a.AwaitState(step, "incoming")
	a.Click("accept-audio")
	a.AwaitState(step, "established")
	a.AwaitTone(phoneTone)
	id := x.LiveCall(t)
	phone.Kill()
	a.AwaitEnded(step, "The other side was lost")
	x.AwaitLadder(t, id, "carol grpcpipe → tandem: leg failed", "tandem → alice sylkrtc: ended")
}

func phoneKilledRinging(t *testing.T, x *harness.Exchange) {
	a := signedIn(t, x, shared.left, alice)
	phone := x.Call(t, aliceNumber)
	a.AwaitState(step, "incoming")
	phone.Kill()
	a.AwaitState(step, "ended")
	harness.Eventually(t, step, "missed call noted", func() (bool, string) {
		return a.Missed() == "1 missed", a.Missed()
	})
}

// A tab that is closed says so: the other side hears at once.
func tabClosed(t *testing.T, x *harness.Exchange) {
	a, b, id := established(t, x, false)
	b.AwaitTone(a.Tone())
	a.Close()
	b.AwaitEnded(step, "The other side hung up")
	x.AwaitLadder(t, id, "alice sylkrtc → tandem: hang up", "tandem → bob sylkrtc: ended")
}

// A browser that is killed says nothing: its call is kept for the grace period.
func browserKilled(t *testing.T, x *harness.Exchange) {
	browser, err := harness.NewBrowser(t.TempDir(), thirdTone)
	if err != nil {
		t.Fatal(err)
	}
	a, b := signedIn(t, x, browser, alice), signedIn(t, x, shared.right, bob)
	a.Dial(bob, false)
	b.AwaitState(step, "incoming")
	b.Click("accept-audio")
	b.AwaitTone(a.Tone())
	id := x.LiveCall(t)
	browser.Kill(t)
	b.AwaitEnded(step, "The other side was lost")
	x.AwaitLadder(t, id, "alice sylkrtc → tandem: leg failed", "tandem → bob sylkrtc: ended")
}

// A page whose WebSocket breaks goes on with its call: the sound is not
// interrupted, and the page comes back and can hang up.
func linkCut(t *testing.T, x *harness.Exchange) {
	site := x.Site(t, nil)
	a := shared.left.Open(t, site.URL)
	a.SignIn(alice)
	b := signedIn(t, x, shared.right, bob)
	a.Dial(bob, false)
	b.AwaitState(step, "incoming")
	b.Click("accept-audio")
	a.AwaitState(step, "established")
	b.AwaitTone(a.Tone())
	id := x.LiveCall(t)
	site.Cut()
	harness.Eventually(t, step, "page notices", func() (bool, string) { return a.Link() != "registered", a.Link() })
	harness.Eventually(t, step, "page is back", func() (bool, string) { return a.Link() == "registered", a.Link() })
	a.AwaitState(step, "established")
	b.AwaitTone(a.Tone())
	a.AwaitTone(b.Tone())
	a.Click("hangup")
	b.AwaitEnded(step, "The other side hung up")
	x.AwaitLadder(t, id, "alice sylkrtc → tandem: back", "alice sylkrtc → tandem: hang up", "tandem → bob sylkrtc: ended")
}

// A reload ends the call, which lived in the page, and keeps the tab signed in.
func reloaded(t *testing.T, x *harness.Exchange) {
	a, b, _ := established(t, x, false)
	a.Reload()
	b.AwaitEnded(step, "The other side hung up")
	harness.Eventually(t, step, "page is back", func() (bool, string) { return a.Link() == "registered", a.Link() })
}
