package matrix

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"maunium.net/go/mautrix/appservice"

	"github.com/tandem-rtc/tandem/adapters/kit"
)

// counting is a host whose metrics a test looks at.
type counting struct {
	fakeHost
	mu sync.Mutex
	n  map[string]int
}

func (h *counting) Metrics() kit.Metrics { return h }
func (h *counting) Gauge(string, int)    {}

func (h *counting) Count(name string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n[name] += n
}

// counted waits until something was counted n times.
func (h *counting) counted(t *testing.T, name string, n int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-tick.C {
		h.mu.Lock()
		got := h.n[name]
		h.mu.Unlock()
		switch {
		case got == n:
			return
		case time.Now().After(end):
			t.Fatalf("%s is counted %d times, want %d", name, got, n)
		}
	}
}

// What the homeserver's port refuses is counted, and one address cannot take it up.
func TestPortRefusals(t *testing.T) {
	h := &counting{n: map[string]int{}}
	cfg := Defaults()
	cfg.Listen, cfg.MaxConnections, cfg.PerAddress, cfg.MaxTransaction = "127.0.0.1:0", 10, 4, 1024
	cfg.Timeouts.Header = 300 * time.Millisecond
	a := &Adapter{cfg: cfg, host: h, log: slog.New(slog.DiscardHandler), reg: &appservice.Registration{ServerToken: "secret"}}
	a.term = &term{a: a, cfg: cfg, log: a.log, ctx: t.Context()}
	l, err := a.listen()
	if err != nil {
		t.Fatal(err)
	}
	srv := a.webServer()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = srv.Serve(l)
	}()
	defer func() {
		_ = srv.Close()
		<-ended
	}()
	ask := func(token, body string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+l.Addr().String()+"/_matrix/app/v1/transactions/1", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Close = true
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	for _, tt := range []struct {
		what, token, body string
		want              int
		counts            map[string]int
	}{
		{"a wrong token", "wrong", "{}", http.StatusForbidden, map[string]int{"wrong_tokens": 1}},
		{"nothing to do", "secret", `{"events":[]}`, http.StatusOK, nil},
		{"too long", "secret", `{"events":["` + strings.Repeat("x", 2048) + `"]}`, http.StatusRequestEntityTooLarge, map[string]int{"bad_transactions": 1}},
		{"no JSON", "secret", "\x00", http.StatusBadRequest, map[string]int{"bad_transactions": 2}},
		{"nested without end", "secret", `{"events":` + strings.Repeat("[", 1000), http.StatusBadRequest, map[string]int{"bad_transactions": 3}},
		{"no events", "secret", `{"events":[1,"",null,{"type":1},{"content":{"a":"` + "\\u0000" + `"}}]}`, http.StatusOK, map[string]int{"bad_events": 3}},
	} {
		if got := ask(tt.token, tt.body); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.what, got, tt.want)
		}
		for name, n := range tt.counts {
			h.counted(t, name, n)
		}
	}

	from := func(ip string) net.Conn {
		t.Helper()
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}).DialContext(context.Background(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	var hold []net.Conn
	for range 5 { // the fifth is one too many of its address
		hold = append(hold, from("127.0.0.2"))
	}
	if got := ask("secret", `{"events":[]}`); got != http.StatusOK {
		t.Errorf("while another address has all it may: %d", got)
	}
	for i, c := range hold { // refused, or silent for too long
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("connection %d is told something", i)
		}
	}
	h.counted(t, "connections_refused", 1)
	h.counted(t, "connections_silent", 4)
}
