package docs

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/markdown"
)

// TestBenchmarkCommands: the commands of docs/benchmarks.md name benchmarks that are
// there. What they cost is measured with 'make bench', not here.
func TestBenchmarkCommands(t *testing.T) {
	command := regexp.MustCompile(`^cd (\S+) && go test (\S+ )?-run xxx -bench ('[^']+'|\S+)(?: -benchtime \S+)?( \.)?$`)
	found := 0
	blocks, _ := markdown.Parse(documents(t)[filepath.Join("docs", "benchmarks.md")])
	for _, b := range blocks {
		for line := range strings.Lines(b.Text) {
			line = strings.TrimSpace(line)
			if !strings.Contains(line, "go test") {
				continue
			}
			m := command.FindStringSubmatch(line)
			if m == nil {
				t.Errorf("line %d: not a command that this test reads: %s", b.Line, line)
				continue
			}
			found++
			files, pattern := filepath.Join(root, m[1], strings.TrimSpace(m[2])), regexp.MustCompile(strings.Trim(m[3], "'"))
			out, err := exec.CommandContext(t.Context(), "grep", "-ohE", "^func Benchmark[A-Za-z0-9_]*", "-r", files).Output()
			if err != nil {
				t.Errorf("line %d: no benchmarks in %s: %v", b.Line, files, err)
			}
			matched := false
			for _, name := range strings.Fields(string(out)) {
				matched = matched || name != "func" && pattern.MatchString(name)
			}
			if !matched {
				t.Errorf("line %d: no benchmark of %s is %s", b.Line, m[1], m[3])
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d commands are found", found)
	}
}
