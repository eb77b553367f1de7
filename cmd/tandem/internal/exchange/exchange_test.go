package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/adapters"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/admin"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/demo"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/ladder"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/phone"
)

// anyPort has the kernel choose every port.
var anyPort = []string{
	"admin.listen=127.0.0.1:0", "sylkrtc.listen=127.0.0.1:0", "grpcpipe.listen=127.0.0.1:0",
	"media.listen=127.0.0.1:0", "console.listen=127.0.0.1:0", "drain_timeout=20s",
}

func load(t *testing.T, set ...string) *config.Config {
	t.Helper()
	c, err := config.Load(adapters.All(), config.Source{Set: append(append([]string(nil), anyPort...), set...)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// running is a process of the exchange inside the test.
type running struct {
	*Exchange
	stop func() error
}

// start runs a process until the test ends or stop is called.
func start(t *testing.T, set ...string) *running {
	t.Helper()
	x, err := New(load(t, set...), Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- x.Run(ctx, func() { close(ready) }) }()
	stop := sync.OnceValue(func() error {
		cancel()
		err := <-done
		x.Close()
		return err
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("the end: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- err
		t.Fatalf("it did not start: %v", err)
	case <-time.After(60 * time.Second):
		t.Fatal("it was not ready in time")
	}
	return &running{x, stop}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// runIt runs a process that need not become ready; ctx ends when a test has waited
// long enough.
func runIt(t *testing.T, x *Exchange) (ctx context.Context, done func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx, nil) }()
	return ctx, func() { cancel(); <-ended }
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

func (r *running) client() *admin.Client {
	return &admin.Client{Server: "http://" + r.Address("admin")}
}

func TestAllInOne(t *testing.T) {
	dir := t.TempDir()
	x := start(t, "data_dir="+dir)
	if text, err := x.client().Ready(t.Context()); err != nil || text != "ready" {
		t.Errorf("ready: %q, %v", text, err)
	}
	if status, body := get(t, "http://"+x.Address("sylkrtc")+"/"); status != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("page: %d", status)
	}
	if _, body := get(t, "http://"+x.Address("sylkrtc")+"/console/config.json"); !strings.Contains(body, "+12025550199") || !strings.Contains(body, "alice@demo.test") {
		t.Errorf("the page's configuration: %s", body)
	}
	if status, body := get(t, "http://"+x.Address("admin")+"/metrics"); status != http.StatusOK || !strings.Contains(body, "tandem_calls_live 0") {
		t.Errorf("metrics: %d", status)
	}
	c, err := net.Dial("tcp", x.Address("grpcpipe"))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	subs, err := x.client().Subscribers(t.Context())
	if err != nil || len(subs.Subscribers) != 4 {
		t.Errorf("subscribers: %v, %v", subs, err)
	}
	if calls, err := x.client().Calls(t.Context(), true); err != nil || len(calls.Calls) != 0 {
		t.Errorf("calls: %v, %v", calls, err)
	}

	x.callEcho(t)

	_, err = New(load(t, "data_dir="+dir), Options{Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "in use by another") {
		t.Errorf("a second process on the same data: %v", err)
	}
	secret, err := os.ReadFile(filepath.Join(dir, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	if err := x.stop(); err != nil {
		t.Errorf("the end: %v", err)
	}

	// Demo accounts of an earlier start must not outlive the demo.
	x = start(t, "data_dir="+dir, "demo=false")
	if subs, err := x.client().Subscribers(t.Context()); err != nil || len(subs.Subscribers) != 0 {
		t.Errorf("subscribers without the demo: %v, %v", subs, err)
	}
	if again, err := os.ReadFile(filepath.Join(dir, "secret")); err != nil || string(again) != string(secret) {
		t.Errorf("the secret changed: %v", err)
	}
}

// One process has NATS, directory and call state, another one the rest.
func TestSplit(t *testing.T) {
	const secret = "secret=a secret of two processes"
	a := start(t, "data_dir="+t.TempDir(), "roles=nats,directory,callstate", "nats.listen=127.0.0.1:0", "node=a", secret, "demo=true")
	b := start(t, "roles=media,sylkrtc,grpcpipe,console", "nats.url="+a.nats.URL(), "node=b", secret, "demo=true")
	for _, x := range []*running{a, b} {
		if text, err := x.client().Ready(t.Context()); err != nil || text != "ready" {
			t.Errorf("ready: %q, %v", text, err)
		}
		if _, err := x.client().Calls(t.Context(), true); err != nil {
			t.Errorf("calls: %v", err)
		}
	}
	if _, err := b.client().Subscribers(t.Context()); err == nil {
		t.Error("a process without the directory lists subscribers")
	}
	if a.key.CallID("a", "b", "c") != b.key.CallID("a", "b", "c") || a.echo != b.echo {
		t.Error("the processes do not agree on key and echo token")
	}
	b.callEcho(t)
	if err := b.stop(); err != nil {
		t.Errorf("the end: %v", err)
	}
}

// A network may have IPv6 alone: then all of it is on such addresses, but media,
// which is on both here, since pion's terminal has no use for ::1.
func TestIPv6(t *testing.T) {
	ports := []string{
		"admin.listen=[::1]:0", "sylkrtc.listen=[::1]:0", "grpcpipe.listen=[::1]:0", "console.listen=[::1]:0",
		"media.listen=[::]:0", "media.interfaces=lo", "secret=a secret of two processes", "demo=true",
	}
	a := start(t, append(ports, "data_dir="+t.TempDir(), "roles=nats,directory,callstate", "nats.listen=[::1]:0", "node=a")...)
	b := start(t, append(ports, "roles=media,sylkrtc,grpcpipe,console", "nats.url="+a.nats.URL(), "node=b")...)
	for _, url := range []string{a.nats.URL(), "http://" + b.Address("grpcpipe"), "http://" + b.Address("admin")} {
		if !strings.Contains(url, "//[::1]:") {
			t.Errorf("%s is not IPv6", url)
		}
	}
	if status, body := get(t, "http://"+b.Address("sylkrtc")+"/"); status != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("page: %d", status)
	}
	b.callEcho(t)
}

// callEcho has the demo phone call the echo number and looks the call up.
func (r *running) callEcho(t *testing.T) {
	t.Helper()
	r.echoFrom(t, r)
}

// echoFrom is callEcho with the phone at another process.
func (r *running) echoFrom(t *testing.T, at *running) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	status := phone.Call(ctx, phone.CallOptions{
		Connection: phone.Connection{Server: at.Address("grpcpipe"), Token: demo.Token, MSISDN: demo.Phone},
		Address:    demo.Echo, Tone: 700, Duration: time.Second, Timeout: 20 * time.Second, JSON: true,
	}, &out, t.Output(), slog.New(slog.DiscardHandler))
	var result phone.Result
	if err := json.Unmarshal(out.Bytes(), &result); err != nil || status != phone.ExitOK || result.RxToneHz < 690 || result.RxToneHz > 710 {
		t.Fatalf("call to the echo number: status %d, %s %v", status, out.String(), err)
	}
	call, err := r.client().Call(ctx, result.CallID)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := ladder.Write(&text, call, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Carol <tel:+12025550103>", "Echo <tel:+12025550199>", "offer", "answer", "established"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the ladder lacks %q:\n%s", want, text.String())
		}
	}
}

func TestPageAlone(t *testing.T) {
	a := start(t, "data_dir="+t.TempDir(), "roles=nats,console")
	if status, body := get(t, "http://"+a.Address("console")+"/"); status != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("page: %d", status)
	}
}

// What the page's port and the operator's refuse is counted.
func TestPortRefusals(t *testing.T) {
	a := start(t, "data_dir="+t.TempDir(), "roles=nats,console", "admin.token=a token of the operator",
		"admin.max_connections=3", "console.max_connections=2", "admin.timeouts.header=300ms", "console.timeouts.header=300ms")
	for port, path := range map[string]string{"console": "/", "admin": "/api/calls"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.Address(port)+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host, r.Close = "evil.example", true
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusMisdirectedRequest && res.StatusCode != http.StatusForbidden {
			t.Errorf("%s by another name: %d", port, res.StatusCode)
		}
		var conns []net.Conn
		for range 4 {
			c, err := net.Dial("tcp", a.Address(port))
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		for _, c := range conns { // over the limit, or after the time for the header
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Errorf("%s answers who asks for nothing", port)
			}
			_ = c.Close()
		}
	}
	if status, _ := get(t, "http://"+a.Address("admin")+"/api/calls"); status != http.StatusUnauthorized {
		t.Errorf("without the token: %d", status)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for _, want := range []string{
		`{port="admin",reason="host"}`, `{port="admin",reason="token"}`, `{port="admin",reason="connections"}`, `{port="admin",reason="silent"}`,
		`{port="console",reason="host"}`, `{port="console",reason="connections"}`, `{port="console",reason="silent"}`,
	} {
		counted := regexp.MustCompile(regexp.QuoteMeta("tandem_port_refused_total"+want) + ` [1-9]`)
		for end := time.Now().Add(20 * time.Second); ; <-tick.C {
			if _, body := get(t, "http://"+a.Address("admin")+"/metrics"); counted.MatchString(body) {
				break
			}
			if time.Now().After(end) {
				t.Errorf("%s is not counted", want)
				break
			}
		}
	}
}

// One address cannot take the operator's port, or the page's, up.
func TestPortsOfOneAddress(t *testing.T) {
	a := start(t, "data_dir="+t.TempDir(), "roles=nats,console", "admin.max_connections=3", "console.max_connections=3",
		"admin.max_connections_per_address=2", "console.max_connections_per_address=2")
	for port, path := range map[string]string{"console": "/", "admin": "/healthz"} {
		var last net.Conn
		for range 3 {
			c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext(t.Context(), "tcp", a.Address(port))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			last = c
		}
		if err := last.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, err := last.Read(make([]byte, 1))
		if e, ok := err.(net.Error); err == nil || ok && e.Timeout() {
			t.Errorf("%s serves one more than an address may have: %v", port, err)
		}
		if status, _ := get(t, "http://"+a.Address(port)+path); status != http.StatusOK {
			t.Errorf("%s for another address: %d", port, status)
		}
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for _, role := range []string{"admin", "sylkrtc", "grpcpipe"} {
		_, err := New(load(t, "data_dir="+t.TempDir(), role+".listen="+l.Addr().String()), Options{Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), role+".listen: ") {
			t.Errorf("%s: %v", role, err)
		}
	}
}

func TestEphemeral(t *testing.T) {
	x, err := New(load(t), Options{Ephemeral: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	x.Close()
	if _, err := os.Stat(x.data.path); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", x.data.path, err)
	}
}

func TestData(t *testing.T) {
	d, err := openData(filepath.Join(t.TempDir(), "new"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	a, err := d.secret()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := d.secret(); err != nil || string(a) != string(b) || len(a) < 32 {
		t.Errorf("secret %d bytes, again the same: %v, %v", len(a), string(a) == string(b), err)
	}
	info, err := os.Stat(filepath.Join(d.path, "secret"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(d.path, "secret"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.secret(); err == nil {
		t.Error("an empty secret is taken")
	}
	t.Setenv("XDG_STATE_HOME", "/x")
	if dir, err := StateDir(); err != nil || dir != "/x/tandem" {
		t.Errorf("%s, %v", dir, err)
	}
}
