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

	"github.com/tandem-rtc/tandem/tests/internal/markdown"
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
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
