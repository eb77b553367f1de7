package guide

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/internal/authority"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/markdown"
	"github.com/tandem-rtc/tandem/tests/internal/natstest"
	"github.com/tandem-rtc/tandem/tests/internal/shell"
)

// step is how long a step may take on a slow and busy machine.
const step = 90 * time.Second

// root is the checkout, as seen from this folder.
const root = "../../.."

var binary harness.Binary

func TestMain(m *testing.M) {
	harness.Main(func(dir string) (int, error) { return run(m, dir) })
}

func run(m *testing.M, dir string) (status int, err error) {
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil { // also with two cores: they wait most of the time
		return 1, err
	}
	if binary, err = harness.Build(dir); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// blocks gives the blocks of a section of docs/operating.md in the languages given,
// of which there must be as many as the test knows.
func blocks(t *testing.T, heading string, known int, languages ...string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	section, found := markdown.Section(string(text), heading)
	if !found {
		t.Fatalf("the guide has no section %q", heading)
	}
	var out []string
	all, _ := markdown.Parse(section)
	for _, b := range all {
		for _, l := range languages {
			if b.Language == l {
				out = append(out, b.Text)
			}
		}
	}
	if len(out) != known {
		t.Fatalf("%q has %d blocks of %q, this test knows %d", heading, len(out), languages, known)
	}
	return out
}

// options are a machine's: what it needs is on the PATH, and each has a home.
func options(t *testing.T, dir string) shell.Options {
	t.Helper()
	path := []string{filepath.Dir(binary.Path), filepath.Dir(natstest.Binary(t)), os.Getenv("PATH")}
	return shell.Options{Dir: dir, Env: []string{
		"PATH=" + strings.Join(path, string(os.PathListSeparator)), "XDG_STATE_HOME=" + filepath.Join(dir, "state"), "TANDEM_DRAIN_TIMEOUT=5s",
	}}
}

// logs shows what the terminals said, if the test fails.
func logs(t *testing.T, dir string) {
	t.Helper()
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		found, _ := filepath.Glob(filepath.Join(dir, "*.log")) // the pattern is good
		for _, name := range found {
			text, err := os.ReadFile(name)
			t.Logf("%s: %v\n%s", filepath.Base(name), err, text)
		}
	})
}

// site is a machine with the guide's name and address, the files of its first
// configuration, and certificates.
type site struct {
	*shell.Machine
	t   *testing.T
	dir string
}

func newSite(t *testing.T, further map[string]string) *site {
	t.Helper()
	t.Parallel()
	s := &site{t: t, dir: t.TempDir()}
	names := map[string]string{"phone.example.org": "203.0.113.10"}
	for name, address := range further {
		names[name] = address
	}
	s.Machine = shell.NewMachine(t, options(t, s.dir), names)
	logs(t, s.dir)
	authority.New(t, s.dir, 0o600).Issue(1, "phone.example.org")
	s.file("tandem.yaml", blocks(t, "## One process", 1, "yaml")[0])
	return s
}

// here puts the test's directory in the place of the guide's.
func (s *site) here(text string) string { return strings.ReplaceAll(text, "/etc/tandem", s.dir) }

// file writes a file that the guide shows.
func (s *site) file(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(s.here(text)), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// do types a block, which must go well.
func (s *site) do(block string) string {
	s.t.Helper()
	return s.Run(s.t, s.here(block), step)
}

// terminal types a block into another terminal, which has a log. A variable of its
// name holds the id of the last command's process.
func (s *site) terminal(name, block string) {
	s.t.Helper()
	lines := strings.Split(strings.TrimSpace(block), "\n")
	lines[len(lines)-1] = "exec " + lines[len(lines)-1]
	s.do("> " + name + ".log\n(\n" + strings.Join(lines, "\n") + "\n) >> " + name + ".log 2>&1 &\n" + name + "=$!")
}

// says waits until a terminal shows something.
func (s *site) says(name, text string) {
	s.t.Helper()
	harness.Eventually(s.t, step, name+" says "+text, func() (bool, string) {
		log, err := os.ReadFile(filepath.Join(s.dir, name+".log"))
		return strings.Contains(string(log), text), fmt.Sprint(err, string(log))
	})
}

// ready waits until the exchange is, as its operator would.
func (s *site) ready(flags string) {
	s.t.Helper()
	s.do("until tandem health " + flags + "; do sleep 0.2; done")
}

// want checks what a command printed.
func want(t *testing.T, out string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("no %q in:\n%s", text, out)
		}
	}
}

// without gives a configuration without one of its sections.
func without(config, section string) string {
	var out strings.Builder
	skip := false
	for line := range strings.Lines(config) {
		if !strings.HasPrefix(line, " ") {
			skip = strings.HasPrefix(line, section+":")
		}
		if !skip {
			out.WriteString(line)
		}
	}
	return out.String()
}
