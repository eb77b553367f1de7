package lint

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"testing"
)

// maxLines is the longest file; 60 to 150 lines are normal.
const maxLines = 500

func TestFileSize(t *testing.T) {
	generated := map[string]bool{}
	for _, f := range repo(t).Go {
		generated[f.Path] = f.Generated
	}
	for _, p := range repo(t).Files {
		if !isSource(p) || generated[p] {
			continue
		}
		if n := bytes.Count(read(t, p), []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, more than %d: one noun a file; split it", p, n, maxLines)
		}
	}
}

// isSource tells what people write from what tools write: dist/ holds what the
// page's build made.
func isSource(p string) bool {
	written := []string{".go", ".proto", ".ts", ".js", ".mjs", ".css", ".html", ".sh", ".yaml", ".yml"}
	return (slices.Contains(written, path.Ext(p)) || path.Base(p) == "Makefile") && !slices.Contains(strings.Split(p, "/"), "dist")
}

// What protocols, what bus, what state, what media, how it runs: folder names
// answer that only while there are few.
func TestTopLevelNames(t *testing.T) {
	allowed := []string{
		"adapters", "bus", "cmd", "deploy", "docs", "schema", "services", "tests",
		"go.mod", "go.sum", "go.work", "go.work.sum", "Makefile",
		"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md",
	}
	for _, p := range repo(t).Files {
		top, _, _ := strings.Cut(p, "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(allowed, top) {
			t.Errorf("%s: %q is not a name for the top level: the folders there are the architecture", p, top)
		}
	}
}

// The words are put together here so that this file does not hold them.
func TestForbiddenWords(t *testing.T) {
	const portable = "the repository must build anywhere, with whatever registry its user has configured"
	forbidden := []struct{ word, reason string }{
		{"/wo" + "rk/", "it is a path of one machine; the repository must build anywhere"},
		{"/home" + "/runner", "it is a path of one machine; the repository must build anywhere"},
		{"proxy." + "golang.org", portable},
		{"sum." + "golang.org", portable},
		{"registry." + "npmjs.org", portable},
		{"registry." + "yarnpkg.com", portable},
		{"deb." + "debian.org", portable},
		{"security." + "debian.org", portable},
		{"py" + "pi.org", portable},
		{"files.python" + "hosted.org", portable},
		{"registry-1." + "docker.io", portable},
		{"index." + "docker.io", portable},
		{"TO" + "DO", "what is left undone belongs into an issue, where somebody sees it"},
		{"FIX" + "ME", "what is left undone belongs into an issue, where somebody sees it"},
	}
	for _, p := range repo(t).Files {
		if path.Base(p) == "go.sum" || path.Base(p) == "go.work.sum" {
			continue
		}
		text := read(t, p)
		if bytes.IndexByte(text, 0) >= 0 { // not text
			continue
		}
		for _, f := range forbidden {
			if i := bytes.Index(text, []byte(f.word)); i >= 0 {
				t.Errorf("%s:%d: %q: %s", p, 1+bytes.Count(text[:i], []byte("\n")), f.word, f.reason)
			}
		}
	}
}

// Text files end with a newline, without trailing blanks and carriage returns,
// as .editorconfig says.
func TestWhitespace(t *testing.T) {
	for _, p := range repo(t).Files {
		if !isSource(p) && path.Ext(p) != ".md" && path.Base(p) != "go.mod" {
			continue
		}
		text := read(t, p)
		if len(text) == 0 || text[len(text)-1] != '\n' {
			t.Errorf("%s does not end with a newline: the next line added would show as a change of two", p)
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			if bytes.HasSuffix(line, []byte("\r")) || len(bytes.TrimRight(line, " \t")) != len(line) && !inRawString(p) {
				t.Errorf("%s:%d: ends with blanks or a carriage return: diffs must show changes only", p, i+1)
				break
			}
		}
	}
}

// inRawString: gofmt already sees to Go code, and leaves only string literals,
// where blanks may be meant.
func inRawString(p string) bool { return path.Ext(p) == ".go" }

func read(t *testing.T, p string) []byte {
	t.Helper()
	text, err := repo(t).Read(p)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
