package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/adapters"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/admin"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
	"github.com/tandem-rtc/tandem/services/directory"
)

func TestReferenceIsCurrent(t *testing.T) {
	var b bytes.Buffer
	if err := writeReference(&b, "markdown"); err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), have) {
		t.Error("docs/config.md is not what tandem config reference prints: run go generate in cmd/tandem")
	}
}

// The reference is a configuration file, with every adapter's section.
func TestReferenceIsAConfiguration(t *testing.T) {
	var b bytes.Buffer
	if err := writeReference(&b, "yaml"); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "reference.yaml")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(adapters.All(), config.Source{File: name}); err != nil {
		t.Error(err)
	}
	for _, a := range adapters.All() {
		if !strings.Contains(b.String(), "\n"+a.Kind+":\n") {
			t.Errorf("no section for %s", a.Kind)
		}
	}
}

func TestExitStatus(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	for name, text := range map[string]string{good: "log: {level: warn}\n", bad: "log: {levle: warn}\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	devNull, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = devNull.Close() }()
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = devNull, devNull
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	for _, tt := range []struct {
		args string
		want int
	}{
		{"--help", 0},
		{"version", 0},
		{"licences", 0},
		{"config reference", 0},
		{"config check -c " + good, 0},
		{"config check -c " + bad, 1},
		{"config check --set demo=true --set directory.subscribers=[{\"id\":\"alice\"}]", 1},
		{"config show -c " + good + " --set log.format=json", 0},
		{"config show --set log.format=xml", 1},
		{"serve -c " + bad, 1},
		{"serve --roles=none", 1},
		{"calls --admin http://127.0.0.1:1", 1},
		{"health --admin http://127.0.0.1:1", 1},
		{"nonsense", 1},
		{"", 1},
	} {
		if got := run(t.Context(), strings.Fields(tt.args)); got != tt.want {
			t.Errorf("tandem %s: status %d, want %d", tt.args, got, tt.want)
		}
	}
}

func TestBanner(t *testing.T) {
	cfg, err := config.Load(adapters.All(), config.Source{Set: []string{"roles=nats,sylkrtc,grpcpipe,console"}})
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]string{"sylkrtc": "0.0.0.0:8080", "grpcpipe": "127.0.0.1:9091", "admin": "[::]:9464"}
	var b strings.Builder
	banner(&b, "bin/tandem", cfg, func(role string) string { return addresses[role] })
	for _, want := range []string{
		"http://127.0.0.1:8080/", "ws://127.0.0.1:8080/webrtcgateway/ws", "alice@demo.test", "+12025550101",
		"bin/tandem phone call +12025550199 --server 127.0.0.1:9091", `password "demo"`, "http://127.0.0.1:9464/readyz",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the banner lacks %q:\n%s", want, b.String())
		}
	}
	cfg.Demo = false
	b.Reset()
	banner(&b, "bin/tandem", cfg, func(role string) string { return addresses[role] })
	if strings.Contains(b.String(), "demo") {
		t.Errorf("the banner speaks of the demo:\n%s", b.String())
	}
}

func TestPrintCalls(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ended := now.Add(-time.Minute)
	var b strings.Builder
	if err := printCalls(&b, admin.Calls{Calls: []admin.Call{
		{ID: "c1", State: "ringing", Caller: "alice", Callee: "bob", Created: now.Add(-5 * time.Second), Kinds: []string{"sylkrtc", "grpcpipe"}},
		{ID: "c2", State: "ended", Reason: "not-found", Caller: "alice\x1b[2J", Dialled: "tel:+12025550198", Created: now.Add(-2 * time.Minute), Ended: &ended},
	}, More: true}, now); err != nil {
		t.Fatal(err)
	}
	const want = `CALL  STATE             FROM       TO                VIA                SINCE OFFER
c1    ringing           alice      bob               sylkrtc, grpcpipe  5s
c2    ended: not-found  alice [2J  tel:+12025550198                     1m0s
… and more
`
	if b.String() != want {
		t.Errorf("have\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := printCalls(&b, admin.Calls{}, now); err != nil || b.String() != "no calls\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	if err := printSubscribers(&b, admin.Subscribers{Subscribers: []directory.Listed{{ID: "a", Tokens: 1, Accounts: []string{"x"}}}}); err != nil || !strings.Contains(b.String(), "password, token") {
		t.Errorf("%q, %v", b.String(), err)
	}
}
