package guide

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/markdown"
	"github.com/tandem-rtc/tandem/tests/internal/shell"
)

// The README's first steps, in the checkout itself: what they build is on a file
// system of the machine's own.
func TestReadme(t *testing.T) {
	t.Parallel()
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(checkout, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	try, _ := markdown.Section(string(text), "## Try it")
	typed, _ := markdown.Parse(try)
	if len(typed) != 3 {
		t.Fatalf("the README has %d blocks to try, this test knows 3", len(typed))
	}
	dir := t.TempDir()
	logs(t, dir)
	o := options(t, dir)
	o.Dir = checkout
	m := shell.NewMachine(t, o, nil)
	do := func(block string) string { t.Helper(); return m.Run(t, block, step) }
	do("unset MAKEFLAGS MFLAGS MAKELEVEL\nmkdir -p bin && mount -t tmpfs tmpfs bin")
	do("(" + typed[0].Text + ") > " + dir + "/run.log 2>&1 &")
	do("until [ -x bin/tandem ] && bin/tandem health; do sleep 0.2; done")
	page := regexp.MustCompile(`<(http://127\.0\.0\.1:[0-9]+/)>`).FindStringSubmatch(try)
	if page == nil {
		t.Fatal("the README does not say where the page is")
	}
	want(t, do("curl -sS "+page[1]), "<html")
	want(t, do(typed[1].Text), "audio arrives", "established", "699.9 Hz")

	for _, command := range []string{"`bin/tandem phone listen`", "`+12025550103`", "`bin/tandem calls`", "`bin/tandem calls show ID`"} {
		if !strings.Contains(try, command) {
			t.Errorf("the README does not say %s any more", command)
		}
	}
	do("bin/tandem phone listen > " + dir + "/carol.log 2>&1 &\nuntil grep -q registered " + dir + "/carol.log; do sleep 0.2; done")
	do("bin/tandem phone call +12025550103 --msisdn=+12025550101 --duration=1h > " + dir + "/alice.log 2>&1 &\nuntil grep -q 'audio arrives' " + dir + "/alice.log; do sleep 0.2; done")
	calls := do("bin/tandem calls")
	want(t, calls, "established", "Alice", "Carol")
	id := regexp.MustCompile(`(?m)^[0-9a-f-]{36}`).FindString(calls)
	want(t, do("bin/tandem calls show "+id), "media connected", "Alice", "Carol")
}
