package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/matrix"
)

func TestMatrixRegistration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registration.yaml")
	command := []string{
		"matrix", "registration", "--server-name", "example.org", "--url", "http://tandem:8009", "--bot", "calls",
		"--prefix", "calls_", "-o", path,
	}
	if got := run(t.Context(), command); got != 0 {
		t.Fatalf("status %d", got)
	}
	r, err := matrix.LoadRegistration(path)
	if err != nil {
		t.Fatal(err)
	}
	if r.URL != "http://tandem:8009" || r.SenderLocalpart != "calls" || len(r.Namespaces.UserIDs) != 1 ||
		!strings.Contains(r.Namespaces.UserIDs[0].Regex, `calls_.*:example\.org`) {
		t.Errorf("registration %+v", r)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the tokens: %v, %v", info.Mode(), err)
	}
	if got := run(t.Context(), command); got == 0 {
		t.Error("tokens in use are replaced")
	}
	again, err := matrix.LoadRegistration(path)
	if err != nil || again.AppToken != r.AppToken {
		t.Errorf("the file has changed, %v", err)
	}
	if got := run(t.Context(), []string{"matrix", "registration", "--server-name", "example.org", "--url", "tandem"}); got == 0 {
		t.Error("a URL that is none is taken")
	}
}
