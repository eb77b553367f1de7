package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestMetricNames: the names that adapters and the media node give to what they
// count are those that docs/observing.md explains. (That the metrics themselves are
// is tested beside the command.)
func TestMetricNames(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "observing.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	names := regexp.MustCompile("`([a-z_]+)`")
	_, section, _ := strings.Cut(string(text), "## Metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if first, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |"); ok && strings.HasPrefix(line, "| `") {
			for _, m := range names.FindAllStringSubmatch(first, -1) {
				if !strings.HasPrefix(m[1], "tandem_") {
					documented[m[1]] = true
				}
			}
		}
	}
	counted := countedNames(t)
	for name := range counted {
		if !documented[name] {
			t.Errorf("%s (%s) is not in docs/observing.md", name, counted[name])
		}
	}
	for name := range documented {
		if counted[name] == "" {
			t.Errorf("docs/observing.md explains %s, which nothing counts", name)
		}
	}
	if len(counted) < 20 {
		t.Errorf("found only %d names", len(counted))
	}
}

// countedNames finds the literals that Count, Gauge and Observe are called with,
// and the constants Metric… of the media node.
func countedNames(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, dir := range []string{"adapters", "services/media"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "test/") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				for _, literal := range namesIn(n) {
					if text, err := strconv.Unquote(literal.Value); err == nil {
						found[text] = name
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func namesIn(n ast.Node) (literals []*ast.BasicLit) {
	add := func(e ast.Expr) {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			literals = append(literals, l)
		}
	}
	switch n := n.(type) {
	case *ast.CallExpr:
		s, ok := n.Fun.(*ast.SelectorExpr)
		if ok && slices.Contains([]string{"Count", "Gauge", "Observe"}, s.Sel.Name) && len(n.Args) == 2 {
			add(n.Args[0])
		}
	case *ast.ValueSpec:
		for i, name := range n.Names {
			if strings.HasPrefix(name.Name, "Metric") && i < len(n.Values) {
				add(n.Values[i])
			}
		}
	}
	return literals
}
