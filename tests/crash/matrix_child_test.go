package crash_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/matrix"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/faultbus"
	"github.com/tandem-rtc/tandem/bus/natsbus"
	"github.com/tandem-rtc/tandem/tests/internal/line"
)

// What the child with the Matrix adapter is told besides.
const (
	envHomeserver   = "TANDEM_CRASH_HOMESERVER"
	envRegistration = "TANDEM_CRASH_REGISTRATION"
	envLog          = "TANDEM_CRASH_LOG" // set: it logs to standard error
)

// matrixAdapter is the child: the Matrix adapter, which may die wherever it has done
// something that lasts, or is about to: an event of call state, a command, a write
// to the store, a request to the homeserver that changes something, the answer to
// one of its.
func matrixAdapter(ctx context.Context, ready func()) error {
	f, err := newFuse()
	if err != nil {
		return err
	}
	c, err := natsbus.Connect(ctx, natsbus.Config{URL: os.Getenv(envNATS), Kind: matrix.Kind, Node: "n1"})
	if err != nil {
		return err
	}
	b, err := bus.New(faultbus.Wrap(c, matrixHooks(f.point)), matrix.Kind, "n1")
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", os.Getenv(envAddr))
	if err != nil {
		return err
	}
	cfg := matrix.Defaults()
	cfg.Homeserver, cfg.Registration, cfg.ServerName = os.Getenv(envHomeserver), os.Getenv(envRegistration), line.MatrixServer
	cfg.Listener, cfg.CallsPerMinute = &mortalListener{l, f.point}, 1000
	dial := (&net.Dialer{}).DialContext
	http.DefaultTransport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) { //nolint:errcheck,forcetypeassert // documented type
		c, err := dial(ctx, network, addr)
		return &mortalAsker{Conn: c, point: f.point}, err
	}
	log := slog.New(slog.DiscardHandler)
	if os.Getenv(envLog) != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return kit.Run(ctx, matrix.Spec(), cfg, kit.Env{
		Bus: b, Terminals: bus.NewTerminals(b), Nodes: bus.NewNodes(b, time.Second, 5*time.Second),
		Key: line.Key(), Log: log,
	}, ready)
}

func matrixHooks(point func(string)) faultbus.Hooks {
	about := func(prefix, what string) faultbus.Hook {
		return func(op faultbus.Op) error {
			if strings.HasPrefix(op.Subject, prefix) {
				point(what)
			}
			return nil
		}
	}
	write := func(when string) faultbus.Hook {
		return func(op faultbus.Op) error {
			// The lease is written by the clock.
			if strings.HasPrefix(op.Subject, "adapter.") && op.Subject != "adapter.matrix.lease" {
				what, removed := strings.Split(op.Subject, ".")[2], ""
				if op.Data == nil {
					removed = "removed "
				}
				point(when + " a " + removed + what + " is stored")
			}
			return nil
		}
	}
	return faultbus.Hooks{
		BeforeHandle:  about("call.v1.ev.", "before an event is handled"),
		BeforeRespond: about("call.v1.ev.", "before an event is acknowledged"),
		AfterRespond:  about("call.v1.ev.", "after an event was acknowledged"),
		BeforeRequest: about("call.v1.cmd.", "before a command"), AfterRequest: about("call.v1.cmd.", "after a command"),
		BeforePut: write("before"), AfterPut: write("after"),
	}
}

// mortalAsker is a connection to the homeserver, with a point before each request
// that changes anything, and one when its answer is there.
type mortalAsker struct {
	net.Conn
	point func(string)

	mu   sync.Mutex
	asks string
}

func (c *mortalAsker) Write(b []byte) (int, error) {
	if what := asked(b); what != "" {
		c.mu.Lock()
		c.asks = what
		c.mu.Unlock()
		c.point("before " + what)
	}
	return c.Conn.Write(b)
}

func (c *mortalAsker) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if bytes.HasPrefix(b[:n], []byte("HTTP/")) {
		c.mu.Lock()
		what := c.asks
		c.asks = ""
		c.mu.Unlock()
		if what != "" {
			c.point("after " + what)
		}
	}
	return n, err
}

// asked names a request that changes something; "" for others, and for what is not
// the beginning of one.
func asked(b []byte) string {
	first, _, _ := bytes.Cut(b, []byte(" HTTP/"))
	method, path, ok := strings.Cut(string(first), " ")
	if !ok || method != http.MethodPut && method != http.MethodPost {
		return ""
	}
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if (p == "send" || p == "state") && i+1 < len(parts) {
			return parts[i+1] + " is sent"
		}
	}
	return method + " " + parts[len(parts)-1]
}

// mortalListener is the port, with a point before and after each answer to the
// homeserver that says that something was done.
type mortalListener struct {
	net.Listener
	point func(string)
}

func (l *mortalListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &mortalAnswerer{c, l.point}, nil
}

type mortalAnswerer struct {
	net.Conn
	point func(string)
}

func (c *mortalAnswerer) Write(b []byte) (int, error) {
	done := bytes.HasPrefix(b, []byte("HTTP/1.1 200"))
	if done {
		c.point("before a transaction is answered")
	}
	n, err := c.Conn.Write(b)
	if done {
		c.point("after a transaction was answered")
	}
	return n, err
}
