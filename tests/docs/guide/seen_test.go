package guide

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/collector"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/markdown"
)

// docs/observing.md: a call is seen while it comes and goes, and its trace, by the
// call's id, comes to the collector that the configuration names.
func TestACallIsSeen(t *testing.T) {
	s := newSite(t, map[string]string{"collector.example.org": "203.0.113.20"})
	traces := collector.Start(t, s.Listen(t, "203.0.113.20:4317"))
	text, err := os.ReadFile(filepath.Join(root, "docs", "observing.md"))
	if err != nil {
		t.Fatal(err)
	}
	section, _ := markdown.Section(string(text), "## Traces")
	config, _ := markdown.Parse(section)
	s.file("tandem.yaml", "demo: true\n"+config[0].Text)
	s.terminal("serve", "tandem serve -c tandem.yaml --set tracing.sample=1") // so that this call is one that is chosen
	s.ready("")
	s.terminal("watch", "tandem calls --watch")
	want(t, s.do("tandem phone call +12025550199 --duration=3s"), "established")
	s.says("watch", "established")
	s.says("watch", "ended: normal")

	id := regexp.MustCompile(`(?m)^[0-9a-f-]{36}`).FindString(s.do("tandem calls --all"))
	trace, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(trace) != 16 {
		t.Fatalf("%q is no call's id: %v", id, err)
	}
	harness.Eventually(t, step, "its trace comes", func() (bool, string) {
		got := traces.String()
		return strings.Contains(got, string(trace)) && strings.Contains(got, "journal commit") && strings.Contains(got, id), "not all of it"
	})
}
