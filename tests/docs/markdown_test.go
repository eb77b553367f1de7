package docs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/markdown"
)

// root is the checkout, as seen from this folder.
const root = "../.."

// documents are the pages for users, by their paths from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, path := range append(found, filepath.Join(root, "README.md"), filepath.Join(root, "SECURITY.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(text)
	}
	return out
}

// section gives the part of a document of docs/ below a heading.
func section(t *testing.T, name, heading string) string {
	t.Helper()
	text, found := markdown.Section(documents(t)[filepath.Join("docs", name)], "## "+heading)
	if !found {
		t.Fatalf("docs/%s has no section %q", name, heading)
	}
	return text
}
