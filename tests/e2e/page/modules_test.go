package page

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// The page's modules pass their own tests, which run in Node.
func TestPageModules(t *testing.T) {
	sources, err := filepath.Glob(sources + "/test/*.test.ts")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no tests of the page found: %v", err)
	}
	out := t.TempDir()
	result := api.Build(api.BuildOptions{
		EntryPoints: sources,
		Outdir:      out,
		Bundle:      true,
		Write:       true,
		Platform:    api.PlatformNode,
		Format:      api.FormatCommonJS,
		LogLevel:    api.LogLevelSilent,
	})
	for _, line := range api.FormatMessages(result.Errors, api.FormatMessagesOptions{}) {
		t.Error(line)
	}
	if t.Failed() {
		return
	}
	args := []string{"--test", "--test-reporter=spec"}
	for _, file := range result.OutputFiles {
		args = append(args, file.Path)
	}
	report, err := exec.CommandContext(t.Context(), "node", args...).CombinedOutput() //nolint:gosec // our own files
	if err != nil {
		t.Errorf("node --test: %v\n%s", err, report)
	}
}
