package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the checkout, as seen from this folder.
const root = "../.."

// block is a fenced block of code.
type block struct {
	language string // the first word after the fence
	file     string // of the line above it, if that names one: **`wire.go`**
	text     string
	line     int
}

var (
	fileLine = regexp.MustCompile("^\\*\\*`([^`]+)`\\*\\*")
	codeSpan = regexp.MustCompile("`([^`]+)`")
)

// parse gives a document's fenced blocks and the code spans of its prose, by
// their lines.
func parse(text string) (blocks []block, spans map[int][]string) {
	spans = map[int][]string{}
	var open *block
	above := ""
	n := 0
	for line := range strings.Lines(text) {
		n++
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open != nil:
			blocks = append(blocks, *open)
			open, above = nil, ""
		case isFence:
			open = &block{line: n}
			if words := strings.Fields(fence); len(words) > 0 {
				open.language = words[0]
			}
			if m := fileLine.FindStringSubmatch(above); m != nil {
				open.file = m[1]
			}
		case open != nil:
			open.text += line
		case strings.TrimSpace(line) != "":
			above = line
			for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
				spans[n] = append(spans[n], m[1])
			}
		}
	}
	return blocks, spans
}

// documents are the pages for users, by their paths from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, path := range append(found, filepath.Join(root, "README.md")) {
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

func TestParse(t *testing.T) {
	const text = "see `a b`, `c`\n\n**`x/y.go`**, continued\n\n```go\none\n```\n\n```sh\ntwo `no`\nthree\n```\n"
	blocks, spans := parse(text)
	want := []block{{"go", "x/y.go", "one\n", 5}, {"sh", "", "two `no`\nthree\n", 9}}
	if len(blocks) != 2 || blocks[0] != want[0] || blocks[1] != want[1] {
		t.Errorf("blocks are %+v, want %+v", blocks, want)
	}
	if len(spans[1]) != 2 || spans[1][0] != "a b" || spans[1][1] != "c" || spans[10] != nil {
		t.Errorf("code spans are %v", spans)
	}
}
