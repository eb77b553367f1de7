package sylkrtc

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// ServeHTTP takes WebSocket connections; every other path is the fallback's.
func (a *adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != a.cfg.Path {
		if a.cfg.Fallback == nil {
			http.NotFound(w, r)
			return
		}
		a.cfg.Fallback.ServeHTTP(w, r)
		return
	}
	refuse := func(status int, text string) {
		a.host.Metrics().Count("connections_refused", 1)
		a.log.Info("connection refused", "remote", r.RemoteAddr, "status", status, "why", text)
		http.Error(w, text, status)
	}
	v := subprotocol(r)
	upgrade := r.Header.Get("Upgrade") != "" // what else is wrong, Accept says
	switch {
	case !upgrade:
	case !allowedOrigin(r, a.cfg.AllowedOrigins):
		refuse(http.StatusForbidden, "Origin not allowed")
		return
	case v == "":
		refuse(http.StatusNotAcceptable, "No compatible protocol specified")
		return
	case !a.room():
		refuse(http.StatusServiceUnavailable, "No room for another connection")
		return
	case !a.health.ok(r.Context()):
		refuse(http.StatusServiceUnavailable, "Backend is not connected")
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{string(v)},
		InsecureSkipVerify: true, // the origin was checked above
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		a.log.Debug("no WebSocket", "remote", r.RemoteAddr, "error", err)
		return
	}
	ws.SetReadLimit(int64(a.cfg.MaxMessage))
	p := newPeer(a, ws, v, r.RemoteAddr)
	if !a.add(p) {
		_ = ws.CloseNow() // the last place went to another, or draining began
		return
	}
	// On its own goroutine, so that what HTTP holds for a request is let go.
	go p.run()
}

// health says whether the exchange behind this server can be reached, which it
// finds out by asking the directory something small.
type health struct {
	probe func(context.Context) bool
	spawn func(func(context.Context)) bool // false: not any more

	mu      sync.Mutex
	good    time.Time     // until when the last good answer counts
	running chan struct{} // closed when the probe under way has ended
}

const (
	healthFor     = 250 * time.Millisecond
	healthTimeout = 2 * time.Second
)

// ok asks, or uses an answer that is fresh. Many callers share one question.
func (h *health) ok(ctx context.Context) bool {
	h.mu.Lock()
	if time.Now().Before(h.good) {
		h.mu.Unlock()
		return true
	}
	running := h.running
	if running == nil {
		running = make(chan struct{})
		if !h.spawn(func(ctx context.Context) { h.ask(ctx, running) }) {
			h.mu.Unlock()
			return false
		}
		h.running = running
	}
	h.mu.Unlock()
	select {
	case <-running:
	case <-ctx.Done():
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Before(h.good)
}

func (h *health) ask(ctx context.Context, running chan<- struct{}) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	good := h.probe(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if good {
		h.good = time.Now().Add(healthFor)
	}
	h.running = nil
	close(running)
}

// askDirectory reports whether the directory answers, whatever it says.
func (a *adapter) askDirectory(ctx context.Context) bool {
	_, err := a.host.ServesDomain(ctx, "health.invalid") // RFC 2606: nobody's
	return schema.CodeOf(err) != callv1.Code_CODE_RETRY
}

// certificate is a key pair on disk that is read again when a file changes, so
// that a renewed certificate needs no restart.
type certificate struct {
	files TLS

	mu      sync.Mutex
	changed [2]time.Time
	pair    *tls.Certificate
}

// tlsConfig gives the server's TLS configuration; it fails if the files do not
// hold a key pair now.
func tlsConfig(files TLS) (*tls.Config, error) {
	c := &certificate{files: files}
	if _, err := c.get(nil); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

// get implements tls.Config.GetCertificate. While new files cannot be used the
// old pair stays in use.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed, err := modTimes(c.files)
	if err == nil && c.pair != nil && changed == c.changed {
		return c.pair, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	}
	if err != nil {
		if c.pair != nil {
			return c.pair, nil
		}
		return nil, fmt.Errorf("sylkrtc: tls: %w", err)
	}
	c.pair, c.changed = &pair, changed
	return c.pair, nil
}

func modTimes(files TLS) (t [2]time.Time, err error) {
	for i, f := range []string{files.Cert, files.Key} {
		info, err := os.Stat(f)
		if err != nil {
			return t, err
		}
		t[i] = info.ModTime()
	}
	return t, nil
}
