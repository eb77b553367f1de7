package matrix

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/tandem-rtc/tandem/adapters/kit/port"
)

// The homeserver's port (Matrix application service API).

func (a *Adapter) listen() (net.Listener, error) {
	l := a.cfg.Listener
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", a.cfg.Listen); err != nil {
			return nil, fmt.Errorf("matrix: listen: %w", err)
		}
	}
	l = port.Limits{Total: a.cfg.MaxConnections, PerAddress: a.cfg.PerAddress, Log: a.log, Refused: func() { a.host.Metrics().Count("connections_refused", 1) }}.Wrap(l)
	if !a.cfg.TLS.On() {
		return l, nil
	}
	c, err := a.cfg.TLS.Server(a.log)
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("matrix.%w", err)
	}
	a.certificate = c.GetCertificate
	return tls.NewListener(l, c), nil
}

// advertised is where other nodes reach this one.
func (a *Adapter) advertised() string {
	at := a.addr.String()
	if ip, err := netip.ParseAddr(a.cfg.Advertise); err == nil {
		_, port, _ := net.SplitHostPort(at) // valid
		at = net.JoinHostPort(ip.String(), port)
	} else if a.cfg.Advertise != "" {
		return a.cfg.Advertise
	}
	if a.cfg.TLS.Cert != "" {
		return "https://" + at
	}
	return "http://" + at
}

func (a *Adapter) webServer() *http.Server {
	mux := http.NewServeMux()
	for _, prefix := range []string{"/_matrix/app/v1", ""} { // homeservers before 1.0 of the API have no prefix
		mux.HandleFunc("PUT "+prefix+"/transactions/{txn}", a.authorised(a.transaction))
		mux.HandleFunc("GET "+prefix+"/users/{user}", a.authorised(a.userQuery))
		mux.HandleFunc("GET "+prefix+"/rooms/{alias}", a.authorised(noSuch))
	}
	mux.HandleFunc("POST /_matrix/app/v1/ping", a.authorised(func(w http.ResponseWriter, _ *http.Request) { reply(w, struct{}{}) }))
	a.thirdparty(mux)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]bool{"serving": a.serving() != nil})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "M_UNRECOGNIZED", "Unrecognized request")
	})
	srv := &http.Server{
		Handler: mux, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	a.cfg.Timeouts.Apply(srv, func() { a.host.Metrics().Count("connections_silent", 1) })
	return srv
}

// authorised lets only the homeserver pass, which shows its token in a header, or in
// the query as before version 1.4 of the specification. A node that stands by passes
// requests on to the one that serves.
func (a *Adapter) authorised(next http.HandlerFunc) http.HandlerFunc {
	want := sha256.Sum256([]byte(a.reg.ServerToken))
	return func(w http.ResponseWriter, r *http.Request) {
		token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !bearer {
			token = r.URL.Query().Get("access_token")
		}
		got := sha256.Sum256([]byte(token))
		switch {
		case token == "":
			refuse(w, http.StatusUnauthorized, "M_UNAUTHORIZED", "Missing token")
			return
		case subtle.ConstantTimeCompare(got[:], want[:]) != 1:
			a.host.Metrics().Count("wrong_tokens", 1)
			refuse(w, http.StatusForbidden, "M_FORBIDDEN", "Bad token")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, int64(a.cfg.MaxTransaction))
		if a.serving() == nil {
			a.passOn(w, r)
			return
		}
		next(w, r)
	}
}

func noSuch(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusNotFound, "M_NOT_FOUND", "There is no such room")
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who does not read it asks again
}

// refuse answers in Matrix's form of an error.
func refuse(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"errcode": code, "error": text}) // as above
}
