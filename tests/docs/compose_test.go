package docs

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestComposeSettings: .env.example has every setting of compose.yaml and no other,
// and the defaults that it shows are those.
func TestComposeSettings(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(root, "deploy", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	defaults := map[string]string{}
	for _, m := range regexp.MustCompile(`\$\{([A-Z_]+)(?::[-+]([^${}]*)\})?`).FindAllStringSubmatch(read("compose.yaml"), -1) {
		defaults[m[1]] = max(defaults[m[1]], m[2])
	}
	shown := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^#([A-Z_]+)=(.*)$`).FindAllStringSubmatch(read(".env.example"), -1) {
		if shown[m[1]] != "" {
			t.Errorf("%s is there twice", m[1])
		}
		shown[m[1]] = m[2]
	}
	delete(shown, "COMPOSE_PROFILES") // Compose's own
	if got, want := slices.Sorted(maps.Keys(shown)), slices.Sorted(maps.Keys(defaults)); !slices.Equal(got, want) || len(want) < 20 {
		t.Errorf("shown are\n%q, the settings are\n%q", got, want)
	}
	for _, name := range []string{
		"TANDEM_PAGE_PORT", "TANDEM_SYLKRTC_PORT", "TANDEM_GRPC_PORT", "TANDEM_MEDIA_PORT", "TANDEM_MATRIX_PORT", "TANDEM_DENDRITE_PORT",
		"TANDEM_PROMETHEUS_PORT", "TANDEM_GRAFANA_PORT", "TANDEM_MATRIX_BIND", "TANDEM_MEDIA_DRAIN", "TANDEM_CONFIG_FILE",
		"TANDEM_IMAGE", "TANDEM_NATS_IMAGE", "TANDEM_DENDRITE_IMAGE", "TANDEM_PROMETHEUS_IMAGE", "TANDEM_GRAFANA_IMAGE",
		"TANDEM_LOG_FORMAT", "TANDEM_LOG_LEVEL",
	} {
		if shown[name] != defaults[name] || shown[name] == "" {
			t.Errorf("%s: shown is %q, the default is %q", name, shown[name], defaults[name])
		}
	}
}
