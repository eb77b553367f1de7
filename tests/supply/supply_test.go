package main

import (
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// The bill of materials names exactly what the linker put into the program.
func TestBillIsOfTheProgram(t *testing.T) {
	name := filepath.Join(t.TempDir(), "bom.json")
	if err := run([]string{"sbom", name}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var b struct {
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	var billed, linked []string
	for _, c := range b.Components {
		if c.Name != "std" {
			billed = append(billed, c.Name+" "+c.Version)
		}
	}
	binary, err := harness.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(binary.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range info.Deps {
		if !strings.HasPrefix(d.Path, "github.com/tandem-rtc/") {
			linked = append(linked, d.Path+" "+d.Version)
		}
	}
	slices.Sort(billed)
	slices.Sort(linked)
	if len(linked) == 0 || !slices.Equal(billed, linked) {
		t.Errorf("billed:\n%s\nlinked:\n%s", strings.Join(billed, "\n"), strings.Join(linked, "\n"))
	}
}

// TestVulnerabilitiesAreFound: the pinned scanner reads our code, finds what a
// database warns of, and fails without a database.
func TestVulnerabilitiesAreFound(t *testing.T) {
	db, err := filepath.Abs("testdata/vulndb")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "govulncheck", "-db", "file://"+db, "./bus")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "GO-0000-0001") {
		t.Errorf("a vulnerability in what the bus calls: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), "../../.ci/vuln.sh", "file://"+t.TempDir()).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "there is no database") {
		t.Errorf("no database: %v\n%s", err, out)
	}
	// What listens nowhere cannot be read either.
	out, err = exec.CommandContext(t.Context(), "../../.ci/vuln.sh", "http://127.0.0.1:1").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "could not be read") {
		t.Errorf("a database that cannot be reached: %v\n%s", err, out)
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{nil, {"sbom"}, {"licences", "x"}, {"what", "x"}} {
		if run(args) == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
