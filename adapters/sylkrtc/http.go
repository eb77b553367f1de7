package sylkrtc

import (
	"context"
	"net/http"

	"github.com/coder/websocket"
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
	case !a.origins.allow(r):
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
	var p *peer // there before anything is read
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{string(v)},
		InsecureSkipVerify: true, // the origin was checked above
		CompressionMode:    websocket.CompressionDisabled,
		OnPingReceived:     func(context.Context, []byte) bool { return p.control() },
		OnPongReceived:     func(context.Context, []byte) { p.control() },
	})
	if err != nil {
		a.log.Debug("no WebSocket", "remote", r.RemoteAddr, "error", err)
		return
	}
	ws.SetReadLimit(int64(min(a.cfg.MaxMessage, strangersMessage)))
	p = newPeer(a, ws, v, r.RemoteAddr)
	if !a.add(p) {
		_ = ws.CloseNow() // the last place went to another, or draining began
		return
	}
	// On its own goroutine, so that what HTTP holds for a request is let go.
	go p.run()
}
