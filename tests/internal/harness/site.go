package harness

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Site is a host of its own in front of an exchange's WebSocket endpoint, as an
// ingress or an application's site is. Its connections can be cut.
type Site struct {
	// URL is where it is.
	URL   string
	conns *connections
}

// Site puts other pages and the exchange's WebSocket endpoint on one host; nil
// pages are the exchange's own.
func (x *Exchange) Site(t testing.TB, pages http.Handler) *Site {
	t.Helper()
	gateway, err := url.Parse(x.URL)
	if err != nil {
		t.Fatal(err)
	}
	if pages == nil {
		pages = forward(gateway)
	}
	return newSite(t, gateway, pages)
}

func newSite(t testing.TB, gateway *url.URL, pages http.Handler) *Site {
	t.Helper()
	proxy := forward(gateway)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/webrtcgateway/") {
			proxy.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}))
	conns := &connections{Listener: srv.Listener}
	srv.Listener = conns
	srv.Start()
	t.Cleanup(func() {
		conns.cut()
		srv.Close()
	})
	return &Site{URL: srv.URL, conns: conns}
}

// Cut breaks every connection that clients have to the site. They may connect
// again.
func (s *Site) Cut() { s.conns.cut() }

// connections is a listener that remembers what it accepted: a server forgets
// its WebSockets.
type connections struct {
	net.Listener
	mu   sync.Mutex
	open []net.Conn
}

// Accept implements net.Listener.
func (l *connections) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.open = append(l.open, c)
		l.mu.Unlock()
	}
	return c, err
}

func (l *connections) cut() {
	l.mu.Lock()
	open := l.open
	l.open = nil
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Close() // it may be closed already
	}
}

func forward(to *url.URL) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // what the page's Origin is checked against
		r.SetXForwarded()
	}}
}

func loopback(port int) *url.URL {
	return &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}
}
