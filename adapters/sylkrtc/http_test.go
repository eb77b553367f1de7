package sylkrtc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// dialStatus gives the HTTP status that a handshake is refused with, 101 if it
// is not.
func dialStatus(t *testing.T, url, protocols string, header http.Header) int {
	t.Helper()
	if header == nil {
		header = http.Header{}
	}
	c, err := sylkrtctest.Dial(within(t), url, protocols, sylkrtctest.Options{Header: header})
	var refused *sylkrtctest.StatusError
	switch {
	case errors.As(err, &refused):
		return refused.Status
	case err != nil:
		t.Fatal(err)
	}
	c.Close()
	return http.StatusSwitchingProtocols
}

func TestHandshakeSubprotocol(t *testing.T) {
	s := serve(t, nil)
	for offered, want := range map[string]int{
		sylkrtctest.V1: 101, sylkrtctest.V2: 101, "sylkRTC-3": 406, "sip": 406,
	} {
		if got := dialStatus(t, s.url, offered, nil); got != want {
			t.Errorf("offering %q: %d, want %d", offered, got, want)
		}
	}
	for offered, want := range map[string]version{
		"sylkRTC-1, sylkRTC-2": v2, "sylkRTC-2,sylkRTC-1": v2, "x, sylkRTC-1": v1, "": "", "sylkrtc-2": "",
	} {
		r := &http.Request{Header: http.Header{"Sec-Websocket-Protocol": {offered}}}
		if got := subprotocol(r); got != want {
			t.Errorf("offering %q: chosen %q, want %q", offered, got, want)
		}
	}
}

func TestHandshakeOrigin(t *testing.T) {
	s := serve(t, func(c *Config) { c.AllowedOrigins = []string{"https://app.example.com"} })
	for origin, want := range map[string]int{
		"":                        101,
		"http://" + s.base:        101, // the page that this port serves
		"https://app.example.com": 101,
		"https://evil.example":    403,
		"http://localhost:3000":   101, // this port is on loopback
	} {
		h := http.Header{}
		if origin != "" {
			h.Set("Origin", origin)
		}
		if got := dialStatus(t, s.url, sylkrtctest.V2, h); got != want {
			t.Errorf("Origin %q: %d, want %d", origin, got, want)
		}
	}
	if got := dialStatus(t, s.url, sylkrtctest.V2, http.Header{"Origin": {"http://" + s.base, "https://evil.example"}}); got != 403 {
		t.Errorf("two origins: %d", got)
	}
	anybody := serve(t, func(c *Config) { c.AllowedOrigins = []string{"*"} })
	if got := dialStatus(t, anybody.url, sylkrtctest.V2, http.Header{"Origin": {"https://evil.example"}}); got != 101 {
		t.Errorf("any origin allowed: %d", got)
	}
}

// Patterns match a page with its port and without; what needs no pattern is
// compared as it is written.
func TestOrigins(t *testing.T) {
	patterns := []string{
		"https://app.example.com", "http://dev.example.com:*", "*.Phones.example", "plain.example", "ported.example:8443",
		"http://[::1]:3000", "[2001:db8::1]", "2001:db8::7", "null",
	}
	for origin, want := range map[string]bool{
		"":                              true,
		"https://app.example.com":       true,
		"HTTPS://APP.example.com":       true,
		"http://app.example.com":        false, // another scheme is another origin
		"https://app.example.com:444":   false, // and so is another port
		"http://dev.example.com:3000":   true,
		"https://a.phones.example":      true,
		"https://a.phones.example:8443": true,
		"https://phones.example":        false,
		"http://plain.example":          true,
		"http://plain.example:3000":     true,
		"https://ported.example:8443":   true,
		"https://ported.example":        false,
		"http://[::1]:3000":             true,
		"http://[::1]:3001":             false,
		"https://[2001:db8::1]":         true,
		"https://[2001:db8::1]:8443":    true,
		"https://[2001:db8::2]":         false,
		"https://[2001:db8::7]:8443":    true,
		"https://evil.example":          false,
		"http://localhost:3000":         false, // the port is not on loopback
		"null":                          true,  // as configured
		"://":                           false,
		"http://SELF.example:8080":      true, // the page that the port serves
	} {
		r := &http.Request{Host: "self.example:8080", Header: http.Header{}}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		if got := newOrigins(patterns, false).allow(r); got != want {
			t.Errorf("Origin %q: %v, want %v", origin, got, want)
		}
	}
	for origin, want := range map[string]bool{
		"http://localhost":              true,
		"https://localhost:3000":        true,
		"http://127.0.0.1:5173":         true,
		"http://127.8.9.10":             true,
		"http://[::1]:3000":             true,
		"http://192.0.2.1":              false,
		"http://localhost.evil.example": false,
		"http://127.0.0.1.evil.example": false,
		"null":                          false,
	} {
		r := &http.Request{Host: "127.0.0.1:8080", Header: http.Header{"Origin": {origin}}}
		if got := newOrigins(nil, true).allow(r); got != want {
			t.Errorf("on loopback, Origin %q: %v, want %v", origin, got, want)
		}
	}
}

func TestHandshakeBackendGone(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	term := c.signIn("alice")
	l := c.place(term, "s1", "bob@example.com")
	s.host.with(func() { s.host.directory = schema.Errorf(callv1.Code_CODE_RETRY, "the bus is away") })
	late := time.Now().Add(patience)
	for dialStatus(t, s.url, sylkrtctest.V2, nil) != 503 { // a good answer counts for a moment
		if time.Now().After(late) {
			t.Fatal("connections are still taken")
		}
	}
	c.nothing() // who is there stays
	c.refused(c.AddAccount(within(t), "bob@example.com", "x"), "503 Service Unavailable")
	l.deliver(t, answeredEvent())
	c.state("s1", "accepted")
	s.host.with(func() { s.host.directory = nil })
	if got := dialStatus(t, s.url, sylkrtctest.V2, nil); got != 101 {
		t.Errorf("with the bus back: %d", got)
	}
}

func TestHandshakeMaxConnections(t *testing.T) {
	s := serve(t, func(c *Config) { c.MaxConnections = 2 })
	a, _ := s.client(t, sylkrtctest.V2), s.client(t, sylkrtctest.V1)
	if got := dialStatus(t, s.url, sylkrtctest.V2, nil); got != 503 {
		t.Errorf("one too many: %d, want 503", got)
	}
	a.Close()
	late := time.Now().Add(patience)
	for dialStatus(t, s.url, sylkrtctest.V2, nil) != 101 {
		if time.Now().After(late) {
			t.Fatal("the place was not given to another")
		}
	}
}

func TestOtherPaths(t *testing.T) {
	get := func(s *server, path string) (int, string) {
		t.Helper()
		resp, err := http.Get("http://" + s.base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	s := serve(t, nil)
	if code, _ := get(s, "/"); code != 404 {
		t.Errorf("without a page: %d", code)
	}
	if code, _ := get(s, "/webrtcgateway/ws"); code != http.StatusUpgradeRequired {
		t.Errorf("no WebSocket: %d", code)
	}
	s = serve(t, func(c *Config) {
		c.Fallback = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page "+r.URL.Path) })
	})
	if code, body := get(s, "/index.html"); code != 200 || body != "page /index.html" {
		t.Errorf("the page: %d %q", code, body)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	files := TLS{Cert: filepath.Join(dir, "c.pem"), Key: filepath.Join(dir, "k.pem")}
	writePair := func(serial int64) *x509.CertPool {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour),
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		pk, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string]*pem.Block{
			files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "PRIVATE KEY", Bytes: pk},
		} {
			if err := os.WriteFile(name, pem.EncodeToMemory(b), 0o600); err != nil {
				t.Fatal(err)
			}
			when := time.Unix(1_700_000_000+serial, 0) // a change even on a coarse clock
			if err := os.Chtimes(name, when, when); err != nil {
				t.Fatal(err)
			}
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AddCert(cert)
		return pool
	}
	dial := func(s *server, pool *x509.CertPool) error {
		c, err := sylkrtctest.Dial(within(t), strings.Replace(s.url, "ws:", "wss:", 1), sylkrtctest.V2,
			sylkrtctest.Options{TLS: &tls.Config{RootCAs: pool}})
		if err == nil {
			c.Close()
		}
		return err
	}
	first := writePair(1)
	s := serve(t, func(c *Config) { c.TLS = files })
	if err := dial(s, first); err != nil {
		t.Fatal(err)
	}
	second := writePair(2) // renewed: no restart
	if err := dial(s, second); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files.Cert, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := dial(s, second); err != nil {
		t.Errorf("while new files cannot be used: %v", err)
	}
	if _, err := files.Server(nil); err == nil {
		t.Error("started without a usable certificate")
	}
}

func TestConfigValidate(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*Config){
		"listen":                      func(c *Config) { c.Listen = "here" },
		"path":                        func(c *Config) { c.Path = "ws" },
		"tls":                         func(c *Config) { c.TLS.Cert = "x" },
		"hosts":                       func(c *Config) { c.Hosts = []string{"https://a.example"} },
		"allowed_origins":             func(c *Config) { c.AllowedOrigins = []string{"[a"} },
		"max_connections":             func(c *Config) { c.MaxConnections = 0 },
		"max_accounts_per_connection": func(c *Config) { c.MaxAccounts = 0 },
		"max_sessions_per_connection": func(c *Config) { c.MaxSessions = 0 },
		"max_message_bytes":           func(c *Config) { c.MaxMessage = 10 },
		"max_bad_messages":            func(c *Config) { c.MaxBad = -1 },
		"burst":                       func(c *Config) { c.Burst = 0 },
		"send_queue":                  func(c *Config) { c.SendQueue = 0 },
		"rate":                        func(c *Config) { c.Rate = 0 },
		"read_timeout":                func(c *Config) { c.ReadTimeout = 0 },
		"write_timeout":               func(c *Config) { c.WriteTimeout = 0 },
		"reauthenticate_after":        func(c *Config) { c.Reauthenticate = -1 },
		"ping_interval":               func(c *Config) { c.PingInterval = 0 },
		"pong_timeout":                func(c *Config) { c.PongTimeout = -1 },
	} {
		c := Defaults()
		change(c)
		var e *schema.Error
		if err := c.Validate(); !errors.As(err, &e) || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
