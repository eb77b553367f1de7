package page

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/npm"
)

const sources = "../../../services/console/web"

func TestPageTypes(t *testing.T) {
	tools, err := npm.Install(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	compiler := filepath.Join(tools, "node_modules", "typescript", "bin", "tsc")
	out, err := exec.CommandContext(t.Context(), "node", compiler, "--noEmit", "--project", sources).CombinedOutput() //nolint:gosec // our own tree
	if err != nil {
		t.Errorf("tsc: %v\n%s", err, out)
	}
}
