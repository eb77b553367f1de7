package port

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const patience = 20 * time.Second

// listener gives a port on loopback.
func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// dial connects from a loopback address of its own.
func dial(t *testing.T, from string, to net.Addr) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(t.Context(), "tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// exhausted is a listener whose process may open no more files.
type exhausted struct{ net.Listener }

func (e exhausted) Accept() (net.Conn, error) {
	return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: e.Addr(), Err: os.NewSyscallError("accept4", syscall.EMFILE)}
}

// Servers try on, many times a second: the log hears of it once a minute, and of a
// listener that was closed not at all.
func TestConnectionsThatCannotBeTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := listener(t)
		var log strings.Builder
		limits := Limits{Log: slog.New(slog.NewTextHandler(&log, nil))}
		l := limits.Wrap(exhausted{inner})
		for range 180 { // for three minutes
			if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) {
				t.Fatalf("accept: %v", err)
			}
			time.Sleep(time.Second)
		}
		if n := strings.Count(log.String(), "too many open files"); n != 3 || !strings.Contains(log.String(), inner.Addr().String()) {
			t.Errorf("told %d times:\n%s", n, log.String())
		}
		log.Reset()
		if err := inner.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := limits.Wrap(inner).Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		if log.Len() != 0 {
			t.Errorf("closed, and told: %s", log.String())
		}
	})
}

func TestConnectionLimits(t *testing.T) {
	refused := make(chan struct{}, 16)
	l := Limits{Total: 3, PerAddress: 2, Refused: func() { refused <- struct{}{} }}.Wrap(listener(t))
	accepted := make(chan net.Conn, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	taken := func(from string) net.Conn {
		t.Helper()
		dial(t, from, l.Addr())
		select {
		case c := <-accepted:
			return c
		case <-refused:
			t.Fatalf("%s is refused", from)
		case <-time.After(patience):
			t.Fatalf("%s is neither taken nor refused", from)
		}
		return nil
	}
	closed := func(from string) {
		t.Helper()
		c := dial(t, from, l.Addr())
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", from, err)
		}
		select {
		case <-refused:
		case <-time.After(patience):
			t.Errorf("%s: the refusal is not told", from)
		}
	}
	first := taken("127.0.0.1")
	taken("127.0.0.1")
	closed("127.0.0.1") // over its own
	taken("127.0.0.2")
	closed("127.0.0.3") // over all
	_ = first.Close()
	_ = first.Close() // counts once
	taken("127.0.0.2")
	closed("127.0.0.3")
	_ = l.Close()
	if _, open := <-accepted; open {
		t.Error("the end of the listener is not passed on")
	}
	if inner := listener(t); (Limits{}).Wrap(inner) != inner {
		t.Error("without limits there is nothing to wrap")
	}
}

func TestAddressesThatCountTogether(t *testing.T) {
	same := func(a, b string) bool {
		of := func(s string) netip.Addr { return addressOf(from{s}) }
		return of(a) == of(b)
	}
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"10.0.0.1:1", "10.0.0.1:2", true}, {"10.0.0.1:1", "[::ffff:10.0.0.1]:2", true}, {"10.0.0.1:1", "10.0.0.2:1", false},
		{"[2001:db8::1]:1", "[2001:db8::ffff]:1", true}, {"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
		{"[::1]:1", "[::1]:2", true}, {"pipe", "pipe", true},
	} {
		if same(tt.a, tt.b) != tt.want {
			t.Errorf("%s and %s", tt.a, tt.b)
		}
	}
}

// from is a connection with nothing but a peer.
type from struct{ address string }

func (f from) RemoteAddr() net.Addr           { return f }
func (f from) Network() string                { return "tcp" }
func (f from) String() string                 { return f.address }
func (from) LocalAddr() net.Addr              { return nil }
func (from) Read([]byte) (int, error)         { return 0, io.EOF }
func (from) Write([]byte) (int, error)        { return 0, io.EOF }
func (from) Close() error                     { return nil }
func (from) SetDeadline(time.Time) error      { return nil }
func (from) SetReadDeadline(time.Time) error  { return nil }
func (from) SetWriteDeadline(time.Time) error { return nil }

func TestTimeouts(t *testing.T) {
	silent := make(chan struct{}, 16)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, err == nil)
	})}
	Timeouts{Header: 100 * time.Millisecond, Read: 300 * time.Millisecond, Idle: 100 * time.Millisecond}.Apply(srv, func() { silent <- struct{}{} })
	l := listener(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	defer func() {
		_ = srv.Close()
		<-done
	}()
	ends := func(what, send string) string {
		t.Helper()
		c := dial(t, "127.0.0.1", l.Addr())
		if _, err := io.WriteString(c, send); err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(bufio.NewReader(c))
		if err, ok := err.(net.Error); ok && err.Timeout() {
			t.Errorf("%s: the connection stays", what)
		}
		return string(data)
	}
	told := func(what string) {
		t.Helper()
		select {
		case <-silent:
		case <-time.After(patience):
			t.Errorf("%s: not told", what)
		}
	}
	ends("no request", "")
	told("no request")
	ends("half a header", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	told("half a header")
	if got := ends("an idle connection", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.HasSuffix(got, "true") {
		t.Errorf("a good request: %q", got)
	}
	if got := ends("half a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"); strings.HasSuffix(got, "true") {
		t.Errorf("half a body: %q", got)
	}
	select {
	case <-silent:
		t.Error("who asked was told of as silent")
	default:
	}
	if DefaultTimeouts().Validate() != nil || (Timeouts{Header: time.Second, Read: time.Second}).Validate() == nil {
		t.Error("what is valid")
	}
}

// Of what ports share a part is kept for each, and what one does not use of the rest
// is there for the other.
func TestPortsShareABudget(t *testing.T) {
	refused := make(chan struct{}, 16)
	limits := Limits{Budget: NewBudget(10, 2), Refused: func() { refused <- struct{}{} }}
	one, two := limits.Wrap(listener(t)), limits.Wrap(listener(t))
	taken := make(chan net.Conn)
	for _, l := range []net.Listener{one, two} {
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return // the test has closed it
				}
				taken <- c
			}
		}()
	}
	var open []net.Conn
	take := func(l net.Listener) {
		t.Helper()
		dial(t, "127.0.0.1", l.Addr())
		select {
		case c := <-taken:
			open = append(open, c)
		case <-refused:
			t.Fatal("refused")
		case <-time.After(patience):
			t.Fatal("not taken")
		}
	}
	refuse := func(l net.Listener) {
		t.Helper()
		dial(t, "127.0.0.1", l.Addr())
		select {
		case <-taken:
			t.Fatal("taken")
		case <-refused:
		case <-time.After(patience):
			t.Fatal("neither taken nor refused")
		}
	}
	for range 9 {
		take(one)
	}
	refuse(one)
	take(two)
	refuse(two)
	_ = open[0].Close()
	take(two)
	refuse(one)
	refuse(two)
	_ = open[9].Close() // of the second
	take(one)
	refuse(two)
	for _, c := range open {
		_ = c.Close()
	}
}
