package compose

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// project is what Compose makes of the file.
type project struct {
	Services map[string]service `json:"services"`
}

type service struct {
	CapDrop     []string          `json:"cap_drop"`
	SecurityOpt []string          `json:"security_opt"`
	ReadOnly    bool              `json:"read_only"`
	Privileged  bool              `json:"privileged"`
	MemLimit    string            `json:"mem_limit"`
	PidsLimit   int               `json:"pids_limit"`
	Restart     string            `json:"restart"`
	NetworkMode string            `json:"network_mode"`
	Environment map[string]string `json:"environment"`
	Command     []string          `json:"command"`
	Logging     struct {
		Options map[string]string `json:"options"`
	} `json:"logging"`
	Ports []struct {
		HostIP    string `json:"host_ip"`
		Published string `json:"published"`
		Protocol  string `json:"protocol"`
		Target    int    `json:"target"`
	} `json:"ports"`
}

// load reads the file with settings, away from a user's own .env.
func load(t *testing.T, env ...string) project {
	t.Helper()
	return loadWith(t, nil, env...)
}

// loadWith reads other files after it.
func loadWith(t *testing.T, files []string, env ...string) project {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	tool := filepath.Join(cache, "tandem", "bin", "docker-compose")
	if _, err := os.Stat(tool); err != nil {
		t.Fatalf("%v: run 'make setup'", err)
	}
	args := []string{"--env-file", os.DevNull, "--file", "../../deploy/compose.yaml"}
	for _, f := range files {
		args = append(args, "--file", f)
	}
	cmd := exec.Command(tool, append(args, "config", "--format", "json")...)
	cmd.Env = append([]string{"HOME=" + t.TempDir(), "COMPOSE_PROFILES=demo,nats3,observability"}, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", env, err, errs.String())
	}
	if errs.Len() > 0 {
		t.Errorf("%v: warnings: %s", env, errs.String())
	}
	var p project
	if err := json.Unmarshal(out.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Services) < 14 {
		t.Fatalf("only %d services", len(p.Services))
	}
	return p
}

// No container may do more than it must, use up the machine, or be gone for good.
func TestContainersAreConfined(t *testing.T) {
	for name, s := range load(t).Services {
		if !s.ReadOnly || s.Privileged || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may do too much: %+v", name, s)
		}
		if s.MemLimit == "" || s.PidsLimit <= 0 || s.Logging.Options["max-size"] == "" || s.Logging.Options["max-file"] == "" {
			t.Errorf("%s may use too much: memory %q, processes %d, log %v", name, s.MemLimit, s.PidsLimit, s.Logging.Options)
		}
		// Go collects in time only if it is told less than the limit.
		limit, err := strconv.ParseInt(s.MemLimit, 10, 64)
		if told := s.Environment["GOMEMLIMIT"]; told != "" {
			n, wrong := strconv.ParseInt(strings.TrimSuffix(told, "MiB"), 10, 64)
			if err != nil || wrong != nil || n<<20 > limit*9/10 || n<<20 < limit/2 {
				t.Errorf("%s: Go is told %s of %d bytes, %v, %v", name, told, limit, err, wrong)
			}
		}
		want := "unless-stopped"
		if name == "setup" {
			want = "no"
		}
		if s.Restart != want {
			t.Errorf("%s: restart %q", name, s.Restart)
		}
	}
}

// users are the services whose ports users connect to.
var users = []string{"console", "sylkrtc", "grpcpipe", "media"}

// Without settings nothing is open to others; with an address of either family the
// ports for users are, at that address.
func TestPortsAreOpenedWhereToldTo(t *testing.T) {
	for _, c := range []struct {
		env   []string
		at    string // of the ports for users
		media string
		tells string // what media announces
	}{
		{nil, "127.0.0.1", "127.0.0.1", "[127.0.0.1]:7900,media"},
		{[]string{"TANDEM_EXTERNAL_IP=192.0.2.10"}, "192.0.2.10", "192.0.2.10", "[192.0.2.10]:7900,media"},
		{[]string{"TANDEM_EXTERNAL_IP=2001:db8::10", "TANDEM_MEDIA_PORT=7901"}, "2001:db8::10", "2001:db8::10", "[2001:db8::10]:7901,media"},
		{[]string{"TANDEM_EXTERNAL_IP=2001:db8::10", "TANDEM_BIND=::"}, "::", "::", "[2001:db8::10]:7900,media"},
		{[]string{"TANDEM_EXTERNAL_IP=192.0.2.10", "TANDEM_BIND=127.0.0.1", "TANDEM_MEDIA_BIND=192.0.2.10"}, "127.0.0.1", "192.0.2.10", "[192.0.2.10]:7900,media"},
	} {
		p := load(t, c.env...)
		for name, s := range p.Services {
			if open := slices.Contains(users, name); open && len(s.Ports) != 1 {
				t.Errorf("%v: %s has %d ports", c.env, name, len(s.Ports))
			}
			for _, port := range s.Ports {
				want := "127.0.0.1"
				switch {
				case name == "media":
					want = c.media
				case slices.Contains(users, name):
					want = c.at
				}
				if _, err := netip.ParseAddr(port.HostIP); err != nil || port.HostIP != want {
					t.Errorf("%v: port %d of %s is opened at %q instead of %q", c.env, port.Target, name, port.HostIP, want)
				}
				if udp := port.Protocol == "udp"; udp != (name == "media") {
					t.Errorf("%v: port %d of %s is of %s", c.env, port.Target, name, port.Protocol)
				}
			}
		}
		if got := p.Services["media"].Environment["TANDEM_MEDIA_EXTERNAL_IP"]; got != c.tells {
			t.Errorf("%v: media announces %q instead of %q", c.env, got, c.tells)
		}
		if got := strings.Join(p.Services["setup"].Command, " "); !strings.Contains(got, "--published="+c.at) {
			t.Errorf("%v: setup is told %s", c.env, got)
		}
	}
}

// What the guide has people write for other keys of the configuration is taken, and
// they are keys.
func TestOverride(t *testing.T) {
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```\n(services:\n.*?)```").FindSubmatch(text)
	keys, err := os.ReadFile("../../docs/config.md")
	if err != nil || block == nil {
		t.Fatalf("%q, %v", block, err)
	}
	file := filepath.Join(t.TempDir(), "compose.override.yaml")
	if err := os.WriteFile(file, block[1], 0o600); err != nil {
		t.Fatal(err)
	}
	with, without := loadWith(t, []string{file}), load(t)
	changed := 0
	for name, s := range with.Services {
		for variable := range s.Environment {
			if without.Services[name].Environment[variable] == s.Environment[variable] {
				continue
			}
			changed++
			section, key, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(variable, "TANDEM_")), "_")
			if _, below, ok := strings.Cut(string(keys), "\n"+section+":\n"); !ok || !strings.Contains(below, "\n  "+key+": ") {
				t.Errorf("%s of %s is no key", variable, name)
			}
		}
		if len(s.Environment) < len(without.Services[name].Environment) {
			t.Errorf("%s lost settings", name)
		}
	}
	if changed < 3 {
		t.Errorf("%d settings are changed by\n%s", changed, block[1])
	}
}
