package markdown

import "testing"

func TestParse(t *testing.T) {
	const text = "see `a b`, `c`\n\n**`x/y.go`**, continued\n\n```go\none\n```\n\n```sh\ntwo `no`\nthree\n```\n"
	blocks, spans := Parse(text)
	want := []Block{{"go", "x/y.go", "one\n", 5}, {"sh", "", "two `no`\nthree\n", 9}}
	if len(blocks) != 2 || blocks[0] != want[0] || blocks[1] != want[1] {
		t.Errorf("blocks are %+v, want %+v", blocks, want)
	}
	if len(spans[1]) != 2 || spans[1][0] != "a b" || spans[1][1] != "c" || spans[10] != nil {
		t.Errorf("code spans are %v", spans)
	}
}

func TestSection(t *testing.T) {
	const text = "# T\n## A\na\n### B\n```sh\n# no heading\n```\n## C\nc\n# D\n"
	for heading, want := range map[string]string{
		"## A": "a\n### B\n```sh\n# no heading\n```\n", "### B": "```sh\n# no heading\n```\n", "## C": "c\n", "# D": "",
	} {
		if got, found := Section(text, heading); got != want || !found {
			t.Errorf("%s: %q, %t", heading, got, found)
		}
	}
	if got, found := Section(text, "## B"); found {
		t.Errorf("a heading of another level: %q", got)
	}
}
