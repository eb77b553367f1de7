package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// Demo accounts and numbers.
const (
	alice, bob, carol = "alice@demo.test", "bob@demo.test", "carol@demo.test"
	aliceNumber       = "+12025550101"
	bobNumber         = "+12025550102"
	carolNumber       = "+12025550103"
	echoNumber        = "+12025550199"
	nobodyNumber      = "+12025550177"
)

// How long a step of a call may take on a slow and busy machine.
const step = 15 * time.Second

// demoPassword is the password of every demo account.
const demoPassword = "demo"

func TestCalls(t *testing.T) {
	options := harness.Options{Set: map[string]string{"callstate.grace": "3s"}}
	everywhere(t, options, func(t *testing.T, x *harness.Exchange) {
		for _, s := range []struct {
			name string
			run  func(t *testing.T, x *harness.Exchange)
		}{
			{"page to page with video", pageToPage},
			{"page to page, the callee hangs up", calleeHangsUp},
			{"page to phone", pageToPhone},
			{"phone to page", phoneToPage},
			{"phone hangs up", phoneHangsUp},
			{"page to echo", pageToEcho},
			{"phone to phone", phoneToPhone},
			{"page declines", pageDeclines},
			{"phone rejects", phoneRejects},
			{"page cancels", pageCancels},
			{"phone cancels", phoneCancels},
			{"busy page", busyPage},
			{"unknown number", unknownNumber},
			{"nobody signed in", nobodySignedIn},
			{"phone killed in a call", phoneKilled},
			{"phone killed while it rings", phoneKilledRinging},
			{"tab closed in a call", tabClosed},
			{"browser killed in a call", browserKilled},
			{"link cut in a call", linkCut},
			{"page reloaded in a call", reloaded},
			{"page holds and resumes", pageHolds},
			{"page adds video and takes it away", pageAddsVideo},
			{"page holds a phone, and offers it video", pageHoldsPhone},
			{"phone pulls the call from another", phonePulls},
			{"first sylkRTC protocol calls", firstProtocolCalls},
			{"first sylkRTC protocol is called", firstProtocolIsCalled},
			{"first sylkRTC protocol and phone", firstProtocolAndPhone},
			{"first sylkRTC protocol declines and misses", firstProtocolDeclines},
		} {
			t.Run(s.name, func(t *testing.T) {
				s.run(t, x)
				x.AwaitNoCall(t)
			})
		}
	})
}

// signedIn opens the softphone and signs in.
func signedIn(t *testing.T, x *harness.Exchange, b *harness.Browser, account string) *harness.Page {
	t.Helper()
	p := b.Open(t, x.URL)
	p.SignIn(account)
	return p
}

// pages gives alice on the left and bob on the right.
func pages(t *testing.T, x *harness.Exchange) (a, b *harness.Page) {
	t.Helper()
	return signedIn(t, x, shared.left, alice), signedIn(t, x, shared.right, bob)
}

// established is a call from alice's page to bob's.
func established(t *testing.T, x *harness.Exchange, video bool) (a, b *harness.Page, id string) {
	t.Helper()
	a, b = pages(t, x)
	a.Dial(bobNumber, video)
	b.AwaitState(step, "incoming")
	accept(b, video)
	a.AwaitState(step, "established")
	b.AwaitState(step, "established")
	return a, b, x.LiveCall(t)
}

func accept(p *harness.Page, video bool) {
	if video {
		p.Click("accept-video")
	} else {
		p.Click("accept-audio")
	}
}

func tone(hertz int) []string { return []string{"--tone", fmt.Sprint(hertz)} }

func pageToPage(t *testing.T, x *harness.Exchange) {
	a, b := pages(t, x)
	a.Dial("bob", true)
	b.AwaitState(step, "incoming")
	if got := b.Status(); got != "Incoming video call" {
		t.Errorf("callee reads %q", got)
	}
	if got := b.Peer(); got != "Alice" {
		t.Errorf("callee reads that %q calls", got)
	}
	a.AwaitState(step, "ringing", "calling")
	b.Click("accept-video")
	a.AwaitState(step, "established")
	b.AwaitState(step, "established")
	id := x.LiveCall(t)
	a.AwaitTone(b.Tone())
	b.AwaitTone(a.Tone())
	a.AwaitVideo()
	b.AwaitVideo()

	a.Click("mute")
	b.AwaitSilence()
	a.Click("mute")
	b.AwaitTone(a.Tone())

	a.Click("hangup")
	a.AwaitEnded(step, "You hung up")
	b.AwaitEnded(step, "The other side hung up")
	x.AwaitLadder(t, id,
		"alice sylkrtc → tandem: offer",
		"tandem → bob sylkrtc: incoming",
		"bob sylkrtc → tandem: answer",
		"tandem → alice sylkrtc: answered",
		"tandem → alice sylkrtc: established",
		"alice sylkrtc → tandem: hang up",
		"tandem → bob sylkrtc: ended")
}

func calleeHangsUp(t *testing.T, x *harness.Exchange) {
	a, b, id := established(t, x, false)
	a.AwaitTone(b.Tone())
	b.AwaitTone(a.Tone())
	b.Click("hangup")
	b.AwaitEnded(step, "You hung up")
	a.AwaitEnded(step, "The other side hung up")
	x.AwaitLadder(t, id, "bob sylkrtc → tandem: hang up", "tandem → alice sylkrtc: ended")
}

func pageToPhone(t *testing.T, x *harness.Exchange) {
	phone := x.Listen(t, append(tone(phoneTone), "--count", "1")...)
	a := signedIn(t, x, shared.left, alice)
	a.Dial(carolNumber, false)
	a.AwaitState(step, "established")
	id := x.LiveCall(t)
	a.AwaitTone(phoneTone)
	a.Talk()
	a.Click("hangup")
	o := phone.Outcome(step, harness.ExitEstablished)
	o.Heard(t, a.Tone())
	x.AwaitLadder(t, id,
		"alice sylkrtc → tandem: offer",
		"tandem → carol grpcpipe: incoming",
		"carol grpcpipe → tandem: ringing",
		"tandem → alice sylkrtc: alerting",
		"carol grpcpipe → tandem: answer",
		"tandem → alice sylkrtc: answered",
		"alice sylkrtc → tandem: hang up",
		"tandem → carol grpcpipe: ended")
}

func phoneToPage(t *testing.T, x *harness.Exchange) {
	a := signedIn(t, x, shared.left, alice)
	phone := x.Call(t, aliceNumber, append(tone(phoneTone), "--duration", "20s")...)
	a.AwaitState(step, "incoming")
	a.Click("accept-audio")
	a.AwaitState(step, "established")
	id := x.LiveCall(t)
	a.AwaitTone(phoneTone)
	a.Talk()
	a.Click("hangup")
	o := phone.Outcome(step, harness.ExitEstablished)
	o.Heard(t, a.Tone())
	if o.CallID == "" || o.SetupMS <= 0 || o.ConnectedMS <= 0 {
		t.Errorf("phone says %+v", o)
	}
	x.AwaitLadder(t, id,
		"carol grpcpipe → tandem: offer",
		"tandem → alice sylkrtc: incoming",
		"alice sylkrtc → tandem: answer",
		"tandem → carol grpcpipe: answered",
		"alice sylkrtc → tandem: hang up",
		"tandem → carol grpcpipe: ended")
}

func phoneHangsUp(t *testing.T, x *harness.Exchange) {
	a := signedIn(t, x, shared.left, alice)
	// Long enough for a slow machine to see the page established before the end.
	phone := x.Call(t, aliceNumber, append(tone(phoneTone), "--duration", "6s", "--single")...)
	a.AwaitState(step, "incoming")
	id := x.LiveCall(t)
	a.Click("accept-audio")
	a.AwaitState(step, "established")
	phone.Outcome(step, harness.ExitEstablished).Heard(t, a.Tone())
	a.AwaitEnded(step, "The other side hung up")
	x.AwaitLadder(t, id, "carol grpcpipe → tandem: hang up", "tandem → alice sylkrtc: ended")
}

func pageToEcho(t *testing.T, x *harness.Exchange) {
	a := signedIn(t, x, shared.left, alice)
	a.Dial(echoNumber, true)
	a.AwaitState(step, "established")
	id := x.LiveCall(t)
	a.AwaitTone(a.Tone())
	a.AwaitVideo()
	a.Click("hangup")
	a.AwaitEnded(step, "You hung up")
	x.AwaitLadder(t, id, "alice sylkrtc → tandem: offer", "tandem → alice sylkrtc: answered", "alice sylkrtc → tandem: hang up")
}

func phoneToPhone(t *testing.T, x *harness.Exchange) {
	callee := x.Listen(t, append(tone(phoneTone), "--count", "1", "--msisdn", bobNumber)...)
	caller := x.Call(t, bobNumber, append(tone(leftTone), "--duration", "3s")...)
	caller.Outcome(step, harness.ExitEstablished).Heard(t, phoneTone)
	callee.Outcome(step, harness.ExitEstablished).Heard(t, leftTone)
}
