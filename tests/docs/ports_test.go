package docs

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// port is a row of the table in docs/network.md.
type port struct{ role, port, protocol, direction, bind, setting string }

func documentedPorts(t *testing.T) (out []port) {
	t.Helper()
	for line := range strings.Lines(section(t, "network.md", "Ports and firewall")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 7 {
			continue
		}
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		if cells[3] == "in" || cells[3] == "out" {
			out = append(out, port{cells[0], cells[1], cells[2], cells[3], cells[4], cells[5]})
		}
	}
	if len(out) < 8 {
		t.Fatalf("only %d ports are documented", len(out))
	}
	return out
}

// TestPortsAreTheDefaults: each key …listen of the configuration is in the table,
// with its default, and no other.
func TestPortsAreTheDefaults(t *testing.T) {
	binary, err := harness.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), binary.Path, "config", "reference").Output()
	if err != nil {
		t.Fatal(err)
	}
	var sections map[string]any
	if err := yaml.Unmarshal(out, &sections); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for name, s := range sections {
		if keys, ok := s.(map[string]any); ok {
			if listen, ok := keys["listen"].(string); ok {
				want[name+".listen"] = listen
			}
		}
	}
	have := map[string]string{}
	for _, p := range documentedPorts(t) {
		switch {
		case p.direction == "out":
		case p.bind == "none":
			have[p.setting] = ""
		default:
			have[p.setting] = net.JoinHostPort(p.bind, p.port)
		}
	}
	if !maps.Equal(have, want) {
		t.Errorf("documented %v\ndefaults   %v", have, want)
	}
}

// TestSocketsAreThePorts: a process with all roles has the sockets of the table,
// as many as it says, and no others.
func TestSocketsAreThePorts(t *testing.T) {
	binary, err := harness.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	x := harness.StartExchange(t, binary, harness.AllInOne, harness.Options{})
	want := map[string]int{}
	for _, p := range documentedPorts(t) {
		// The page is on sylkRTC's port; Matrix is off without a homeserver.
		if p.direction == "in" && p.bind != "none" && p.role != "console" && p.role != "matrix" {
			want[strings.ToLower(p.protocol[:3])]++
		}
	}
	pid := x.Processes["all"].Pid()
	have := map[string]int{}
	var where []string
	for protocol, state := range map[string]string{"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"} {
		for _, address := range listening(t, pid, protocol, state) {
			have[protocol[:3]]++
			where = append(where, protocol+" "+address)
		}
	}
	if !maps.Equal(have, want) {
		slices.Sort(where)
		t.Errorf("sockets %q: %v, documented %v", where, have, want)
	}
}

// listening gives the local addresses of a process's sockets in a state, as
// /proc/PID/net has them.
func listening(t *testing.T, pid int, protocol, state string) (out []string) {
	t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	own := map[string]bool{}
	for _, fd := range fds {
		if target, err := os.Readlink(filepath.Join(dir, "fd", fd.Name())); err == nil {
			own[target] = true
		}
	}
	table, err := os.ReadFile(filepath.Join(dir, "net", protocol))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 9 && f[3] == state && own[fmt.Sprintf("socket:[%s]", f[9])] {
			out = append(out, f[1])
		}
	}
	return out
}
