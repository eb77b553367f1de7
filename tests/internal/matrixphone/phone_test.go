package matrixphone

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/internal/dendrite"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// step is how long a step of a call may take on a slow and busy machine.
const step = 20 * time.Second

var shared struct {
	site        *Site
	left, right *harness.Browser
}

func TestMain(m *testing.M) {
	harness.Main(func(dir string) (int, error) { return run(m, dir) })
}

func run(m *testing.M, dir string) (status int, err error) {
	if shared.site, err = NewSite(context.Background(), "."); err != nil {
		return 1, err
	}
	defer shared.site.Close()
	if shared.left, err = harness.NewBrowser(filepath.Join(dir, "left"), 440); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, shared.left.Close()) }()
	if shared.right, err = harness.NewBrowser(filepath.Join(dir, "right"), 700); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, shared.right.Close()) }()
	return m.Run(), nil
}

// The client that the Matrix tests use can call itself: whatever fails in them is
// not for want of a working client or homeserver.
func TestPhones(t *testing.T) {
	s := dendrite.Start(t, dendrite.Options{})
	for i, c := range []struct {
		name             string
		video, encrypted bool
		run              func(t *testing.T, a, b *Phone)
	}{
		{"voice, then hold, mute, video, reject", false, false, func(t *testing.T, a, b *Phone) {
			a.Hold(true)
			b.AwaitSilence()
			b.AwaitNote("hold")
			a.Hold(false)
			b.AwaitTone(a.Tone())
			b.Mute(true)
			a.AwaitSilence()
			a.AwaitNote("microphone")
			b.Mute(false)
			a.AwaitTone(b.Tone())
			a.AddVideo()
			b.AwaitVideo()
			room := a.Room()
			b.HangUp()
			a.AwaitEnded(step, "remote: user_hangup")
			b.Dial(room, false)
			a.AwaitState(step, "incoming")
			a.Reject()
			b.AwaitEnded(step, "remote: user_hangup")
		}},
		{"video in an encrypted room", true, true, func(t *testing.T, a, b *Phone) {
			a.AwaitVideo()
			b.AwaitVideo()
			for _, e := range a.User.Timeline(t, a.Room()) {
				if strings.HasPrefix(e.Type, "m.call.") {
					t.Errorf("event %s in the clear", e.Type)
				}
			}
			a.HangUp()
			b.AwaitEnded(step, "remote: user_hangup")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			alice, bob := s.User(t, fmt.Sprintf("alice%d", i)), s.User(t, fmt.Sprintf("bob%d", i))
			bob.SetDisplayName(t, "Bob")
			alice.SetDisplayName(t, "Alice")
			a := shared.site.Open(t, shared.left, s, alice, Options{Encrypt: c.encrypted})
			b := shared.site.Open(t, shared.right, s, bob, Options{Encrypt: c.encrypted})
			room := alice.CreateRoom(t, dendrite.Room{Invite: []string{bob.ID}, Direct: true, Encrypted: c.encrypted})
			b.Join(room)
			if c.encrypted {
				a.Meet(b, room)
			}
			a.Dial(room, c.video)
			b.AwaitState(step, "incoming")
			if got := b.Peer(); got != "Alice" {
				t.Errorf("callee reads that %q calls", got)
			}
			b.Answer(c.video)
			a.AwaitState(step, "established")
			b.AwaitState(step, "established")
			a.AwaitTone(b.Tone())
			b.AwaitTone(a.Tone())
			c.run(t, a, b)
		})
	}
}
