package scenario

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the words into the scenarios' README")

// TestReadmeHasAllWords: the README ends with the words that the reader knows.
func TestReadmeHasAllWords(t *testing.T) {
	const name, heading = dir + "/README.md", "\n## Words\n\n"
	is, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, _, ok := strings.Cut(string(is), heading)
	if !ok {
		t.Fatal("the README has no words")
	}
	want := before + heading + Words()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil { //nolint:gosec // a page of the repository
			t.Fatal(err)
		}
	} else if string(is) != want {
		t.Error("the README's words are not the reader's: run 'make pairs'")
	}
}
