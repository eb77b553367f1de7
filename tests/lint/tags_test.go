package lint

import (
	"strings"
	"testing"
)

// Without the tag Matrix's encryption is left out of a build without a word.
func TestEncryptionIsBuilt(t *testing.T) {
	for file, want := range map[string]string{
		"Makefile":                         "export GOFLAGS := $(strip $(GOFLAGS) -tags=goolm)",
		"deploy/Dockerfile":                "go build -trimpath -tags goolm",
		"tests/internal/harness/binary.go": `"go", "build", "-tags", "goolm"`,
	} {
		if !strings.Contains(string(read(t, file)), want) {
			t.Errorf("%s lacks %q: encryption needs the tag goolm", file, want)
		}
	}
}
