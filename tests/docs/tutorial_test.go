package docs

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/markdown"
	"github.com/tandem-rtc/tandem/tests/internal/shell"
)

const module = "github.com/tandem-rtc/tandem"

// TestTutorial follows docs/writing-an-adapter.md: its blocks make a module, and
// the module's conformance test passes.
func TestTutorial(t *testing.T) {
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(checkout, "docs", "writing-an-adapter.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var names []string
	files := map[string]string{}
	blocks, _ := markdown.Parse(string(text))
	for _, b := range blocks {
		switch {
		case b.Language != "go":
			continue
		case b.File == "":
			t.Errorf("line %d: the block of Go does not say which file it is of", b.Line)
		case files[b.File] == "":
			names = append(names, b.File)
			files[b.File] = b.Text
		default:
			files[b.File] += "\n" + b.Text
		}
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	goFiles(t, checkout, dir)

	if out := run(t, dir, "gofmt", append([]string{"-l"}, names...)...); out != "" {
		t.Errorf("not formatted as gofmt does: %s", out)
	}
	run(t, dir, "go", "vet", "./...")
	out := run(t, dir, "go", "test", "-race", "-count=1", "-timeout=4m", "-run", "Conformance", "-v", ".")
	if !strings.Contains(out, "--- PASS: TestConformance ") {
		t.Errorf("the conformance test did not run:\n%s", out)
	}
	runTutorial(t, dir, blocks)
}

// runTutorial runs the adapter as the tutorial says, as a process of its own beside
// an exchange, and signs Alice in.
func runTutorial(t *testing.T, dir string, blocks []markdown.Block) {
	t.Helper()
	binary, err := harness.Build(t.TempDir())
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "bin"), 0o750)
	}
	if err == nil {
		err = os.Symlink(binary.Path, filepath.Join(dir, "bin", "tandem"))
	}
	if err != nil {
		t.Fatal(err)
	}
	var serve string
	for _, b := range blocks {
		if b.Language == "sh" && strings.Contains(b.Text, "bin/tandem serve") {
			serve = strings.Replace(b.Text, "bin/tandem serve", "exec bin/tandem serve", 1)
		}
	}
	m := shell.NewMachine(t, shell.Options{Dir: dir, Env: append(offline(), "XDG_STATE_HOME="+dir)}, nil)
	secret, _, _ := strings.Cut(serve, "\n")
	out := m.Run(t, "("+serve+") > serve.log 2>&1 &\nuntil bin/tandem health; do sleep 0.2; done\n"+
		secret+"\ngo run ./cmd/plaind > plaind.log 2>&1 &\nuntil grep -q ready plaind.log; do sleep 0.2; done\n"+
		`exec 3<>/dev/tcp/127.0.0.1/7070
printf 'HELLO alice@demo.test %s\n' "$(printf alice:demo.test:demo | md5sum | cut -d' ' -f1)" >&3
read -r answer <&3
echo "$answer"`, 2*time.Minute)
	if !strings.Contains(out, "OK HELLO") {
		t.Errorf("Alice is not signed in:\n%s", out)
	}
}

// offline are the settings of Go with which the tutorial's module is built.
func offline() []string {
	return []string{"GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off"}
}

// goFiles makes go.mod and go.sum, with the versions that the checkout builds
// with: then nothing has to be fetched.
func goFiles(t *testing.T, checkout, dir string) {
	t.Helper()
	edit := []string{"mod", "edit", "-require=" + module + "@v0.0.0", "-replace=" + module + "=" + checkout}
	list := exec.CommandContext(t.Context(), "go", "list", "-deps",
		"-f", "{{with .Module}}{{if not (or .Main .Replace)}}-require={{.Path}}@{{.Version}}{{end}}{{end}}",
		module+"/adapters/kit/kittest", module+"/bus/natsbus")
	list.Stderr = os.Stderr
	needed, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	run(t, dir, "go", "mod", "init", "example.com/plain")
	run(t, dir, "go", append(edit, strings.Fields(string(needed))...)...)
	var sums bytes.Buffer
	for _, name := range []string{"go.sum", "tests/go.sum", "go.work.sum"} {
		text, err := os.ReadFile(filepath.Join(checkout, name))
		if err != nil {
			t.Fatal(err)
		}
		sums.Write(text)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sums.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs a command in the tutorial's module, without a network.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), offline()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
