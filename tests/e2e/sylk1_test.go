package e2e

import (
	"crypto/md5" //nolint:gosec // digest authentication is made of it
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// The first sylkRTC protocol, spoken by a page of the tests.

// firstProtocol opens the sylkRTC-1 client and signs in with a demo account.
func firstProtocol(t *testing.T, x *harness.Exchange, b *harness.Browser, account string) *harness.Page {
	t.Helper()
	p := b.Open(t, x.Site(t, http.FileServer(http.Dir("testdata"))).URL+"/sylk1.html")
	harness.Eventually(t, step, "ready event of sylkRTC-1", func() (bool, string) {
		state := p.Link()
		return state == "ready", state
	})
	user, domain, _ := strings.Cut(account, "@")
	ha1 := fmt.Sprintf("%x", md5.Sum([]byte(user+":"+domain+":"+demoPassword))) //nolint:gosec // as above
	p.Run(fmt.Sprintf("sylk1.signIn(%q, %q)", account, ha1))
	harness.Eventually(t, step, "registered over sylkRTC-1", func() (bool, string) {
		state := p.Link()
		return state == "registered", state
	})
	return p
}

func firstProtocolCalls(t *testing.T, x *harness.Exchange) {
	old, page := firstProtocol(t, x, shared.left, alice), signedIn(t, x, shared.right, bob)
	old.Run(fmt.Sprintf("sylk1.dial(%q, true)", bob))
	page.AwaitState(step, "incoming")
	page.Click("accept-video")
	old.AwaitState(step, "established")
	page.AwaitState(step, "established")
	id := x.LiveCall(t)
	old.AwaitTone(page.Tone())
	page.AwaitTone(old.Tone())
	old.AwaitVideo()
	page.AwaitVideo()
	page.Click("hangup")
	old.AwaitEnded(step, "200 Session Terminated")
	x.AwaitLadder(t, id, "alice sylkrtc → tandem: offer", "bob sylkrtc → tandem: answer", "bob sylkrtc → tandem: hang up")
}

func firstProtocolIsCalled(t *testing.T, x *harness.Exchange) {
	old, page := firstProtocol(t, x, shared.left, alice), signedIn(t, x, shared.right, bob)
	page.Dial(alice, false)
	old.AwaitState(step, "incoming")
	if got := old.Peer(); got != "Bob" {
		t.Errorf("callee reads that %q calls", got)
	}
	old.Run("sylk1.accept(false)")
	old.AwaitState(step, "established")
	page.AwaitState(step, "established")
	old.AwaitTone(page.Tone())
	page.AwaitTone(old.Tone())
	old.Run("sylk1.hangUp()")
	old.AwaitState(step, "ended")
	page.AwaitEnded(step, "The other side hung up")
}

func firstProtocolAndPhone(t *testing.T, x *harness.Exchange) {
	old := firstProtocol(t, x, shared.left, alice)
	phone := x.Listen(t, append(tone(phoneTone), "--count", "1")...)
	old.Run(fmt.Sprintf("sylk1.dial(%q, false)", carolNumber+"@demo.test"))
	old.AwaitState(step, "established")
	old.AwaitTone(phoneTone)
	old.Talk()
	old.Run("sylk1.hangUp()")
	phone.Outcome(step, harness.ExitEstablished).Heard(t, old.Tone())

	caller := x.Call(t, aliceNumber, append(tone(phoneTone), "--duration", "6s")...)
	old.AwaitState(step, "incoming")
	old.Run("sylk1.accept(false)")
	old.AwaitState(step, "established")
	caller.Outcome(step, harness.ExitEstablished).Heard(t, old.Tone())
	old.AwaitEnded(step, "200 Session Terminated")
}

func firstProtocolDeclines(t *testing.T, x *harness.Exchange) {
	old, page := firstProtocol(t, x, shared.left, alice), signedIn(t, x, shared.right, bob)
	page.Dial(alice, false)
	old.AwaitState(step, "incoming")
	old.Run("sylk1.hangUp()")
	page.AwaitEnded(step, "Busy, or declined")
	page.Click("done")
	page.Dial(alice, false)
	old.AwaitState(step, "incoming")
	page.Click("hangup")
	old.AwaitEnded(step, "487 Request Terminated")
	old.Run(fmt.Sprintf("sylk1.dial(%q, false)", "mallory@demo.test"))
	old.AwaitEnded(step, "404 Not Found")
}
