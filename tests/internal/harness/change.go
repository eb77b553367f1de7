package harness

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What a page shows when a call changes.

// AwaitNote waits until the page says something of its call that has a word in it.
func (p *Page) AwaitNote(word string) {
	p.t.Helper()
	Eventually(p.t, 15*time.Second, "page says "+word, func() (bool, string) {
		note := p.Text(`document.getElementById("call-note").textContent`)
		return strings.Contains(strings.ToLower(note), word), note
	})
}

// AwaitEnabled waits until a button can be clicked: no change is under way.
func (p *Page) AwaitEnabled(id string) {
	p.t.Helper()
	Eventually(p.t, 15*time.Second, "page offers "+id, func() (bool, string) {
		ready := p.Text(fmt.Sprintf(`String(!document.getElementById(%q).disabled && !document.getElementById(%q).hidden)`, id, id))
		return ready == "true", ready
	})
}

// AwaitNoVideo waits until the page shows no picture of the other side.
func (p *Page) AwaitNoVideo() {
	p.t.Helper()
	Eventually(p.t, 15*time.Second, "page shows no picture", func() (bool, string) {
		picture := p.Text(`String(document.getElementById("call").classList.contains("picture"))`)
		return picture == "false", picture
	})
}

// Pull starts "tandem phone pull" with further flags.
func (x *Exchange) Pull(t testing.TB, flags ...string) *Phone {
	t.Helper()
	return x.phone(t, append([]string{"pull"}, flags...))
}

// Ladder gives what "tandem calls show" prints.
func (x *Exchange) Ladder(t testing.TB, id string) string {
	t.Helper()
	return x.calls(t, "show", id)
}
