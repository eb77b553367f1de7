package port

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-rtc/tandem/schema"
)

// Timeouts are those of an HTTP port.
type Timeouts struct {
	Header time.Duration `yaml:"header" doc:"How long the header of a request may take to come, and before it the TLS handshake."`
	Read   time.Duration `yaml:"read" doc:"How long a whole request may take to come."`
	Idle   time.Duration `yaml:"idle" doc:"How long a connection may wait for its next request."`
}

// DefaultTimeouts suit small requests.
func DefaultTimeouts() Timeouts {
	return Timeouts{Header: 10 * time.Second, Read: 30 * time.Second, Idle: 2 * time.Minute}
}

// Validate reports one that cannot be, as an error about the field timeouts.
func (t Timeouts) Validate() error {
	for name, d := range map[string]time.Duration{"header": t.Header, "read": t.Read, "idle": t.Idle} {
		if d < time.Millisecond {
			return schema.Invalid("timeouts."+name, "must be at least 1ms")
		}
	}
	return nil
}

// Apply sets the time-outs of a server that has its handler. silent, if it is not
// nil, is told of each connection that ended before it had asked for anything: it
// was too slow, or no client of ours. It must not block.
func (t Timeouts) Apply(srv *http.Server, silent func()) {
	srv.ReadHeaderTimeout, srv.ReadTimeout, srv.IdleTimeout = t.Header, t.Read, t.Idle
	if silent == nil {
		return
	}
	var mu sync.Mutex
	open := map[net.Conn]*atomic.Bool{} // whether it has asked
	next := srv.Handler
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked, ok := r.Context().Value(askedKey{}).(*atomic.Bool); ok {
			asked.Store(true)
		}
		next.ServeHTTP(w, r)
	})
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		asked := new(atomic.Bool)
		mu.Lock()
		defer mu.Unlock()
		open[c] = asked
		return context.WithValue(ctx, askedKey{}, asked)
	}
	srv.ConnState = func(c net.Conn, state http.ConnState) {
		if state != http.StateClosed && state != http.StateHijacked {
			return
		}
		mu.Lock()
		asked := open[c]
		delete(open, c)
		mu.Unlock()
		if state == http.StateClosed && asked != nil && !asked.Load() {
			silent()
		}
	}
}

// askedKey is where a connection's mark is in the context of its requests.
type askedKey struct{}
