package harness

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// hooks is run in every page before its own scripts: it lets the tests hear and
// see what the page's connections receive.
//
//go:embed hooks.js
var hooks string

// Browser is one Chromium with a fake camera, and a microphone that plays one
// tone. Its pages are independent tabs.
type Browser struct {
	// Tone is what its microphone hears, in hertz.
	Tone int
	ctx  context.Context
	stop context.CancelFunc
}

// ChromiumPath gives the browser: $TANDEM_CHROMIUM, or the system's.
func ChromiumPath() string {
	if path := os.Getenv("TANDEM_CHROMIUM"); path != "" {
		return path
	}
	for _, path := range []string{"/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return "chromium"
}

// NewBrowser starts a browser in dir, which also takes servers' certificates that
// one of the trusted ones is a part of, whatever is wrong with them. Close it.
func NewBrowser(dir string, tone int, trusted ...*x509.Certificate) (*Browser, error) {
	wav := filepath.Join(dir, "tone.wav")
	profile := filepath.Join(dir, "profile")
	if err := errors.Join(os.MkdirAll(profile, 0o700), writeTone(wav, tone)); err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(ChromiumPath()),
		chromedp.UserDataDir(profile),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("use-fake-ui-for-media-stream", true),
		// Few frames of video: two slow cores run everything here.
		chromedp.Flag("use-fake-device-for-media-stream", "fps=10"),
		chromedp.Flag("use-file-for-fake-audio-capture", wav),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		chromedp.Flag("allow-loopback-in-peer-connection", true),
		// Tabs in the background are as awake as the one in front.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
	)
	if len(trusted) > 0 {
		var keys []string
		for _, c := range trusted {
			sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
			keys = append(keys, base64.StdEncoding.EncodeToString(sum[:]))
		}
		options = append(options, chromedp.Flag("ignore-certificate-errors-spki-list", strings.Join(keys, ",")))
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stopBrowser := chromedp.NewContext(allocator)
	b := &Browser{Tone: tone, ctx: ctx, stop: func() { stopBrowser(); stopAllocator() }}
	if err := chromedp.Do(ctx); err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

// Close ends the browser and waits for it.
func (b *Browser) Close() error {
	defer b.stop()
	ctx, cancel := context.WithTimeout(b.ctx, stopWithin)
	defer cancel()
	return chromedp.Cancel(ctx)
}

// Kill ends the browser's processes without warning (kill -9), all at once: no
// helper process is left to say a last word. The browser is of no more use.
func (b *Browser) Kill(t testing.TB) {
	t.Helper()
	process := chromedp.FromContext(b.ctx).Browser.Process()
	if process == nil {
		t.Fatal("the browser has no process of its own")
		return
	}
	// Stopped processes start no others and react to nothing.
	_ = syscall.Kill(process.Pid, syscall.SIGSTOP)
	all := append(descendants(process.Pid), process.Pid)
	for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		for _, pid := range all {
			_ = syscall.Kill(pid, s) // it may have ended just now
		}
	}
}

// Open opens a URL in a tab of its own, which the test's end closes.
func (b *Browser) Open(t testing.TB, url string) *Page {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(b.ctx)
	p := &Page{t: t, ctx: ctx, close: closeTab, tone: b.Tone}
	// The first run makes the tab and binds its life to this very context.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	t.Cleanup(p.finish)
	p.listen()
	before := chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, page.AddScriptToEvaluateOnNewDocument,
			page.AddScriptToEvaluateOnNewDocumentParams{Source: hooks})
		return err
	})
	p.do(15*time.Second, "open "+url, before, chromedp.Navigate(url))
	return p
}
