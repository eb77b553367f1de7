package homeserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is a running homeserver. Its methods may be called from any goroutine.
type Server struct {
	// URL is where its client-server API is.
	URL string

	name, secret string
	http         *http.Server
	ctx          context.Context //nolint:containedctx // its life
	stop         context.CancelFunc
	running      sync.WaitGroup

	mu       sync.Mutex
	change   chan struct{} // closed and replaced with each event
	users    map[string]*user
	sessions map[string]session // by access token
	rooms    map[string]*room
	events   []*Event          // in order; a position is how many there were
	sent     map[string]string // event ids by session and transaction
	filters  []json.RawMessage
	services []*service
	faults   faults
	bad      []error
	minted   int
}

// Start runs a homeserver of that name on a loopback port that the kernel chooses.
// secret is for Register's API ("registration_shared_secret"). Close ends it.
func Start(name, secret string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("homeserver: %w", err)
	}
	s := &Server{
		URL: "http://" + l.Addr().String(), name: name, secret: secret, change: make(chan struct{}),
		users: map[string]*user{}, sessions: map[string]session{}, rooms: map[string]*room{}, sent: map[string]string{},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{Handler: s.faulty(s.routes()), ReadHeaderTimeout: 10 * time.Second}
	s.running.Go(func() { _ = s.http.Serve(l) })
	return s, nil
}

// Close ends it and everything that waits for it.
func (s *Server) Close() {
	s.stop()
	_ = s.http.Close()
	s.running.Wait()
}

// Name is the server's name, which ends its users' ids.
func (s *Server) Name() string { return s.name }

// request is a request of a session.
type request struct {
	*http.Request
	session
	// service is the application service whose token it came with, or nil.
	service *service
	body    json.RawMessage
}

// fault is an error answer.
type fault struct {
	status  int
	Code    string `json:"errcode"`
	Message string `json:"error"`
	// RetryAfter is for M_LIMIT_EXCEEDED.
	RetryAfter int64 `json:"retry_after_ms,omitempty"`
}

func (f *fault) Error() string { return f.Code + ": " + f.Message }

func no(status int, code, format string, args ...any) *fault {
	return &fault{status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func notFound(what string) *fault { return no(http.StatusNotFound, "M_NOT_FOUND", "no such %s", what) }

func forbidden(why string) *fault { return no(http.StatusForbidden, "M_FORBIDDEN", "%s", why) }

type handler func(r *request) (any, error)

type none struct{}

// routes are the API. {v} is v3 or r0.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	open := func(pattern string, h handler) { mux.HandleFunc(pattern, s.serve(h, false)) }
	closed := func(pattern string, h handler) { mux.HandleFunc(pattern, s.serve(h, true)) }
	const c = " /_matrix/client/{v}"
	open("GET /_matrix/client/versions", s.versions)
	open("POST"+c+"/register", s.register)
	open("POST"+c+"/login", s.login)
	open("GET /_synapse/admin/v1/register", s.nonce)
	open("POST /_synapse/admin/v1/register", s.adminRegister)
	open("GET"+c+"/profile/{user}", s.profile)
	open("GET"+c+"/profile/{user}/{field}", s.profile)
	closed("PUT"+c+"/profile/{user}/{field}", s.setProfile)
	closed("POST"+c+"/logout", s.logout)
	closed("GET"+c+"/account/whoami", s.whoami)
	closed("GET"+c+"/capabilities", func(*request) (any, error) { return map[string]any{"capabilities": none{}}, nil })
	closed("POST"+c+"/createRoom", s.createRoom)
	closed("POST"+c+"/join/{room}", s.join)
	closed("POST"+c+"/rooms/{room}/join", s.join)
	closed("POST"+c+"/rooms/{room}/invite", s.invite)
	closed("POST"+c+"/rooms/{room}/leave", s.leave)
	closed("POST"+c+"/rooms/{room}/kick", s.kick)
	closed("POST"+c+"/rooms/{room}/forget", func(*request) (any, error) { return none{}, nil })
	closed("GET"+c+"/joined_rooms", s.joinedRooms)
	closed("GET"+c+"/rooms/{room}/joined_members", s.joinedMembers)
	closed("GET"+c+"/rooms/{room}/members", s.members)
	closed("PUT"+c+"/rooms/{room}/send/{type}/{txn}", s.send)
	closed("PUT"+c+"/rooms/{room}/state/{type}", s.sendState)
	closed("PUT"+c+"/rooms/{room}/state/{type}/{$}", s.sendState)
	closed("PUT"+c+"/rooms/{room}/state/{type}/{key}", s.sendState)
	closed("GET"+c+"/rooms/{room}/state", s.allState)
	closed("GET"+c+"/rooms/{room}/state/{type}", s.oneState)
	closed("GET"+c+"/rooms/{room}/state/{type}/{$}", s.oneState)
	closed("GET"+c+"/rooms/{room}/state/{type}/{key}", s.oneState)
	closed("GET"+c+"/rooms/{room}/messages", s.messages)
	closed("GET"+c+"/rooms/{room}/event/{event}", s.oneEvent)
	closed("PUT"+c+"/rooms/{room}/typing/{user}", func(*request) (any, error) { return none{}, nil })
	closed("POST"+c+"/rooms/{room}/receipt/{type}/{event}", func(*request) (any, error) { return none{}, nil })
	closed("PUT"+c+"/presence/{user}/status", func(*request) (any, error) { return none{}, nil })
	closed("POST"+c+"/user/{user}/filter", s.makeFilter)
	closed("PUT"+c+"/user/{user}/account_data/{type}", s.setData)
	closed("GET"+c+"/user/{user}/account_data/{type}", s.data)
	closed("GET"+c+"/sync", s.sync)
	closed("GET"+c+"/thirdparty/protocols", s.protocols)
	closed("GET"+c+"/thirdparty/protocol/{protocol}", s.protocol)
	closed("GET"+c+"/thirdparty/user/{protocol}", s.thirdPartyUser)
	mux.HandleFunc("/", s.serve(func(r *request) (any, error) {
		return nil, no(http.StatusNotFound, "M_UNRECOGNIZED", "%s %s is not served", r.Method, r.URL.Path)
	}, false))
	return mux
}

// serve makes a handler of the API one of HTTP.
func (s *Server) serve(h handler, closed bool) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		r := &request{Request: hr}
		var out any
		body, err := io.ReadAll(io.LimitReader(hr.Body, 1<<20))
		r.body = body
		if err == nil && closed {
			err = s.authenticate(r)
		}
		if err == nil {
			out, err = h(r)
		}
		status := http.StatusOK
		if err != nil {
			var f *fault
			if !errors.As(err, &f) {
				f = no(http.StatusBadRequest, "M_BAD_JSON", "%v", err)
			}
			status, out = f.status, f
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(out)
	}
}

// read reads the request's body.
func (r *request) read(into any) error {
	if len(r.body) == 0 {
		return nil
	}
	return json.Unmarshal(r.body, into)
}

// mint makes an id that nobody has. s.mu is held.
func (s *Server) mint(prefix string) string {
	s.minted++
	return fmt.Sprintf("%s%06d", prefix, s.minted)
}

func (s *Server) versions(*request) (any, error) {
	return map[string]any{"versions": []string{"r0.6.1", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6"}}, nil
}
