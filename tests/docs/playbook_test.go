package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPlaybook: what the failure playbook says to look at is there: words in quotes
// are in what the program says, and names are of metrics, of what they count, or of
// settings; commands are checked with all others.
func TestPlaybook(t *testing.T) {
	all := documents(t)
	table := section(t, "operating.md", "When something is wrong")
	rows := 0
	said := sayings(t)
	metrics, observing := documentedMetrics(t)
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 || strings.Contains(cells[0], "---") || strings.TrimSpace(cells[0]) == "symptom" {
			continue
		}
		rows++
		for _, quote := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(line, -1) {
			if !strings.Contains(said, plain(quote[1])) {
				t.Errorf("nothing says %q: %s", quote[1], line)
			}
		}
		for _, span := range codeNames.FindAllStringSubmatch(line, -1) {
			name := span[1]
			_, isMetric := metrics[name]
			switch {
			case isMetric, strings.Contains(observing, "`"+name+"`"), strings.HasPrefix(name, "tandem "):
			case strings.Contains(all[filepath.Join("docs", "config.md")], name[strings.LastIndex(name, ".")+1:]+":"):
			case name == "localhost", name == "accounts.conf", strings.HasPrefix(name, "net.core."), strings.HasPrefix(name, "/"):
			case strings.Contains(said, plain(name)): // what a description says
			default:
				t.Errorf("`%s` is neither a metric, a counter, a setting nor said: %s", name, line)
			}
		}
	}
	if rows < 20 {
		t.Errorf("only %d rows are found", rows)
	}
}

var codeNames = regexp.MustCompile("`([^`]+)`")

// plain is text as the ladder and logs vary it.
func plain(text string) string { return strings.ReplaceAll(text, "-", " ") }

// sayings are all string literals of the program.
func sayings(t *testing.T) string {
	t.Helper()
	found := map[string]bool{}
	files := token.NewFileSet()
	for _, dir := range []string{"adapters", "bus", "cmd", "schema", "services"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".pb.go") {
				return err
			}
			f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
					text, _ := strconv.Unquote(l.Value) // the parser took it
					found[plain(text)] = true
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(found)), "\n")
}
