package lint

import (
	"go/format"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

func TestGoRules(t *testing.T) {
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			for _, f := range repo(t).Go {
				if f.Generated {
					continue
				}
				for _, found := range rule.Check(f) {
					t.Errorf("%s: %s", found, rule.Reason)
				}
			}
		})
	}
}

func TestBoundaries(t *testing.T) {
	for _, b := range Boundaries() {
		for _, f := range repo(t).Go {
			for _, found := range b.Check(f) {
				t.Errorf("%s: %s", found, b.Reason)
			}
		}
	}
}

// A rule that finds nothing wrong with wrong code is no rule.
func TestGoRulesFindViolations(t *testing.T) {
	bad := map[string][]struct{ path, source string }{
		"no-init":  {{"x/a.go", "package x\nfunc init() {}"}},
		"no-panic": {{"x/a.go", `package x; func F() { panic("x") }`}},
		"no-exit": {
			{"x/a.go", `package x; import "os"; func F() { os.Exit(1) }`},
			{"x/a.go", `package x; import "log"; func F() { log.Fatalf("") }`},
		},
		"no-global-log": {
			{"x/a.go", `package x; import "log/slog"; func F() { slog.InfoContext(nil, "") }`},
			{"x/a.go", `package x; import "log/slog"; var l = slog.Default()`},
			{"x/a.go", `package x; import "log"; func F() { log.Print() }`},
		},
		"call-ids": {{"x/a.go", `package x; func F() { log.Info("x", "leg", l.id) }`}},
		"no-sleep": {
			{"x/a_test.go", `package x; import "time"; func f() { time.Sleep(1) }`},
			{"x/xtest/a.go", `package xtest; import ("testing"; "time"); func F(*testing.T) { time.Sleep(1) }`},
		},
		"no-skip": {{"x/a_test.go", `package x; import "testing"; func TestX(t *testing.T) { t.Skip() }`}},
		"documented": {
			{"x/a.go", "package x\nfunc F() {}"},
			{"x/a.go", "package x\ntype T struct{}"},
			{"x/a.go", "package x\n// T is.\ntype T[E any] struct{}\nfunc (t *T[E]) M() {}"},
			{"x/a.go", "package x\nconst (\nA = 1\n)"},
			{"x/a.go", "package x\n// All.\ntype (\nT int\n)"},
		},
	}
	for _, rule := range Rules() {
		if len(bad[rule.Name]) == 0 {
			t.Errorf("rule %s has no example of what it finds", rule.Name)
		}
		for _, c := range bad[rule.Name] {
			f, err := ParseGo(token.NewFileSet(), c.path, []byte(c.source))
			if err != nil {
				t.Fatal(err)
			}
			if len(rule.Check(f)) == 0 {
				t.Errorf("rule %s finds nothing in %s: %q", rule.Name, c.path, c.source)
			}
		}
	}
}

func TestGoRulesSpareWhatIsAllowed(t *testing.T) {
	const good = `package main
import ("os"; "time"; "testing/synctest")
func main() { os.Exit(1) }
func f() { synctest.Test(nil, func() { time.Sleep(1) }) }
type t struct{}
func (t) M() {}
`
	f, err := ParseGo(token.NewFileSet(), "tests/x_test.go", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range Rules() {
		for _, found := range rule.Check(f) {
			t.Errorf("rule %s finds %s", rule.Name, found)
		}
	}
}

func TestBoundariesFindViolations(t *testing.T) {
	for _, c := range []struct {
		file, imported string
		banned         bool
	}{
		{"schema/a.go", "github.com/nats-io/nats.go", true},
		{"schema/a.go", "go.uber.org/goleak", true},
		{"schema/a_test.go", Module + "/bus", true},
		{"schema/a.go", "google.golang.org/protobuf/proto", false},
		{"schema/a.go", "crypto/rand", false},
		{"schema/a.go", Module + "/schema/tandem/call/v1", false},
		{"bus/a.go", Module + "/services/directory", true},
		{"bus/natsbus/a.go", "github.com/nats-io/nats.go", false},
		{"bus/natsbus/a_test.go", "github.com/nats-io/nats-server/v2/server", true},
		{"bus/membus/a.go", "github.com/nats-io/nats.go", true},
		{"adapters/kit/a.go", "github.com/nats-io/nats.go", true},
		{"adapters/kit/a.go", Module + "/services/callstate", true},
		{"adapters/kit/kittest/a.go", Module + "/services/callstate", false},
		{"adapters/sylkrtc/a.go", Module + "/adapters/grpcpipe", true},
		{"adapters/sylkrtc/a.go", Module + "/adapters/kit", false},
		{"adapters/sylkrtc/wire/a.go", Module + "/adapters/sylkrtc/wire2", false},
		{"adapters/sylkrtc/a.go", Module + "/services/directory", true},
		{"adapters/sylkrtc/a.go", "github.com/prometheus/client_golang/prometheus", true},
		{"adapters/sylkrtc/a.go", "github.com/coder/websocket", false},
		{"adapters/grpcpipe/a.go", "github.com/coder/websocket", true},
		{"adapters/sylkrtc/a.go", "google.golang.org/grpc", true},
		{"services/callstate/a.go", "github.com/pion/webrtc/v4", true},
		{"services/callstate/a.go", Module + "/services/media", true},
		{"services/callstate/a.go", Module + "/services/callstate/step", false},
		{"services/callstate/a.go", Module + "/services/directory", true},
		{"services/callstate/a_test.go", Module + "/services/directory", false},
		{"services/media/a.go", "github.com/pion/webrtc/v4", false},
		{"services/console/a.go", "github.com/evanw/esbuild/pkg/api", false},
		{"services/directory/a.go", "github.com/evanw/esbuild/pkg/api", true},
		{"bus/a.go", "go.opentelemetry.io/otel/trace", true},
		{"cmd/tandem/a.go", "go.opentelemetry.io/otel/trace", false},
		{"services/directory/a.go", "github.com/go-jose/go-jose/v4", true},
		{"services/directory/jwt/a.go", "github.com/go-jose/go-jose/v4/jwt", false},
		{"services/directory/jwt/a.go", Module + "/services/directory", false},
		{"services/directory/a.go", Module + "/cmd/tandem/internal/config", true},
		{"cmd/tandem/a.go", "github.com/nats-io/nats-server/v2/server", false},
		{"tests/e2e/a.go", "github.com/pion/webrtc/v4", false},
	} {
		f, err := ParseGo(token.NewFileSet(), c.file, []byte("package x\nimport \""+c.imported+"\"\n"))
		if err != nil {
			t.Fatal(err)
		}
		banned := slices.ContainsFunc(Boundaries(), func(b Boundary) bool { return len(b.Check(f)) > 0 })
		if banned != c.banned {
			t.Errorf("%s importing %s: banned is %v", c.file, c.imported, banned)
		}
	}
}

// Every package says what it is for and what it must never know.
func TestPackagesHaveComments(t *testing.T) {
	packages, commented := map[string]bool{}, map[string]bool{}
	for _, f := range repo(t).Go {
		if f.Generated || f.AST.Name.Name == "main" && f.Dir() == "." {
			continue
		}
		packages[f.Dir()] = true
		if f.AST.Doc != nil {
			commented[f.Dir()] = true
		}
	}
	for dir := range packages {
		if !commented[dir] {
			t.Errorf("%s has no package comment: a reader must learn what it is for and what it must never know; add doc.go", dir)
		}
	}
}

func TestGofmt(t *testing.T) {
	for _, f := range repo(t).Go {
		want, err := format.Source(f.Source)
		if err != nil {
			t.Errorf("%s: %v", f.Path, err)
		} else if string(want) != string(f.Source) {
			t.Errorf("%s is not formatted: diffs must show changes, not taste; run gofmt -w", f.Path)
		}
	}
}

// What JavaScript test runners call skipping, or running one test only.
func TestNoSkippedJavaScriptTests(t *testing.T) {
	for _, p := range repo(t).Files {
		if !slices.Contains([]string{".ts", ".js", ".mjs"}, path.Ext(p)) || !strings.Contains(p, "test") {
			continue
		}
		source, err := repo(t).Read(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, runner := range []string{"test", "it", "describe"} {
			for _, mode := range []string{"skip", "only", "todo", "fixme"} {
				if strings.Contains(string(source), runner+"."+mode+"(") {
					t.Errorf("%s: uses %s.%s: a test that does not run looks like a passed one", p, runner, mode)
				}
			}
		}
	}
}
