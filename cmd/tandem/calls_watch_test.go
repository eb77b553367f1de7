package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
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
	longAgo := began.Add(-time.Second)
	old := over
	old.ID, old.Ended = "c0", &longAgo
	short := over // came and went between two listings
	short.ID = "c2"
	l := &listings{}
	l.set(&admin.Calls{At: began, Calls: []admin.Call{ringing}})
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
	l.set(&admin.Calls{At: began.Add(time.Second), Calls: []admin.Call{old, answered}})
	next("c1  answered  alice  bob")
	l.set(&admin.Calls{At: began.Add(31 * time.Second), Calls: []admin.Call{over, short}})
	next("c1  ended: normal")
	next("c2  ended: normal")
	cancel()
	if lines.Scan() {
		t.Errorf("more: %q", lines.Text())
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// With more calls than are listed, one that is not is not forgotten: it would be
// shown anew whenever it is.
func TestWatchMoreThanAreListed(t *testing.T) {
	call := admin.Call{ID: "c1", State: "answered", Caller: "alice", Callee: "bob", Kinds: []string{"sylkrtc"}}
	var out strings.Builder
	w := &callsWatch{cmd: &callsListCmd{}, out: &out, shown: map[string]string{}}
	for _, calls := range []admin.Calls{{Calls: []admin.Call{call}}, {More: true}, {Calls: []admin.Call{call}, More: true}} {
		if err := w.printChanges(calls); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("shown %d times:\n%s", n, out.String())
	}
}

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// What cannot be written ends it, in both forms.
func TestWatchCannotWrite(t *testing.T) {
	l := &listings{}
	l.set(&admin.Calls{At: time.Now(), Calls: []admin.Call{{ID: "c1", State: "ringing"}}})
	s := httptest.NewServer(l)
	defer s.Close()
	for _, asJSON := range []bool{false, true} {
		c := callsListCmd{adminFlags: adminFlags{Admin: s.URL, Timeout: 5 * time.Second}, Every: 50 * time.Millisecond, JSON: asJSON}
		if err := c.watch(t.Context(), fullDisk{}, io.Discard); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("json %v: %v", asJSON, err)
		}
	}
}

func TestWatchNothing(t *testing.T) {
	c := callsListCmd{adminFlags: adminFlags{Admin: "http://127.0.0.1:1", Timeout: time.Second}, Every: time.Second}
	if err := c.watch(t.Context(), io.Discard, io.Discard); err == nil {
		t.Error("nobody answers, and nobody is told")
	}
}
