package docs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/markdown"
)

// TestWakeSignature: the signature that docs/operating.md shows is that of the body,
// the time and the secret that it shows, as its command computes it.
func TestWakeSignature(t *testing.T) {
	text := section(t, "operating.md", "Waking devices")
	of := map[string]string{}
	blocks, _ := markdown.Parse(text)
	for _, b := range blocks {
		if of[b.Language] == "" {
			of[b.Language] = b.Text
		}
	}
	secret := regexp.MustCompile(`secret: (\S+)`).FindStringSubmatch(of["yaml"])
	header := regexp.MustCompile(`^Tandem-Signature: t=(\d+),v1=([0-9a-f]{64})\n$`).FindStringSubmatch(of[""])
	body := strings.TrimSuffix(of["json"], "\n")
	if secret == nil || header == nil || !json.Valid([]byte(body)) {
		t.Fatalf("no secret, header or body in:\n%s", text)
	}
	if !strings.Contains(of["sh"], secret[1]) || !strings.Contains(of["sh"], header[1]+".") {
		t.Errorf("the command has another secret or time:\n%s", of["sh"])
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "body"), []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", of["sh"])
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), header[2]) {
		t.Errorf("%v: the command says %s, want %s", err, out, header[2])
	}
}
