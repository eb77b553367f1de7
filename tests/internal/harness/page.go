package harness

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Page is the softphone in one tab, used as a person uses it: by what it shows.
type Page struct {
	t     testing.TB
	ctx   context.Context
	close context.CancelFunc
	tone  int

	listening sync.WaitGroup
	mu        sync.Mutex
	lines     []string // what the page said on its console
	faults    []string // of these, what a correct page never says
}

// toneWithin is how far a measured tone may be off, as a share of it. A bin of
// the analyser is 6 Hz wide.
const toneWithin = 0.02

// Tone is what this page's microphone hears, in hertz.
func (p *Page) Tone() int { return p.tone }

// SignIn signs in with a demo account.
func (p *Page) SignIn(account string) {
	p.t.Helper()
	p.do(15*time.Second, "sign in as "+account,
		chromedp.Click(chromedp.CSS(`#demo-accounts button[data-account="`+account+`"]`)),
		chromedp.WaitReady(chromedp.CSS(`#connection[data-state="registered"]`)))
}

// Dial types an address and calls it.
func (p *Page) Dial(address string, video bool) {
	p.t.Helper()
	button := "#call-audio"
	if video {
		button = "#call-video"
	}
	p.Run(`document.getElementById("dial").value = ""`)
	p.do(10*time.Second, "dial "+address,
		chromedp.SendKeys(chromedp.CSS("#dial"), address),
		chromedp.Click(chromedp.CSS(button)))
}

// Click clicks a button by its id.
func (p *Page) Click(id string) {
	p.t.Helper()
	p.do(10*time.Second, "click "+id, chromedp.Click(chromedp.CSS("#"+id)))
}

// State is the state of the call in view: "" for none.
func (p *Page) State() string { return p.Text(`document.getElementById("call").dataset.state`) }

// Status is what the page says of the call.
func (p *Page) Status() string { return p.Text(`document.getElementById("call-status").textContent`) }

// Peer is whom the page names as the other side.
func (p *Page) Peer() string { return p.Text(`document.getElementById("call-peer").textContent`) }

// Link is how the page's link to the exchange stands.
func (p *Page) Link() string { return p.Text(`document.getElementById("connection").dataset.state`) }

// Missed is what the page says of missed calls.
func (p *Page) Missed() string { return p.Text(`document.getElementById("missed").textContent`) }

// AwaitState waits until the call in view has one of the states.
func (p *Page) AwaitState(within time.Duration, states ...string) {
	p.t.Helper()
	Eventually(p.t, within, "page in state "+strings.Join(states, " or "), func() (bool, string) {
		state := p.State()
		for _, want := range states {
			if state == want {
				return true, ""
			}
		}
		return false, fmt.Sprintf("state %q, status %q", state, p.Status())
	})
}

// AwaitEnded waits until the call in view has ended and checks what the page
// says of it.
func (p *Page) AwaitEnded(within time.Duration, words string) {
	p.t.Helper()
	p.AwaitState(within, "ended")
	if got := p.Status(); got != words {
		p.t.Errorf("page says %q, want %q", got, words)
	}
}

// Received is what a page's newest connection receives.
type Received struct {
	// Hertz is the strongest tone heard now, 0 for silence.
	Hertz float64 `json:"hertz"`
	// Frames of video decoded so far, and how wide they are.
	Frames int `json:"frames"`
	Width  int `json:"width"`
	// Packets of audio received so far.
	Packets int `json:"packets"`
	// Sent counts packets of audio sent so far, one for each 20 ms.
	Sent int `json:"sent"`
	// State of the connection.
	State string `json:"state"`
}

// Received measures.
func (p *Page) Received() Received {
	p.t.Helper()
	return evaluate[Received](p, "measure", `tandemTestReceived()`)
}

// AwaitTone waits until the page hears a tone.
func (p *Page) AwaitTone(hertz int) {
	p.t.Helper()
	Eventually(p.t, 15*time.Second, fmt.Sprintf("page hears %d Hz", hertz), func() (bool, string) {
		r := p.Received()
		return math.Abs(r.Hertz-float64(hertz)) < toneWithin*float64(hertz), fmt.Sprintf("%+v", r)
	})
}

// Talk waits until the page has sent two seconds of sound in its call, which is
// enough for a phone to measure.
func (p *Page) Talk() {
	p.t.Helper()
	Eventually(p.t, 15*time.Second, "page has talked", func() (bool, string) {
		r := p.Received()
		return r.Sent >= 100, fmt.Sprintf("%+v", r)
	})
}

// AwaitSilence waits until the page hears nothing, as from a muted microphone.
func (p *Page) AwaitSilence() {
	p.t.Helper()
	Eventually(p.t, 15*time.Second, "page hears silence", func() (bool, string) {
		r := p.Received()
		return r.Hertz == 0, fmt.Sprintf("%+v", r)
	})
}

// AwaitVideo waits until the page has decoded some frames and shows them.
func (p *Page) AwaitVideo() {
	p.t.Helper()
	Eventually(p.t, 20*time.Second, "page decodes video", func() (bool, string) {
		r := p.Received()
		shown := p.Text(`String(document.getElementById("remote").videoWidth)`)
		width, _ := strconv.Atoi(shown)
		return r.Frames >= 5 && r.Width > 0 && width > 0, fmt.Sprintf("%+v, shown width %s", r, shown)
	})
}

// Close closes the tab, as a user does: the page may say a last word.
func (p *Page) Close() {
	p.t.Helper()
	p.do(5*time.Second, "close the tab", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, page.Close, cdp.Empty{})
		return err
	}))
	p.close()
}

// Run runs a script in the page and waits for the promise it gives, if any.
func (p *Page) Run(script string) {
	p.t.Helper()
	evaluate[any](p, script, script)
}

// Reload loads the page again.
func (p *Page) Reload() {
	p.t.Helper()
	p.do(15*time.Second, "reload", chromedp.Reload())
}

// Do runs further steps in the tab.
func (p *Page) Do(within time.Duration, what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	p.do(within, what, steps...)
}

func (p *Page) do(within time.Duration, what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, within)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("page: %s: %v", what, err)
	}
}

// Text runs an expression in the page that gives a string.
func (p *Page) Text(expression string) string {
	p.t.Helper()
	return evaluate[string](p, expression, expression)
}

// evaluate runs an expression in the page and waits for its promise, if it is one.
func evaluate[T any](p *Page, what, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("page: %s: %v", what, err)
	}
	return v
}

// listen keeps what the page says on its console until the tab closes. What the
// page fails with, or its policy forbids, fails the test.
func (p *Page) listen() {
	messages := chromedp.Console(p.ctx)
	p.listening.Add(1)
	go func() {
		defer p.listening.Done()
		for m, err := range messages {
			if err != nil {
				return // the tab is closed
			}
			p.mu.Lock()
			p.lines = append(p.lines, m.String())
			if m.IsException() || m.Source == "security" {
				p.faults = append(p.faults, m.String())
			}
			p.mu.Unlock()
		}
	}()
}

// explain logs what the page shows and has said, for a failed test.
func (p *Page) explain() {
	ctx, cancel := context.WithTimeout(p.ctx, 3*time.Second)
	defer cancel()
	shown, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.t.Logf("page shows (%v):\n%s\nconsole: %s", err, shown, strings.Join(p.lines, "\n"))
}

// finish closes the tab and reports what it failed with.
func (p *Page) finish() {
	if p.t.Failed() {
		p.explain()
	}
	p.close()
	p.listening.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, fault := range p.faults {
		p.t.Errorf("page: %s", fault)
	}
}
