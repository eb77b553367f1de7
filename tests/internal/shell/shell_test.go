package shell

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// soon is more than any of these commands takes.
const soon = time.Minute

func TestBlocks(t *testing.T) {
	s := New(t, Options{Dir: t.TempDir(), Env: []string{"SAID=hello"}})
	if out := s.Run(t, "x=\"$SAID, you\"\nsleep 60 > log &", soon); strings.TrimSpace(out) != "" {
		t.Errorf("said %q", out)
	}
	if out := s.Run(t, "echo \"$x\"; jobs | wc -l\nls", soon); strings.TrimSpace(out) != "hello, you\n1\nlog" {
		t.Errorf("said %q", out)
	}
	out, err := s.Try("echo before\nls nothing\necho after", soon)
	if err == nil || !strings.Contains(err.Error(), `status "2"`) || !strings.Contains(out, "before") || strings.Contains(out, "after") {
		t.Errorf("a block that fails: %v", err)
	}
	if _, err := s.Try("true", soon); err == nil {
		t.Error("the shell goes on")
	}
}

// Machines have names for each other, and ports of their own; the test can be on one.
func TestMachines(t *testing.T) {
	machines := Network(t, Options{Dir: t.TempDir()}, "one", "two")
	for name, m := range machines {
		l := m.Listen(t, ":80")
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("this is " + name)) })}
		go func() { _ = srv.Serve(l) }() // until it is closed
		t.Cleanup(func() { _ = srv.Close() })
	}
	for name, m := range machines {
		out := m.Run(t, "for host in localhost one two; do curl -sS http://$host/; echo; done", soon)
		if want := "this is " + name + "\nthis is one\nthis is two"; strings.TrimSpace(out) != want {
			t.Errorf("%s hears\n%s", name, out)
		}
	}
	own := NewMachine(t, Options{Dir: t.TempDir()}, map[string]string{"example.org": "203.0.113.10"})
	out := own.Run(t, "getent hosts example.org; curl -sS http://example.org/ 2>&1 || true", soon)
	if !strings.Contains(out, "203.0.113.10") || !strings.Contains(out, "Failed to connect") {
		t.Errorf("said %s", out)
	}
}
