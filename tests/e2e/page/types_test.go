package page

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const sources = "../../../services/console/web"

func TestPageTypes(t *testing.T) {
	tools, err := install(t)
	if err != nil {
		t.Fatal(err)
	}
	compiler := filepath.Join(tools, "node_modules", "typescript", "bin", "tsc")
	out, err := exec.CommandContext(t.Context(), "node", compiler, "--noEmit", "--project", sources).CombinedOutput() //nolint:gosec // our own tree
	if err != nil {
		t.Errorf("tsc: %v\n%s", err, out)
	}
}

// install gives a directory with the packages of the lock file. It is named by
// the lock file's contents and complete once it is there: others may install
// at the same time.
func install(t *testing.T) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		return "", err
	}
	parent := filepath.Join(cache, "tandem", "npm")
	done := filepath.Join(parent, fmt.Sprintf("%x", sha256.Sum256(lock))[:16])
	if _, err := os.Stat(done); err == nil {
		return done, nil
	}
	if err := os.MkdirAll(parent, 0o750); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(parent, "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work) //nolint:errcheck // a left-over directory harms nobody
	for _, name := range []string{"package.json", "package-lock.json"} {
		data, err := os.ReadFile(name) //nolint:gosec // fixed names
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(work, name), data, 0o600); err != nil {
			return "", err
		}
	}
	ci := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	ci.Dir = work
	if out, err := ci.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	if err := os.Rename(work, done); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, there := os.Stat(done); there != nil {
			return "", err
		}
	}
	return done, nil
}
