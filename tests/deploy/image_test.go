package deploy

import (
	"encoding/json"
	"strings"
	"testing"
)

// largest is what the image may weigh: the binary and certificates.
const largest = 60 << 20

func TestImage(t *testing.T) {
	text, err := machine.Run(t.Context(), "image", "inspect", image)
	if err != nil {
		t.Fatal(err)
	}
	var images []struct {
		Size   int64
		Config struct {
			User        string
			Entrypoint  []string
			Env         []string
			Labels      map[string]string
			Healthcheck struct{ Test []string }
		}
	}
	if err := json.Unmarshal([]byte(text), &images); err != nil || len(images) != 1 {
		t.Fatalf("%v in %s", err, text)
	}
	i := images[0]
	t.Logf("%d bytes", i.Size)
	if i.Size > largest {
		t.Errorf("%d bytes, more than %d", i.Size, largest)
	}
	if i.Config.User != "65532:65532" {
		t.Errorf("user %q", i.Config.User)
	}
	if got := strings.Join(i.Config.Healthcheck.Test, " "); got != "CMD /tandem health" {
		t.Errorf("health check %q", got)
	}
	for label, want := range map[string]string{
		"title": "Tandem", "licenses": "Apache-2.0", "version": release, "revision": commit,
	} {
		if got := i.Config.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("label %s is %q, want %q", label, got, want)
		}
	}
	for _, e := range i.Config.Env {
		if name, _, _ := strings.Cut(e, "="); strings.Contains(name, "SECRET") || strings.Contains(name, "TOKEN") {
			t.Errorf("the image's environment has %s", name)
		}
	}
}

func TestVersion(t *testing.T) {
	text, err := machine.Run(t.Context(), "run", "--rm", "--network", "none", "--read-only", image, "version")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text, "tandem "+release+" ("+commit[:12]+") go") {
		t.Errorf("version %q", text)
	}
}

// The image alone is a whole exchange, without any right.
func TestOneContainer(t *testing.T) {
	id, err := machine.Run(t.Context(), "run", "-d", "--network", "none", "--read-only", "--tmpfs", "/data:uid=65532,mode=0700",
		"--cap-drop", "ALL", "--security-opt", "no-new-privileges", image)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := machine.Run(t.Context(), "rm", "-f", id); err != nil {
			t.Error(err)
		}
	}()
	healthy(t, id)
	text, err := machine.Run(t.Context(), "exec", id, "/tandem", "phone", "call", "+12025550199", "--duration=1s", "--json")
	if err != nil || !strings.Contains(text, `"state":"established"`) {
		log, _ := machine.Run(t.Context(), "logs", id)
		t.Errorf("a call to the echo number: %v\n%s\n%s", err, text, log)
	}
}

// healthy waits until a container's own health check succeeds.
func healthy(t *testing.T, id string) {
	t.Helper()
	eventually(t, "healthy", func() (bool, string) {
		text, err := machine.Run(t.Context(), "inspect", "--format", "{{json .State.Health}}", id)
		return err == nil && strings.Contains(text, `"Status":"healthy"`), text
	})
}
