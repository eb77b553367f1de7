package supply

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../../.."

func TestModules(t *testing.T) {
	modules, err := Modules(root)
	if err != nil {
		t.Fatal(err)
	}
	find := func(path string) Module {
		i := slices.IndexFunc(modules, func(m Module) bool { return m.Path == path })
		if i < 0 {
			t.Fatalf("%s is not found", path)
		}
		return modules[i]
	}
	grpc := find("google.golang.org/grpc")
	if !grpc.Linked || !slices.Contains(grpc.Licences, "Apache-2.0") || grpc.Version == "" || !strings.HasPrefix(grpc.Sum, "h1:") ||
		!slices.Contains(grpc.Needs, "google.golang.org/protobuf") {
		t.Errorf("grpc: %+v", grpc)
	}
	// A package inside with a licence of its own.
	if c := find("github.com/klauspost/compress"); !slices.Contains(c.Licences, "MIT") || !slices.Contains(c.Licences, "BSD-3-Clause") {
		t.Errorf("compress: %v", c.Licences)
	}
	if c := find("github.com/chromedp/chromedp"); c.Linked {
		t.Error("a browser's driver is in the program")
	}
	for _, m := range modules {
		if strings.HasPrefix(m.Path, "github.com/tandem-rtc/") {
			t.Errorf("%s is our own", m.Path)
		}
	}
}

func TestPackages(t *testing.T) {
	packages, err := Packages(root)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(packages, func(p Package) bool { return p.Name == "@grpc/grpc-js" && p.Licence == "Apache-2.0" }) {
		t.Errorf("%v", packages)
	}
}

func TestLicences(t *testing.T) {
	mit, err := os.ReadFile("testdata/mit.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, text string
		want       string // of the error, if it begins with a blank
	}{
		{"LICENSE", string(mit), "MIT"},
		{"licence.md", string(mit), "MIT"},
		{"COPYING", string(mit), "MIT"},
		{"UNLICENSE.go", string(mit), " has no licence"},
		{"README", string(mit), " has no licence"},
		{"LICENSE.txt", "You may do what I say and nothing else.", " only 0 %"},
	} {
		module := t.TempDir()
		if err := os.WriteFile(filepath.Join(module, tt.name), []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		inside := filepath.Join(module, "a", "b")
		if err := os.MkdirAll(inside, 0o700); err != nil {
			t.Fatal(err)
		}
		got, err := licencesOf(module, []string{inside})
		if wrong, ok := strings.CutPrefix(tt.want, " "); ok {
			if err == nil || !strings.Contains(err.Error(), wrong) {
				t.Errorf("%s: %v, %v", tt.name, got, err)
			}
		} else if err != nil || !slices.Equal(got, []string{tt.want}) {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
	if got := Incompatible([]string{"MIT", "GPL-3.0", "MPL-2.0", "AGPL-3.0"}); !slices.Equal(got, []string{"GPL-3.0", "AGPL-3.0"}) {
		t.Errorf("incompatible: %v", got)
	}
}

func TestBOM(t *testing.T) {
	text, err := BOM([]Module{
		{Path: "example.org/a", Version: "v1.0.0", Linked: true, Licences: []string{"ISC", "MIT"}, Needs: []string{"example.org/b"}, Sum: "h1:x"},
		{Path: "example.org/b", Version: "v2.0.0+incompatible", Linked: true, Licences: []string{"MIT"}},
		{Path: "example.org/c", Version: "v1.0.0", Licences: []string{"MIT"}},
	}, "v3")
	if err != nil {
		t.Fatal(err)
	}
	var b bom
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	if b.Metadata.Component.Version != "v3" || len(b.Components) != 3 || strings.Contains(string(text), "example.org/c") {
		t.Errorf("%s", text)
	}
	known := map[string]bool{b.Metadata.Component.Ref: true}
	for _, c := range b.Components {
		if known[c.Ref] || c.Purl == "" || len(c.Licences) == 0 {
			t.Errorf("component %+v", c)
		}
		known[c.Ref] = true
	}
	for _, d := range b.Dependencies {
		for _, ref := range append(d.Uses, d.Ref) {
			if !known[ref] {
				t.Errorf("%s is no component", ref)
			}
		}
	}
	if len(b.Dependencies) != 4 {
		t.Errorf("%d dependencies", len(b.Dependencies))
	}
}

func TestNotices(t *testing.T) {
	modules, err := Modules(root)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Notices(modules)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		if m.Linked != strings.Contains(text, "\n"+m.Path+" "+m.Version+", ") {
			t.Errorf("%s: linked is %v", m.Path, m.Linked)
		}
	}
	if !strings.Contains(text, "The Go Authors") {
		t.Error("the standard library's licence is not there")
	}
}
