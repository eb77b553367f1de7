package deploy

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
)

// composeFile is where the compose file is.
const composeDir = "../../deploy"

// project is a running deployment.
type project struct {
	name string
	env  []string
	// host is where ports for users are on this machine, as in a URL.
	host string
	// Ports on this machine.
	page, sylk, grpc, media, matrix, events, watch int
	// alice has a sylkRTC account, carol a number for WG2 terminals.
	alice, carol kittest.Account
	// tls is the directory of its certificate, if it has one.
	tls string
	// accounts is the secret by which the homeserver makes accounts; empty without one.
	accounts string
}

// prepare gives a deployment that is not there yet, on free ports, and takes it
// down when the test ends.
func prepare(t *testing.T, env ...string) *project {
	t.Helper()
	ports := free(t, 7)
	p := &project{
		name: fmt.Sprintf("tandem-test-%d", ports[0]), host: "127.0.0.1",
		page: ports[0], sylk: ports[1], grpc: ports[2], media: ports[3], matrix: ports[4], events: ports[5], watch: ports[6],
		alice: alice, carol: carol,
	}
	p.env = append([]string{
		"COMPOSE_PROJECT_NAME=" + p.name, "TANDEM_IMAGE=" + image,
		fmt.Sprintf("TANDEM_PAGE_PORT=%d", p.page), fmt.Sprintf("TANDEM_SYLKRTC_PORT=%d", p.sylk),
		fmt.Sprintf("TANDEM_GRPC_PORT=%d", p.grpc), fmt.Sprintf("TANDEM_MEDIA_PORT=%d", p.media),
		fmt.Sprintf("TANDEM_DENDRITE_PORT=%d", p.matrix), fmt.Sprintf("TANDEM_MATRIX_PORT=%d", p.events),
		fmt.Sprintf("TANDEM_PROMETHEUS_PORT=%d", p.watch),
	}, env...)
	t.Cleanup(func() { p.down(t) })
	return p
}

// up starts what is not running yet, and waits until all is well.
func (p *project) up(t *testing.T) {
	t.Helper()
	if out, err := p.compose(t.Context(), "up", "--no-build", "--wait", "--wait-timeout", "120"); err != nil {
		p.logs(t)
		t.Fatalf("%v\n%s", err, out)
	}
	if p.services(t)["dendrite"] != "" {
		var err error
		if p.accounts, err = p.compose(t.Context(), "exec", "-T", "dendrite", "cat", "/secrets/accounts"); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *project) compose(ctx context.Context, args ...string) (string, error) {
	return machine.Compose(ctx, composeDir, p.env, args...) //nolint:wrapcheck // says what it is already
}

// down ends it, and looks whether anything is left.
func (p *project) down(t *testing.T) {
	t.Helper()
	if t.Failed() {
		p.logs(t)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := p.compose(ctx, "--profile", "*", "down", "--volumes"); err != nil {
		t.Error(err)
	}
	label := "label=com.docker.compose.project=" + p.name
	for what, args := range map[string][]string{
		"containers": {"ps", "-aq", "--filter", label},
		"volumes":    {"volume", "ls", "-q", "--filter", label},
		"networks":   {"network", "ls", "-q", "--filter", label},
	} {
		if left, err := machine.Run(ctx, args...); err != nil || left != "" {
			t.Errorf("%s are left: %s, %v", what, left, err)
		}
	}
	if left, err := machine.Run(ctx, "volume", "ls", "-q", "--filter", "dangling=true"); machine.Own() && (err != nil || left != "") {
		t.Errorf("volumes without a name are left: %s, %v", left, err)
	}
}

// shell runs commands of the guide in the compose file's directory.
func (p *project) shell(t *testing.T, script string) string {
	t.Helper()
	out, err := machine.Shell(t.Context(), composeDir, p.env, strings.ReplaceAll(script, "tandem_", p.name+"_"))
	if err != nil {
		p.logs(t)
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

func (p *project) logs(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	text, err := p.compose(ctx, "--profile", "*", "logs", "--no-color", "--tail", "60")
	t.Logf("logs: %v\n%s", err, text)
}

// services gives the names of the services that run, and their containers.
func (p *project) services(t *testing.T) map[string]string {
	t.Helper()
	text, err := machine.Run(t.Context(), "ps", "--filter", "label=com.docker.compose.project="+p.name,
		"--format", `{{.Label "com.docker.compose.service"}} {{.ID}}`)
	if err != nil {
		t.Fatal(err)
	}
	running := map[string]string{}
	for line := range strings.Lines(text) {
		if service, id, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			running[service] = id
		}
	}
	return running
}

// free gives ports that nobody uses, neither over TCP nor over UDP.
func free(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// eventually waits for something to become true.
func eventually(t *testing.T, what string, f func() (bool, string)) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, is := f()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not %s after %v: %s", what, patience, is)
		}
	}
}
