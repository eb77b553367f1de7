package deploy

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/tests/internal/authority"
)

// What "docker compose up" starts with the profile demo.
var roles = []string{"callstate", "console", "dendrite", "directory", "grpcpipe", "matrix", "media", "nats", "sylkrtc"}

// restarts are what is restarted together, all in all every container. Docker looks
// whether one is well only five seconds after its start.
var restarts = [][]string{{"callstate"}, {"media"}, {"nats"}, {"directory", "dendrite", "console"}, {"sylkrtc", "grpcpipe", "matrix"}}

// TestCompose takes a deployment through its life: first on this machine alone, with
// the page in a browser and everybody's calls; then every container is restarted;
// then it is backed up, forgotten, restored, and opened to others with TLS.
func TestCompose(t *testing.T) {
	step := stopwatch(t)
	dir := t.TempDir()
	certificates := authority.New(t, dir, 0o644)
	b := newBrowser(t, certificates)
	p := prepare(t, "COMPOSE_PROFILES=demo")
	p.up(t)
	if got := slices.Sorted(maps.Keys(p.services(t))); !slices.Equal(got, roles) {
		t.Fatalf("running: %q, want %q", got, roles)
	}
	if _, err := p.compose(t.Context(), "up", "--no-build", "--detach", "prometheus"); err != nil {
		t.Fatal(err)
	}
	step("up")
	hangUp(callEcho(t, b, fmt.Sprintf("http://127.0.0.1:%d/", p.page)))
	p.call(t)
	step("calls placed")
	p.ports(t)
	step("ports scanned")
	p.watched(t)
	step("watched by Prometheus")
	for _, services := range restarts {
		if _, err := p.compose(t.Context(), append([]string{"restart"}, services...)...); err != nil {
			t.Fatal(err)
		}
		for _, service := range services {
			healthy(t, p.services(t)[service])
		}
		p.call(t)
		step(strings.Join(services, ", ") + " restarted and calls placed")
	}
	p.shown(t)

	p.shell(t, `docker compose exec -T directory /tandem directory add erin --name=Erin --address=tel:+12025550177`)
	ip := elsewhere(t)
	certificates.Issue(1, ip.String())
	p.tls = dir
	p.env = append(p.env, "COMPOSE_PROFILES=", "TANDEM_EXTERNAL_IP="+ip.String(), "TANDEM_TLS_DIR="+dir)
	p.moved(t)
	p.up(t)
	if list := p.shell(t, "docker compose exec -T directory /tandem directory list"); !strings.Contains(list, "erin") {
		t.Errorf("the subscriber is lost:\n%s", list)
	}
	step("backed up and restored")
	p.secure(t, b, certificates, ip)
	if list := p.shell(t, "docker compose exec -T callstate /tandem calls --all"); !strings.Contains(list, echo) {
		t.Errorf("the calls are not listed:\n%s", list)
	}
	step("called with TLS")
}

// Three NATS nodes, one of which may be away, and subscribers of one's own, who
// sign in by IPv6; pion has no use for ::1 in media.
func TestThreeNATSNodes(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own.yaml")
	const config = `directory:
  domains: [own.test]
  subscribers:
    - {id: frank, addresses: ["sip:frank@own.test", "tel:+12025550149"], password: the password of frank}
    - {id: grace, addresses: ["sip:grace@own.test", "tel:+12025550150"], tokens: [the token of grace]}
`
	if err := os.WriteFile(own, []byte(config), 0o644); err != nil { //nolint:gosec // containers have another user
		t.Fatal(err)
	}
	p := prepare(t, "COMPOSE_PROFILES=nats3", "TANDEM_NATS_NODES=3", "TANDEM_DEMO=false", "TANDEM_CONFIG_FILE="+own,
		"TANDEM_BIND=::1", "TANDEM_HOSTS=::1", "TANDEM_MEDIA_BIND=127.0.0.1")
	p.host = "[::1]"
	p.alice = kittest.Account{Subscriber: "frank", AOR: "frank@own.test", MSISDN: "+12025550149", HA1: sylkrtctest.HA1("frank@own.test", "the password of frank")}
	p.carol = kittest.Account{Subscriber: "grace", AOR: "grace@own.test", MSISDN: "+12025550150", Token: "the token of grace"}
	p.up(t)
	running := p.services(t)
	for _, node := range []string{"nats", "nats-2", "nats-3"} {
		healthy(t, running[node])
	}
	p.call(t)
	p.ports(t, "nats", "nats-2", "nats-3")
	if _, err := p.compose(t.Context(), "stop", "nats"); err != nil {
		t.Fatal(err)
	}
	// While the others choose who leads, callers are told to try again.
	eventually(t, "called with one node away", func() (bool, string) {
		err := p.tryCall(t)
		return err == nil, fmt.Sprint(err)
	})
}

// stopwatch logs what each step took.
func stopwatch(t *testing.T) func(step string) {
	began := time.Now()
	return func(step string) {
		t.Logf("%s after %v", step, time.Since(began).Round(100*time.Millisecond))
		began = time.Now()
	}
}
