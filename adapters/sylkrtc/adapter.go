package sylkrtc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/port"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Kind is the adapter's kind.
const Kind = "sylkrtc"

// scope is what session ids are unique in, besides the subscriber.
const scope = "sylkrtc"

// Spec describes the adapter. Config of Spec().Config() is a *Config.
func Spec() kit.Spec {
	return kit.Spec{
		Kind:     Kind,
		Features: features(v2, true),
		Config:   func() kit.Config { return Defaults() },
		New: func(c kit.Config, h kit.Host) (kit.Adapter, error) {
			cfg, ok := c.(*Config)
			if !ok {
				return nil, fmt.Errorf("sylkrtc: configuration is a %T", c)
			}
			return newAdapter(cfg, h), nil
		},
	}
}

// features are what terminals of a version can do. The protocol has no candidates
// from the server, so descriptions for these terminals are complete. Its clients
// forget their calls with their connection: a lost call is offered to them anew.
func features(v version, resumes bool) *callv1.Features {
	return &callv1.Features{
		Resumes: resumes, ShowsRinging: true, Video: true,
		Renegotiates: v == v2, DtmfSignals: v == v2, // session-update, session-dtmf-info
	}
}

// adapter serves the WebSocket connections of one node.
type adapter struct {
	cfg       *Config
	host      kit.Host
	log       *slog.Logger
	terminals terminals
	health    health
	messaging messaging
	origins   origins // set before the first connection

	// work is what commands under way may use; it ends when draining may take no
	// longer.
	work context.Context
	kill context.CancelFunc
	// serving ends when draining begins.
	serving     context.Context
	stopServing context.CancelFunc

	mu       sync.Mutex
	peers    map[*peer]struct{}
	draining bool
	wg       sync.WaitGroup // the goroutines of peers, and those of spawn
}

func newAdapter(cfg *Config, h kit.Host) *adapter {
	a := &adapter{cfg: cfg, host: h, log: h.Log(), peers: map[*peer]struct{}{}}
	a.terminals.init()
	a.messaging.init(a)
	a.health.probe, a.health.spawn = a.askDirectory, a.spawn
	a.work, a.kill = context.WithCancel(context.Background())
	a.serving, a.stopServing = context.WithCancel(a.work)
	return a
}

// Run implements kit.Adapter.
func (a *adapter) Run(ctx context.Context, ready func()) error {
	defer a.kill()
	l, err := a.listen()
	if err != nil {
		return err
	}
	a.origins = newOrigins(a.cfg.AllowedOrigins, port.Loopback(l.Addr().String()))
	hosts := port.NewHosts(a.cfg.Hosts, l.Addr())
	srv := &http.Server{
		Handler:        hosts.Wrap(a, func() { a.host.Metrics().Count("hosts_refused", 1) }),
		WriteTimeout:   time.Minute, // until the connection is a WebSocket's, which has limits of its own
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
		// WebSocket needs HTTP/1.1 (RFC 8441 is not supported).
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	a.cfg.Timeouts.Apply(srv, func() { a.host.Metrics().Count("connections_silent", 1) })
	l = port.Limits{Total: a.cfg.Sockets(), PerAddress: a.cfg.PerAddress, Budget: a.cfg.Budget, Log: a.log, Refused: func() {
		a.host.Metrics().Count("connections_refused", 1)
	}}.Wrap(l)
	secure := a.cfg.TLS.On()
	if secure {
		if srv.TLSConfig, err = a.cfg.TLS.Server(a.log); err != nil {
			_ = l.Close() // nothing was accepted
			return fmt.Errorf("sylkrtc.%w", err)
		}
	}
	served := make(chan error, 1)
	go func() {
		if secure {
			served <- srv.ServeTLS(l, "", "")
		} else {
			served <- srv.Serve(l)
		}
	}()
	a.spawn(a.pingAll)
	a.spawn(a.messaging.run)
	a.log.Info("listening", "address", l.Addr().String(), "path", a.cfg.Path, "tls", secure)
	ready()

	var failure error
	select {
	case <-ctx.Done():
	case failure = <-served:
	}
	a.drain(srv)
	if failure == nil {
		failure = <-served
	}
	if errors.Is(failure, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("sylkrtc: serve: %w", failure)
}

func (a *adapter) listen() (net.Listener, error) {
	if a.cfg.Listener != nil {
		return a.cfg.Listener, nil
	}
	l, err := net.Listen("tcp", a.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("sylkrtc: listen: %w", err)
	}
	return l, nil
}

// drain takes no more connections, tells every peer that this server goes away
// (RFC 6455 status 1001: clients reconnect, to another node), and waits until
// all are gone; what lasts too long is cut off.
func (a *adapter) drain(srv *http.Server) {
	most := a.host.DrainTimeout()
	a.stopServing()
	a.mu.Lock()
	a.draining = true
	for p := range a.peers {
		p.closeWith(goingAway, "server is going away")
	}
	a.mu.Unlock()

	gone := make(chan struct{})
	go func() {
		a.wg.Wait()
		close(gone)
	}()
	shutdown, cancel := context.WithTimeout(context.Background(), most*2/5)
	defer cancel()
	if err := srv.Shutdown(shutdown); err != nil { // a request of the page still under way
		_ = srv.Close() // reported by Serve
	}
	late := time.NewTimer(most * 2 / 5)
	defer late.Stop()
	select {
	case <-gone:
		return
	case <-late.C:
	}
	a.mu.Lock()
	for p := range a.peers {
		p.cut()
	}
	a.mu.Unlock()
	a.kill() // commands under way get CODE_RETRY, and their legs are given up
	<-gone
}

// add takes a connection in; false when there is no room, or no time left.
func (a *adapter) add(p *peer) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.draining || len(a.peers) >= a.cfg.MaxConnections {
		return false
	}
	a.peers[p] = struct{}{}
	a.wg.Add(1)
	a.host.Metrics().Gauge("connections", len(a.peers))
	return true
}

func (a *adapter) remove(p *peer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.peers, p)
	a.host.Metrics().Gauge("connections", len(a.peers))
	a.wg.Done()
}

// spawn runs f on a goroutine that draining waits for; false when it has begun.
func (a *adapter) spawn(f func(context.Context)) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.draining {
		return false
	}
	a.wg.Add(1)
	go func() {
		defer a.wg.Done()
		f(a.serving)
	}()
	return true
}

// room says whether a connection could be taken in now.
func (a *adapter) room() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.draining && len(a.peers) < a.cfg.MaxConnections
}

// pingAll pings every connection once in an interval, a few at a time.
func (a *adapter) pingAll(ctx context.Context) {
	step := max(a.cfg.PingInterval/16, time.Millisecond)
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			a.mu.Lock()
			for p := range a.peers {
				if now.Sub(p.pinged) < a.cfg.PingInterval {
					continue
				}
				p.pinged = now
				a.wg.Add(1)
				go func() {
					defer a.wg.Done()
					p.ping()
				}()
			}
			a.mu.Unlock()
		}
	}
}
