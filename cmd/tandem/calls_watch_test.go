package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/admin"
)

// listings is an operator's port whose calls change; each listing is given until
// the next is set. Nil is one that fails.
type listings struct {
	mu  sync.Mutex
	now *admin.Calls
}

func (l *listings) set(c *admin.Calls) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = c
}

func (l *listings) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_ = json.NewEncoder(w).Encode(l.now)
}

func TestWatchCalls(t *testing.T) {
	began := time.Now().Add(-time.Minute)
	ended := began.Add(30 * time.Second)
	ringing := admin.Call{ID: "c1", State: "ringing", Caller: "alice", Callee: "bob", Created: began, Kinds: []string{"sylkrtc"}}
	answered := ringing
	answered.State = "answered"
	over := answered
	over.State, over.Reason, over.Ended = "ended", "normal", &ended
	old := over
	old.ID = "c0"
	l := &listings{}
	l.set(&admin.Calls{Calls: []admin.Call{old, ringing}})
	s := httptest.NewServer(l)
	defer s.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		c := callsListCmd{adminFlags: adminFlags{Admin: s.URL, Timeout: 5 * time.Second}, Every: 50 * time.Millisecond}
		done <- c.watch(ctx, w, io.Discard)
		_ = w.Close()
	}()
	lines := bufio.NewScanner(r)
	next := func(want string) {
		t.Helper()
		if !lines.Scan() || !strings.Contains(lines.Text(), want) {
			t.Fatalf("%q, want %q", lines.Text(), want)
		}
	}
	next("c1  ringing  alice  bob  sylkrtc")
	l.set(nil) // an outage is survived
	l.set(&admin.Calls{Calls: []admin.Call{old, answered}})
	next("c1  answered  alice  bob")
	l.set(&admin.Calls{Calls: []admin.Call{over}})
	next("c1  ended: normal")
	cancel()
	if lines.Scan() {
		t.Errorf("more: %q", lines.Text())
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWatchNothing(t *testing.T) {
	c := callsListCmd{adminFlags: adminFlags{Admin: "http://127.0.0.1:1", Timeout: time.Second}, Every: time.Second}
	if err := c.watch(t.Context(), io.Discard, io.Discard); err == nil {
		t.Error("nobody answers, and nobody is told")
	}
}
