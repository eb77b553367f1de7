package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/markdown"
)

// TestBackupAndRestore runs the commands of docs/operating.md: what was there when
// the archive was made is there in an exchange on the restored directory.
func TestBackupAndRestore(t *testing.T) {
	binary, err := harness.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	before, after := filepath.Join(work, "before"), filepath.Join(work, "after")
	tandem := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), binary.Path, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("tandem %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	start := func(dir string) *harness.Exchange {
		return harness.StartExchange(t, binary, harness.AllInOne, harness.Options{
			Set: map[string]string{"data_dir": dir, "admin.token": "a token of this test"},
		})
	}
	token := "--admin-token=a token of this test"

	x := start(before)
	tandem("directory", "add", "erin", "--name=Erin", "--address=tel:+12025550177", "--admin="+x.Admin, token)
	tandem("phone", "call", "+12025550199", "--server="+x.GRPC, "--duration=100ms")
	calls := tandem("calls", "--all", "--admin="+x.Admin, token)
	if !strings.Contains(calls, "+12025550199") && !strings.Contains(calls, "Echo") {
		t.Fatalf("no call to be kept:\n%s", calls)
	}
	call, _, _ := strings.Cut(strings.Split(calls, "\n")[1], " ")
	x.Processes["all"].Interrupt()
	if code, err := x.Processes["all"].Exit(30 * time.Second); err != nil || code != 0 {
		t.Fatalf("the end: %d, %v", code, err)
	}

	blocks, _ := markdown.Parse(section(t, "operating.md", "Backup and restore"))
	script := "set -eu\n"
	for _, b := range blocks {
		if b.Language == "sh" {
			script += b.Text
		}
	}
	if strings.Count(script, "tar ") != 2 {
		t.Fatalf("not a backup and a restoration:\n%s", script)
	}
	sh := exec.CommandContext(t.Context(), "sh", "-c", script)
	sh.Dir = work
	sh.Env = append(os.Environ(), "DATA_DIR="+before, "NEW_DATA_DIR="+after,
		"PATH="+filepath.Dir(binary.Path)+string(os.PathListSeparator)+os.Getenv("PATH"))
	if out, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	if err := os.Rename(before, before+".lost"); err != nil {
		t.Fatal(err)
	}

	x = start(after)
	if list := tandem("directory", "list", "--admin="+x.Admin, token); !strings.Contains(list, "erin") {
		t.Errorf("the subscriber is lost:\n%s", list)
	}
	if list := tandem("calls", "--all", "--admin="+x.Admin, token); !strings.Contains(list, call) {
		t.Errorf("call %s is lost:\n%s", call, list)
	}
	for _, name := range []string{"secret"} {
		was, err := os.ReadFile(filepath.Join(before+".lost", name))
		if err != nil {
			t.Fatal(err)
		}
		if is, err := os.ReadFile(filepath.Join(after, name)); err != nil || string(is) != string(was) {
			t.Errorf("%s is another: %v", name, err)
		}
	}
}
