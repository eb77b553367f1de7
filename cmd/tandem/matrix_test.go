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

// Pods that know the seed agree with each other and with the homeserver, which gets
// what one of them shows.
func TestRegistrationOfASeed(t *testing.T) {
	seeds := t.TempDir()
	made := func(seed, name string) string {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "matrix"), 0o700); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(seeds, "seed")
		if err := os.WriteFile(file, []byte(seed), 0o600); err != nil {
			t.Fatal(err)
		}
		command := []string{"setup", "--dir", dir, "--seed-file", file, "--matrix-name", name, "--matrix-url", "http://tandem-matrix:8009"}
		if got := run(t.Context(), command); got != 0 {
			t.Fatalf("status %d", got)
		}
		return filepath.Join(dir, "matrix", "registration.yaml")
	}
	seed := strings.Repeat("0123456789abcdef", 2)
	path := made(seed, "example.org")
	one, err := matrix.LoadRegistration(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TANDEM_MATRIX_REGISTRATION", path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if shown, status := output(t, "matrix", "show"); status != 0 || shown != strings.TrimSpace(string(text)) {
		t.Errorf("shown: status %d\n%s", status, shown)
	}
	if _, status := output(t, "matrix", "show", filepath.Join(seeds, "none")); status == 0 {
		t.Error("a registration that is not there is shown")
	}
	same, err := matrix.LoadRegistration(made(seed, "example.org"))
	if err != nil || same.AppToken != one.AppToken || same.ServerToken != one.ServerToken || same.URL != "http://tandem-matrix:8009" {
		t.Errorf("%+v is not %+v, %v", same, one, err)
	}
	if one.AppToken == one.ServerToken || len(one.AppToken) < 50 {
		t.Errorf("tokens %q and %q", one.AppToken, one.ServerToken)
	}
	for _, other := range []string{made(strings.ToUpper(seed), "example.org"), made(seed, "example.net")} {
		if r, err := matrix.LoadRegistration(other); err != nil || r.AppToken == one.AppToken || r.ServerToken == one.ServerToken {
			t.Errorf("%+v of something else is %+v, %v", r, one, err)
		}
	}
}
