package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Binary is the built command under test.
type Binary struct {
	// Path is where it is.
	Path string
}

// Build builds cmd/tandem into dir. With $TANDEM_BINARY set it takes that one
// instead.
func Build(dir string) (Binary, error) {
	if path := os.Getenv("TANDEM_BINARY"); path != "" {
		return Binary{path}, nil
	}
	root, err := repository()
	if err != nil {
		return Binary{}, err
	}
	path := filepath.Join(dir, "tandem")
	build := exec.Command("go", "build", "-tags", "goolm", "-o", path, ".") //nolint:gosec // fixed program
	build.Dir = filepath.Join(root, "cmd", "tandem")
	if out, err := build.CombinedOutput(); err != nil {
		return Binary{}, fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return Binary{path}, nil
}

// Run runs the command with arguments until it ends, and gives what it wrote. It
// fails the test if the command fails.
func (b Binary) Run(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, b.Path, args...).CombinedOutput() //nolint:gosec // the binary under test
	if err != nil {
		t.Fatalf("tandem %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// repository finds the directory of go.work above the working directory.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.work above the working directory")
		}
		dir = up
	}
}

// natsServer finds the nats-server binary: $TANDEM_NATS_SERVER, or the one that
// "make tools" keeps in the user's cache.
func natsServer() (string, error) {
	if path := os.Getenv("TANDEM_NATS_SERVER"); path != "" {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "tandem", "bin", "nats-server")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the external NATS server is missing: %w", err)
	}
	return path, nil
}
