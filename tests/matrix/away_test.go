package matrix

import (
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/matrixphone"
)

// A homeserver that dies in a call takes nothing of it along: the sound goes on,
// and who hung up meanwhile has hung up once it is back.
func TestHomeserverAway(t *testing.T) {
	b := newBed(t, harness.AllInOne, true)
	a, p := answered(t, b)

	b.server.Kill()
	hears(a.Page, p)
	p.Click("hangup")
	p.AwaitEnded(step, "You hung up")
	p.Click("done")
	b.server.Resume(t)
	a.AwaitEnded(2*step, "remote: user_hangup")
	b.AwaitNoCall(t)

	// All is as before.
	number, _ := b.number(t, a.User.ID)
	p.Dial(number, false)
	a.AwaitState(step, "incoming")
	a.Answer(false)
	established(a.Page, p)
	a.HangUp()
	p.AwaitEnded(step, "The other side hung up")
	b.AwaitNoCall(t)
}

// The adapter is killed in the middle of calls and comes back: calls go on without
// it, and what either side said meanwhile is told then.
func TestAdapterAway(t *testing.T) {
	b := newBed(t, harness.Split, false)
	for _, s := range []struct {
		name string
		run  func(t *testing.T, b bed)
	}{
		{"the page hangs up", func(t *testing.T, b bed) {
			a, p := answered(t, b)
			b.Processes["matrix"].Kill()
			hears(a.Page, p)
			p.Click("hangup")
			p.AwaitEnded(step, "You hung up")
			b.Resume(t, "matrix")
			a.AwaitState(step, "ended")
		}},
		{"Matrix hangs up", func(t *testing.T, b bed) {
			a, p := answered(t, b)
			b.Processes["matrix"].Kill()
			a.HangUp()
			b.Resume(t, "matrix")
			p.AwaitEnded(step, "The other side hung up")
		}},
		{"nobody hangs up", func(t *testing.T, b bed) {
			a, p := answered(t, b)
			b.Processes["matrix"].Kill()
			b.Resume(t, "matrix")
			a.Hold(true)
			p.AwaitSilence()
			a.Hold(false)
			hears(a.Page, p)
			a.HangUp()
			p.AwaitEnded(step, "The other side hung up")
		}},
		{"Matrix answers", func(t *testing.T, b bed) {
			a, p := ringing(t, b)
			b.Processes["matrix"].Kill()
			a.Answer(false)
			b.Resume(t, "matrix")
			// A call that rang may have to ring again, and be answered again.
			harness.Eventually(t, step, "the page's call is answered", func() (bool, string) {
				if a.State() == "incoming" {
					a.Answer(false)
				}
				return p.State() == "established", p.State() + ", Matrix " + a.State()
			})
			established(a.Page, p)
			a.HangUp()
			p.AwaitEnded(step, "The other side hung up")
		}},
		{"Matrix calls", func(t *testing.T, b bed) {
			p := b.softphone(t)
			alice := b.signUp(t, "Alice")
			portal := b.portal(t, alice, bobNumber, false)
			a := b.device(t, shared.left, alice, false)
			b.Processes["matrix"].Kill()
			a.Dial(portal, false)
			a.AwaitState(step, "calling")
			b.Resume(t, "matrix")
			p.AwaitState(step, "incoming")
			accept(p, false)
			established(a.Page, p)
			p.Click("hangup")
			a.AwaitEnded(step, "remote: user_hangup")
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			s.run(t, b)
			b.AwaitNoCall(t)
		})
	}
}

// ringing is a call from bob's page that rings at a Matrix user.
func ringing(t *testing.T, b bed) (a *matrixphone.Phone, p *harness.Page) {
	t.Helper()
	p = b.softphone(t)
	alice := b.signUp(t, "Alice")
	a = b.device(t, shared.left, alice, false)
	p.Dial(alice.number, false)
	a.AwaitState(step, "incoming")
	return a, p
}

// answered is one that the Matrix user has answered.
func answered(t *testing.T, b bed) (a *matrixphone.Phone, p *harness.Page) {
	t.Helper()
	a, p = ringing(t, b)
	a.Answer(false)
	established(a.Page, p)
	return a, p
}
