package matrix

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/dendrite"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// Ways for a call to come about: the dial pad, encrypted rooms, several devices.

func dialPad(t *testing.T, b bed) {
	phone := b.Listen(t, append(tone(phoneTone), "--count", "1")...)
	alice := b.signUp(t, "Alice")
	a := b.device(t, shared.left, alice, false)
	a.DialNumber(carolNumber)
	a.AwaitState(step, "established")
	a.AwaitTone(phoneTone)
	a.Talk()
	a.HangUp()
	phone.Outcome(step, harness.ExitEstablished).Heard(t, a.Tone())
	if got := alice.Joined(t, a.Room()); !slices.Contains(got, b.ghost(carolNumber)) {
		t.Errorf("members of the room: %v", got)
	}
}

// A number that nobody has is found by nobody.
func dialPadNobody(t *testing.T, b bed) {
	alice := b.signUp(t, "Alice")
	a := b.device(t, shared.left, alice, false)
	if got := a.LookUp(nobody); got != "" {
		t.Errorf("%s is said to be %s", nobody, got)
	}
	if got, want := a.LookUp(carolNumber), b.ghost(carolNumber); got != want {
		t.Errorf("%s is said to be %q, want %s", carolNumber, got, want)
	}
}

// Whoever is nobody joins no room.
func nobodysRoom(t *testing.T, b bed) {
	alice := b.signUp(t, "Alice")
	ghost := b.ghost(nobody)
	room := alice.CreateRoom(t, dendrite.Room{Invite: []string{ghost}, Direct: true})
	harness.Eventually(t, step, ghost+" declines", func() (bool, string) {
		got := alice.Membership(t, room, ghost)
		return got == "leave" || got == "", got
	})
}

// Whom somebody has called on the line gets a room to call back in, where the next
// call rings.
func callBack(t *testing.T, b bed) {
	alice := b.signUp(t, "Alice")
	a := b.device(t, shared.left, alice, false)
	first := b.Call(t, alice.number, append(tone(phoneTone), "--duration", "20s")...)
	a.AwaitState(step, "incoming")
	a.Reject()
	first.Outcome(step, harness.ExitRefused)
	var room string
	harness.Eventually(t, step, "an invitation", func() (bool, string) {
		all := alice.Invitations(t)
		for in, by := range all {
			if by == b.ghost(carolNumber) {
				room = in
			}
		}
		return room != "", fmt.Sprint(all)
	})
	a.Join(room)

	phone := b.Listen(t, append(tone(phoneTone), "--count", "1")...)
	a.Dial(room, false)
	a.AwaitState(step, "established")
	a.AwaitTone(phoneTone)
	a.Talk()
	a.HangUp()
	phone.Outcome(step, harness.ExitEstablished).Heard(t, a.Tone())

	second := b.Call(t, alice.number, append(tone(phoneTone), "--duration", "20s")...)
	a.AwaitState(step, "incoming")
	if got := a.Room(); got != room {
		t.Errorf("rings in %s, want %s", got, room)
	}
	a.Reject()
	second.Outcome(step, harness.ExitRefused)
}

// inSecret fails the test if a room's call events can be read by the homeserver.
func inSecret(t *testing.T, p *person, room string) {
	t.Helper()
	encrypted := 0
	for _, e := range p.Timeline(t, room) {
		if strings.HasPrefix(e.Type, "m.call.") || strings.HasPrefix(e.Type, "org.matrix.call.") {
			t.Errorf("%s from %s in the clear", e.Type, e.Sender)
		}
		if e.Type == "m.room.encrypted" && e.Sender != p.ID {
			encrypted++
		}
	}
	if encrypted == 0 {
		t.Error("no encrypted event from the other side")
	}
}

func encryptedPortal(t *testing.T, b bed) {
	p := b.softphone(t)
	alice := b.signUp(t, "Alice")
	a := b.device(t, shared.left, alice, true)
	portal := b.portal(t, alice, bobNumber, true)
	a.Dial(portal, false)
	p.AwaitState(step, "incoming")
	accept(p, false)
	established(a.Page, p)
	p.Click("hangup")
	a.AwaitEnded(step, "remote: user_hangup")
	p.Click("done")

	p.Dial(alice.number, false)
	a.AwaitState(step, "incoming")
	a.Answer(false)
	established(a.Page, p)
	a.HangUp()
	p.AwaitEnded(step, "The other side hung up")
	inSecret(t, alice, portal)
}

func encryptedLine(t *testing.T, b bed) {
	alice := b.newcomer(t, "Alice")
	a := b.device(t, shared.left, alice, true)
	b.giveLine(t, alice, true)
	phone := b.Call(t, alice.number, append(tone(phoneTone), "--duration", "6s")...)
	a.AwaitState(step, "incoming")
	if got := a.Peer(); got != "Carol" {
		t.Errorf("callee reads that %q calls", got)
	}
	a.Answer(false)
	a.AwaitState(step, "established")
	a.AwaitTone(phoneTone)
	phone.Outcome(step, harness.ExitEstablished).Heard(t, a.Tone())
	a.AwaitEnded(step, "remote: user_hangup")
	inSecret(t, alice, alice.line)
}

func twoDevices(t *testing.T, b bed) {
	alice := b.signUp(t, "Alice")
	one, two := b.device(t, shared.left, alice, false), b.device(t, shared.right, alice, false)
	phone := b.Call(t, alice.number, append(tone(phoneTone), "--duration", "6s")...)
	one.AwaitState(step, "incoming")
	two.AwaitState(step, "incoming")
	two.Answer(false)
	two.AwaitState(step, "established")
	one.AwaitEnded(step, "remote: answered_elsewhere")
	two.AwaitTone(phoneTone)
	phone.Outcome(step, harness.ExitEstablished).Heard(t, two.Tone())
	two.AwaitEnded(step, "remote: user_hangup")
}

// Whoever has another's number in the directory is that subscriber, wherever it is
// called from.
func mappedSubscriber(t *testing.T, b bed) {
	user := b.server.User(t, "dora")
	dora := &person{User: user}
	dora.line = b.direct(t, dora, "@tandem:"+b.server.Name, false)
	d := b.device(t, shared.left, dora, false)
	p := b.softphone(t)
	p.Dial(doraNumber, false)
	d.AwaitState(step, "incoming")
	d.Answer(false)
	established(d.Page, p)
	d.HangUp()
	p.AwaitEnded(step, "The other side hung up")
	p.Click("done")

	d.Dial(b.portal(t, dora, bobNumber, false), false)
	p.AwaitState(step, "incoming")
	if got := p.Peer(); got != "Dora of the directory" {
		t.Errorf("callee reads that %q calls", got)
	}
	p.Click("decline")
	d.AwaitState(step, "ended")
}

// A call in a room of three is nobody's in particular.
func thirdMember(t *testing.T, b bed) {
	p := b.softphone(t)
	alice := b.signUp(t, "Alice")
	portal := b.portal(t, alice, bobNumber, false)
	third := b.server.User(t, "third")
	alice.Invite(t, portal, third.ID)
	third.Join(t, portal)
	a := b.device(t, shared.left, alice, false)
	a.Dial(portal, false)
	a.AwaitState(step, "calling")
	third.Leave(t, portal)
	a.HangUp()
	a.AwaitState(step, "ended")
	// The next one is taken: had the first been, too, it would be in view.
	a.Dial(portal, false)
	p.AwaitState(step, "incoming")
	accept(p, false)
	established(a.Page, p)
	a.HangUp()
	p.AwaitEnded(step, "The other side hung up")
	if got := p.Missed(); got != "" {
		t.Errorf("page says it missed %q", got)
	}
}
