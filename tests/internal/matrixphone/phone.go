package matrixphone

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/internal/dendrite"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// signInWithin bounds the first sync, and the loading of the cryptography.
const signInWithin = 45 * time.Second

// Phone is one device of a Matrix user, in a tab of its own. What it shows of its
// call, harness.Page reads; states are those of the softphone.
type Phone struct {
	*harness.Page
	t testing.TB
	// User is whose it is.
	User *dendrite.User
}

// Options change a phone.
type Options struct {
	// Encrypt gives the device keys, so that it can be in encrypted rooms.
	Encrypt bool
}

// Open opens a phone in a browser and signs the user in, at a new device.
func (s *Site) Open(t testing.TB, b *harness.Browser, server *dendrite.Server, user *dendrite.User, o Options) *Phone {
	t.Helper()
	p := &Phone{Page: b.Open(t, s.URL), t: t, User: user}
	p.awaitLink("ready", signInWithin)
	p.start("signIn", map[string]any{
		"homeserver": server.URL, "user": user.Localpart, "password": user.Password, "encrypt": o.Encrypt,
	})
	p.awaitLink("registered", signInWithin)
	return p
}

func (p *Phone) awaitLink(want string, within time.Duration) {
	p.t.Helper()
	harness.Eventually(p.t, within, p.name()+" "+want, func() (bool, string) {
		state := p.Link()
		return state == want, state
	})
}

func (p *Phone) name() string { return "Matrix phone of " + p.User.ID }

// Dial places a call in a room.
func (p *Phone) Dial(room string, video bool) {
	p.t.Helper()
	p.start("call", room, map[string]any{"video": video})
}

// DialNumber dials a number on the dial pad: a new room with whoever has that
// number, and a call in it at once.
func (p *Phone) DialNumber(number string) {
	p.t.Helper()
	p.start("dial", number)
}

// LookUp gives the user that a number belongs to, as the dial pad is told; "" if
// nobody has it.
func (p *Phone) LookUp(number string) string {
	p.t.Helper()
	return p.Text(call("lookUp", number))
}

// Answer answers the call that rings.
func (p *Phone) Answer(video bool) {
	p.t.Helper()
	p.start("answer", video)
}

// Reject declines the call that rings.
func (p *Phone) Reject() {
	p.t.Helper()
	p.start("reject")
}

// HangUp ends the call.
func (p *Phone) HangUp() {
	p.t.Helper()
	p.start("hangUp")
}

// Hold puts the other side on hold, or takes it back.
func (p *Phone) Hold(on bool) {
	p.t.Helper()
	p.start("hold", on)
}

// Mute turns the microphone off, or on again.
func (p *Phone) Mute(on bool) {
	p.t.Helper()
	p.start("mute", on)
}

// AddVideo adds the camera's picture to the call.
func (p *Phone) AddVideo() {
	p.t.Helper()
	p.start("camera")
}

// Digits sends digits. It fails the test if the other side does not take any.
func (p *Phone) Digits(digits string) {
	p.t.Helper()
	p.start("digits", digits)
}

// Join joins a room and waits until the phone knows it.
func (p *Phone) Join(room string) {
	p.t.Helper()
	p.Run(call("join", room))
}

// Meet has two phones share the keys of an encrypted room, in which p calls first: a
// client that gets the key of a call's invite after the invite does not ring.
func (p *Phone) Meet(other *Phone, room string) {
	p.t.Helper()
	const hello = "hello"
	p.start("say", room, hello)
	harness.Eventually(p.t, signInWithin, other.name()+" reads what is said", func() (bool, string) {
		said := other.Text(call("lastSaid", room))
		return said == hello, said
	})
}

// Leave leaves a room.
func (p *Phone) Leave(room string) {
	p.t.Helper()
	p.Run(call("leave", room))
}

// Room is the room of the call in view.
func (p *Phone) Room() string {
	p.t.Helper()
	return p.Text(`document.getElementById("call-room").textContent`)
}

// start begins something without waiting for its end: a slow machine takes its
// time, and what it leads to is shown. If it fails, so does the test, at its end.
func (p *Phone) start(name string, args ...any) {
	p.t.Helper()
	p.Run("void " + call(name, args...))
}

// call gives the script that calls one of the page's functions.
func call(name string, args ...any) string {
	list, err := json.Marshal(append([]any{}, args...))
	if err != nil {
		return fmt.Sprintf("throw new Error(%q)", err.Error())
	}
	return fmt.Sprintf("matrix.%s(...%s)", name, list)
}
