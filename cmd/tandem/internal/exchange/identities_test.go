package exchange

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/natsconf"
)

// identities makes everybody's, and a directory with some roles' of them.
func identities(t *testing.T) (all string, only func(roles ...string) string) {
	t.Helper()
	all = t.TempDir()
	p := natsconf.Plan{Kinds: []string{"sylkrtc", "grpcpipe", "matrix"}, Auth: natsconf.NKey, AdapterStore: 1 << 20, StoreDir: "/data"}
	if _, err := natsconf.Write(p, natsconf.Options{For: natsconf.External, Dir: all}); err != nil {
		t.Fatal(err)
	}
	return all, func(roles ...string) string {
		dir := t.TempDir()
		for _, r := range roles {
			data, err := os.ReadFile(filepath.Join(all, r+".nk"))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, r+".nk"), data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
}

// The server inside takes the same identities, from this process and others; an
// adapter's process shows no calls.
func TestIdentitiesOfTheServerInside(t *testing.T) {
	const secret = "secret=a secret of two processes"
	all, only := identities(t)
	a := start(t, "data_dir="+t.TempDir(), "roles=nats,directory,callstate,media", "nats.listen=127.0.0.1:0", "node=a", secret,
		"demo=true", "nats.identities="+all)
	b := start(t, "roles=sylkrtc,grpcpipe,console", "nats.url="+a.nats.URL(), "node=b", secret, "demo=true",
		"nats.identities="+only("sylkrtc", "grpcpipe"))
	if _, err := a.client().Calls(t.Context(), true); err != nil {
		t.Errorf("calls: %v", err)
	}
	if calls, err := b.client().Calls(t.Context(), true); err == nil {
		t.Errorf("an adapter's process shows calls: %v", calls)
	}
	a.echoFrom(t, b)

	// The page alone has no identity, and nothing to ask the bus for.
	page := start(t, "roles=console", "nats.url="+a.nats.URL(), "node=p", "nats.identities="+t.TempDir())
	for _, r := range []*running{a, b, page} {
		if _, text := get(t, "http://"+r.Address("admin")+"/metrics"); !strings.Contains(text, "\ntandem_bus_connected 1\n") {
			t.Error("a process that is well does not reach the bus")
		}
	}

	if _, err := New(load(t, "roles=sylkrtc", "nats.url="+a.nats.URL(), "node=c", secret, "nats.identities="+only("media")), Options{}); err == nil ||
		!strings.Contains(err.Error(), "sylkrtc.nk") {
		t.Errorf("a process without its identity: %v", err)
	}
}

// One process with everything, and a port.
func TestIdentitiesAllInOne(t *testing.T) {
	all, _ := identities(t)
	x := start(t, "data_dir="+t.TempDir(), "nats.listen=127.0.0.1:0", "nats.identities="+all)
	x.callEcho(t)
}
