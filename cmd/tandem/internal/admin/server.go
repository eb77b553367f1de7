package admin

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tandem-rtc/tandem/adapters/kit/port"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/directory"
	"github.com/tandem-rtc/tandem/services/directory/attempts"
)

// Directory is what the API may do with subscribers; *directory.Service.
type Directory interface {
	List() []directory.Listed
	Put(ctx context.Context, s directory.Subscriber) error
	SetPhone(ctx context.Context, id, address string) error
	Remove(ctx context.Context, id string) error
}

// Config is what the port serves.
type Config struct {
	// Token is wanted by the API; empty: readers on this machine need none, and
	// nobody may change anything.
	Token string
	// WrongTokens bounds how many the API answers as wrong ones of one address,
	// AllWrongTokens of all. nil sets no bound.
	WrongTokens, AllWrongTokens *attempts.Limiter
	// TLS is the port's certificate, if it has one.
	TLS port.TLS
	// Hosts are names by which the API, and the metrics on loopback, may be called,
	// besides localhost and IP addresses.
	Hosts []string
	// MaxConnections bounds those at once, PerAddress those of one peer's address; 0
	// for no limit.
	MaxConnections, PerAddress int
	Timeouts                   port.Timeouts
	// Refused counts refusals by reason: "connections", "silent", "host", "token",
	// "rate".
	// nil counts nothing.
	Refused func(reason string)
	// Ready reports readiness and what is to be said about it, a line each.
	Ready func() (ok bool, reasons []string)
	// Registry holds the metrics.
	Registry *prometheus.Registry
	Log      *slog.Logger
}

// Server is the operator's HTTP handler.
type Server struct {
	cfg Config
	// hosts keeps web pages out that reach this port under a name of their own
	// (DNS rebinding); those of other origins send an Origin.
	hosts     port.Hosts
	mux       *http.ServeMux
	records   atomic.Pointer[bus.Records]
	directory atomic.Pointer[Directory]
}

// New makes the handler. Records and directory come once they are there.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, hosts: port.NewHosts(cfg.Hosts, nil).Strict(), mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive") })
	s.mux.HandleFunc("GET /readyz", s.ready)
	s.mux.Handle("GET /metrics", s.metrics(promhttp.HandlerFor(cfg.Registry, promhttp.HandlerOpts{})))
	s.mux.HandleFunc("GET /api/calls", s.reader(s.listCalls))
	s.mux.HandleFunc("GET /api/calls/{id}", s.reader(s.showCall))
	s.mux.HandleFunc("GET /api/subscribers", s.reader(s.listSubscribers))
	s.mux.HandleFunc("PUT /api/subscribers/{id}", s.writer(s.putSubscriber))
	s.mux.HandleFunc("PUT /api/subscribers/{id}/phone", s.writer(s.putPhone))
	s.mux.HandleFunc("DELETE /api/subscribers/{id}", s.writer(s.removeSubscriber))
	return s
}

// metrics keeps web pages off a port that browsers of this machine reach. One that
// listens for others is called by whatever name the monitoring finds it at.
func (s *Server) metrics(next http.Handler) http.Handler {
	strict := s.hosts.Wrap(next, func() { s.refused("host") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if ok && !port.Loopback(at.String()) {
			next.ServeHTTP(w, r)
			return
		}
		strict.ServeHTTP(w, r)
	})
}

// SetRecords gives the server the journal to read; nil takes it away.
func (s *Server) SetRecords(r bus.Records) {
	if r == nil {
		s.records.Store(nil)
		return
	}
	s.records.Store(&r)
}

// SetDirectory gives the server the directory that runs in this process; nil
// takes it away.
func (s *Server) SetDirectory(d Directory) {
	if d == nil {
		s.directory.Store(nil)
		return
	}
	s.directory.Store(&d)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	s.mux.ServeHTTP(w, r)
}

// Serve serves on a listener until ctx ends, then lets requests end for a
// moment. It closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: s, WriteTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	s.cfg.Timeouts.Apply(srv, func() { s.refused("silent") })
	l = port.Limits{Total: s.cfg.MaxConnections, PerAddress: s.cfg.PerAddress, Log: s.cfg.Log, Refused: func() { s.refused("connections") }}.Wrap(l)
	if s.cfg.TLS.On() {
		t, err := s.cfg.TLS.Server(s.cfg.Log)
		if err != nil {
			_ = l.Close()
			return fmt.Errorf("admin.%w", err)
		}
		t.NextProtos = []string{"h2", "http/1.1"}
		l = tls.NewListener(l, t)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serving the operator's port: %w", err)
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(ending); err != nil {
		_ = srv.Close()
	}
	<-done
	return nil
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	ok, reasons := s.cfg.Ready()
	status, text := http.StatusOK, "ready"
	if !ok {
		status, text = http.StatusServiceUnavailable, "not ready"
	}
	say(w, status, strings.Join(append([]string{text}, reasons...), "\n"))
}

// reader lets through who may see the API: holders of the token, or, without
// one, peers on this machine.
func (s *Server) reader(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !s.hosts.Allow(r) || r.Header.Get("Origin") != "":
			s.refused("host")
			refuse(w, schema.Errorf(callv1.Code_CODE_FORBIDDEN, "name this port by its IP address, as localhost, or by a name in admin.hosts"))
		case s.cfg.Token != "" && !s.hasToken(r):
			s.wrongToken(w, r)
		case s.cfg.Token == "" && !fromHere(r):
			s.refused("token")
			refuse(w, schema.Errorf(callv1.Code_CODE_FORBIDDEN, "without admin.token the API answers to its own machine only"))
		default:
			if err := h(w, r); err != nil {
				refuse(w, err)
			}
		}
	}
}

// writer lets through who may change something: holders of the token.
func (s *Server) writer(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return s.reader(func(w http.ResponseWriter, r *http.Request) error {
		if s.cfg.Token == "" {
			return schema.Errorf(callv1.Code_CODE_FORBIDDEN, "changes need admin.token to be configured")
		}
		return h(w, r)
	})
}

func (s *Server) refused(reason string) {
	if s.cfg.Refused != nil {
		s.cfg.Refused(reason)
	}
}

// fromHere reports whether the peer is on this machine.
func fromHere(r *http.Request) bool {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

// refuse answers with an error of the closed set.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch schema.CodeOf(err) {
	case callv1.Code_CODE_INVALID, callv1.Code_CODE_UNSUPPORTED:
		status = http.StatusBadRequest
	case callv1.Code_CODE_UNAUTHENTICATED:
		status = http.StatusUnauthorized
	case callv1.Code_CODE_FORBIDDEN:
		status = http.StatusForbidden
	case callv1.Code_CODE_NOT_FOUND:
		status = http.StatusNotFound
	case callv1.Code_CODE_RATE_LIMITED:
		status = http.StatusTooManyRequests
	case callv1.Code_CODE_CONFLICT, callv1.Code_CODE_REJECTED:
		status = http.StatusConflict
	case callv1.Code_CODE_RETRY, callv1.Code_CODE_OVERLOAD:
		status = http.StatusServiceUnavailable
	}
	var e *schema.Error
	if !errors.As(err, &e) {
		e = schema.Errorf(callv1.Code_CODE_INTERNAL, "%w", err)
	}
	reply(w, status, Failure{Code: strings.ToLower(strings.TrimPrefix(e.Code.String(), "CODE_")), Field: e.Field, Error: e.Message})
}

// Failure is the API's answer to what it refuses.
type Failure struct {
	Code  string `json:"code"`
	Field string `json:"field,omitempty"`
	Error string `json:"error"`
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client went away
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // the client went away
}
