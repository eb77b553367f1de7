package deploy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/internal/authority"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// echo is the number that answers with what it hears.
const echo = "+12025550199"

// tone is what the browser's microphone hears, in hertz.
const tone = 440

// newBrowser starts a browser that takes the authority's certificates.
func newBrowser(t *testing.T, a *authority.Authority) *harness.Browser {
	t.Helper()
	b, err := harness.NewBrowser(t.TempDir(), tone, a.Cert)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// callEcho does what the guide says first: opens the page, signs in as Alice, dials
// the echo number, and hears itself. The call goes on.
func callEcho(t *testing.T, b *harness.Browser, url string) *harness.Page {
	t.Helper()
	page := b.Open(t, url)
	page.SignIn("alice@demo.test")
	page.Dial(echo, false)
	page.AwaitState(patience, "established")
	page.AwaitTone(tone)
	return page
}

func hangUp(page *harness.Page) {
	page.Click("hangup")
	page.AwaitState(patience, "ended", "")
	page.Close()
}

// elsewhere gives an address of this machine that others reach it at, or would if
// there were any.
func elsewhere(t *testing.T) net.IP {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.To4()
		}
	}
	t.Fatal("this machine has no address but its loopback")
	return nil
}

// secure calls with TLS, at an address that others could reach: the page, and a
// phone. While the page's call is up the certificate is replaced.
func (p *project) secure(t *testing.T, b *harness.Browser, a *authority.Authority, ip net.IP) {
	t.Helper()
	at := func(port int) string { return net.JoinHostPort(ip.String(), fmt.Sprint(port)) }
	page := callEcho(t, b, "https://"+at(p.page)+"/")
	a.Issue(2, ip.String())
	for name, port := range map[string]int{"page": p.page, "endpoint": p.sylk, "gRPC": p.grpc} {
		eventually(t, "served with its new certificate: "+name, func() (bool, string) {
			d := tls.Dialer{Config: &tls.Config{RootCAs: a.Pool, NextProtos: []string{"h2", "http/1.1"}}}
			c, err := d.DialContext(t.Context(), "tcp", at(port))
			if err != nil {
				return false, err.Error()
			}
			defer func() { _ = c.Close() }()
			serial := c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber //nolint:forcetypeassert // a tls.Dialer's
			return serial.Int64() == 2, "still certificate " + serial.String()
		})
	}
	page.AwaitTone(tone)
	hangUp(page)

	out, err := machine.Run(t.Context(), "run", "--rm", "--network", "host", "--volume", p.tls+":/tls:ro", image,
		"phone", "call", echo, "--server", at(p.grpc), "--ca", "/tls/ca.crt", "--duration=1s", "--json")
	if err != nil || !strings.Contains(out, `"state":"established"`) {
		t.Errorf("a phone's call with TLS: %v\n%s", err, out)
	}
	plain := http.Client{Timeout: 10 * time.Second}
	for _, port := range []int{p.page, p.sylk} {
		if res, err := plain.Get("http://" + at(port) + "/"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode < 400 {
				t.Errorf("port %d answers without TLS: %s", port, res.Status)
			}
		}
	}
}

// Ports that others could reach are not opened without a certificate.
func TestRefusedWithoutCertificate(t *testing.T) {
	p := prepare(t, "TANDEM_EXTERNAL_IP="+elsewhere(t).String())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if out, err := p.compose(ctx, "up", "--no-build", "--wait"); err == nil {
		t.Errorf("it started:\n%s", out)
	}
	if running := p.services(t); len(running) > 0 {
		t.Errorf("running: %v", running)
	}
	out, err := p.compose(ctx, "logs", "--no-color", "setup")
	if err != nil || !slices.ContainsFunc(strings.Split(out, "\n"), func(l string) bool {
		return strings.Contains(l, "TANDEM_TLS_DIR") && strings.Contains(l, "TANDEM_PLAINTEXT=all")
	}) {
		t.Errorf("it does not say what to do: %v\n%s", err, out)
	}
}
