package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// startNATS runs a nats-server with the configuration that "tandem nats-config"
// makes for it, and data of its own.
func (x *Exchange) startNATS(identities, data string, port int) {
	x.t.Helper()
	path, err := natsServer()
	if err != nil {
		x.t.Fatal(err)
	}
	monitor := fmt.Sprintf("127.0.0.1:%d", FreePorts(x.t, 1)[0])
	config := exec.CommandContext(x.t.Context(), x.binary.Path, "nats-config", "--out", identities, //nolint:gosec // the binary under test
		"--listen", fmt.Sprintf("127.0.0.1:%d", port), "--monitor", monitor, "--store", data)
	if out, err := config.CombinedOutput(); err != nil {
		x.t.Fatalf("tandem nats-config: %v\n%s", err, out)
	}
	x.Identities = identities
	p := Start(x.t, Command{Name: "nats-server", Path: path, Args: []string{"-c", filepath.Join(identities, "nats.conf")}})
	x.Processes["nats"] = p
	AwaitHTTP(x.t, p, "http://"+monitor+"/healthz", startWithin)
}

// identity makes a directory with what a role's process needs and no more. The
// one that owns calls is also the operator's.
func (x *Exchange) identity(role string) string {
	x.t.Helper()
	dir := x.t.TempDir()
	names := []string{role}
	switch role {
	case "callstate":
		names = append(names, "admin")
	case "console":
		names = nil // the page needs no bus
	}
	for _, n := range names {
		data, err := os.ReadFile(filepath.Join(x.Identities, n+".nk"))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, n+".nk"), data, 0o600)
		}
		if err != nil {
			x.t.Fatal(err)
		}
	}
	return dir
}
