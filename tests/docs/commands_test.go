package docs

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/markdown"
)

// TestCommandLines: every command line of ours that a document shows, in a block
// or in its prose, names a command, flags, keys and make targets that exist.
func TestCommandLines(t *testing.T) {
	binary, err := harness.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	targets := makefile(t)
	done := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(documents(t))) {
		for line, shown := range commandLines(documents(t)[name]) {
			for _, words := range shown {
				key := strings.Join(words, " ")
				if done[key] {
					continue
				}
				done[key] = true
				var problem string
				if words[0] == "make" {
					problem = checkMake(targets, words[1:])
				} else {
					problem = checkTandem(t, binary.Path, words[1:])
				}
				if problem != "" {
					t.Errorf("%s:%d: %s: %s", name, line, key, problem)
				}
			}
		}
	}
	if len(done) < 10 {
		t.Errorf("found only %d command lines: %q", len(done), slices.Sorted(maps.Keys(done)))
	}
}

// TestConfigurations: every configuration that a document shows is valid.
func TestConfigurations(t *testing.T) {
	binary, err := harness.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range documents(t) {
		blocks, _ := markdown.Parse(text)
		for _, b := range blocks {
			if b.Language != "yaml" {
				continue
			}
			path := filepath.Join(t.TempDir(), "tandem.yaml")
			if err := os.WriteFile(path, []byte(b.Text), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), binary.Path, "config", "check", "-c", path).CombinedOutput(); err != nil {
				t.Errorf("%s:%d: the configuration is not valid:\n%s", name, b.Line, out)
			}
		}
	}
}

// commandLines gives our command lines by the line that they are on, or that
// their block begins on.
func commandLines(text string) map[int][][]string {
	out := map[int][][]string{}
	blocks, spans := markdown.Parse(text)
	for _, b := range blocks {
		if !slices.Contains([]string{"", "sh", "console"}, b.Language) {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(b.Text, "\\\n", " ")) {
			out[b.Line] = append(out[b.Line], ours(line)...)
		}
	}
	for n, shown := range spans {
		for _, span := range shown {
			out[n] = append(out[n], ours(span)...)
		}
	}
	return out
}

var (
	operator    = regexp.MustCompile(`\s(?:&&|\|\||[|;&])(?:\s|$)`)
	redirection = regexp.MustCompile(`\s(?:\d?[<>]|#).*`)
	word        = regexp.MustCompile(`(?:[^\s"']|"[^"]*"|'[^']*')+`)
	assignment  = regexp.MustCompile(`^[A-Z_]+=`)
)

// ours gives the commands of a shell's line that are tandem or make, as words.
func ours(line string) (out [][]string) {
	for _, command := range operator.Split(strings.TrimPrefix(strings.TrimSpace(line), "$ "), -1) {
		words := word.FindAllString(redirection.ReplaceAllString(command, ""), -1)
		for len(words) > 0 && (assignment.MatchString(words[0]) || words[0] == "exec") {
			words = words[1:]
		}
		if len(words) == 0 || !slices.Contains([]string{"bin/tandem", "tandem", "make"}, words[0]) {
			continue
		}
		for i, w := range words {
			words[i] = strings.NewReplacer(`"`, "", `'`, "").Replace(w)
		}
		out = append(out, words)
	}
	return out
}

// checkTandem has the program parse a command line without carrying it out.
func checkTandem(t *testing.T, binary string, args []string) (problem string) {
	t.Helper()
	tries := [][]string{append(slices.Clone(args), "--help")}
	for i, a := range args[:max(len(args)-1, 0)] {
		if key, _, ok := strings.Cut(args[i+1], "="); a == "--set" && ok && !strings.HasSuffix(args[i+1], "=…") && key != "KEY" {
			tries = append(tries, []string{"config", "check", "--set", args[i+1]})
		}
	}
	for _, try := range tries {
		if out, err := exec.CommandContext(t.Context(), binary, try...).CombinedOutput(); err != nil {
			return string(out)
		}
	}
	return ""
}

// targets are what make can be asked for.
type targets struct{ verbs, variables map[string]bool }

func makefile(t *testing.T) targets {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	all := targets{map[string]bool{}, map[string]bool{}}
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(string(text), -1) {
		all.verbs[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`(?m)^([A-Z]+) \?=`).FindAllStringSubmatch(string(text), -1) {
		all.variables[m[1]] = true
	}
	return all
}

func checkMake(all targets, args []string) (problem string) {
	for _, a := range args {
		name, _, isVariable := strings.Cut(a, "=")
		switch {
		case isVariable && all.variables[name]:
		case isVariable:
			return "the Makefile has no variable " + name
		case strings.HasPrefix(a, "-"):
		case !all.verbs[a]:
			return "the Makefile has no target " + a
		}
	}
	return ""
}

func TestCommandsAreFound(t *testing.T) {
	const text = "run `make test`, not `makeshift`\n\n```sh\nX=1 bin/tandem serve \\\n  --quiet > log & # all\ntandem version &\ncd x && make run ARGS=\"-q -x\" | cat\n```\n\n```go\nmake\n```\n"
	var got []string
	for _, shown := range commandLines(text) {
		for _, words := range shown {
			got = append(got, strings.Join(words, " "))
		}
	}
	slices.Sort(got)
	if want := []string{"bin/tandem serve --quiet", "make run ARGS=-q -x", "make test", "tandem version"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	all := targets{map[string]bool{"run": true}, map[string]bool{"ARGS": true}}
	for line, good := range map[string]bool{
		"run": true, "-s run": true, "run ARGS=x": true, "walk": false, "run ARG=x": false, "": true,
	} {
		if problem := checkMake(all, strings.Fields(line)); (problem == "") != good {
			t.Errorf("make %s: %q", line, problem)
		}
	}
}
