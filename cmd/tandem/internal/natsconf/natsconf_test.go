package natsconf

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/natsbus"
	"github.com/tandem-rtc/tandem/schema"
)

func plan(change ...func(*Plan)) Plan {
	p := Plan{
		Kinds: []string{"sylkrtc", "grpcpipe"}, Auth: NKey, AdapterStore: 1 << 20,
		Listen: "127.0.0.1:4222", Routes: "0.0.0.0:6222", StoreDir: "/data",
	}
	for _, f := range change {
		f(&p)
	}
	return p
}

// What Write writes, nats-server reads.
func TestServersReadIt(t *testing.T) {
	for name, change := range map[string]func(*Plan){
		"single":   func(*Plan) {},
		"password": func(p *Plan) { p.Auth = Password },
		"cluster": func(p *Plan) {
			p.Servers = []string{"nats-1", "nats-2", "nats-3:7222"}
			p.Monitor = "0.0.0.0:8222"
		},
		"nodes":    func(p *Plan) { p.Nodes = map[string][]string{"sylkrtc": {"b", "a", "b"}} },
		"a third":  func(p *Plan) { p.Kinds = append(p.Kinds, "matrix") },
		"no kinds": func(p *Plan) { p.Kinds = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NATS_SERVER_NAME", "nats-1")
			p := plan(change)
			dir := t.TempDir()
			if _, err := Write(p, Options{For: Compose, Dir: dir}); err != nil {
				t.Fatal(err)
			}
			o, err := server.ProcessConfigFile(filepath.Join(dir, "nats.conf"))
			if err != nil {
				t.Fatal(err)
			}
			if len(o.Accounts) != len(Roles(p.Kinds))+1 || o.SystemAccount != "tandem-system" || o.MaxPayload != 4<<20 {
				t.Errorf("%d accounts, system account %s, payload %d", len(o.Accounts), o.SystemAccount, o.MaxPayload)
			}
			users := len(o.Nkeys) + len(o.Users)
			want := len(o.Accounts)
			if name == "nodes" {
				want++
			}
			if users != want || (p.Auth == Password) != (len(o.Users) > 0) {
				t.Errorf("%d users, want %d", users, want)
			}
			if len(p.Servers) > 0 && (len(o.Routes) != 3 || o.Routes[2].Port() != "7222" || o.Cluster.Username != "tandem" || o.ServerName != "nats-1") {
				t.Errorf("routes %v, cluster %+v", o.Routes, o.Cluster)
			}
		})
	}
}

// The rights are about the subjects that are really used.
func TestRightsMeetTheSubjects(t *testing.T) {
	id := schema.NewIDKey([]byte("test")).CallID("a", "b", "c")
	p := plan()
	allowed := func(list []string, subject string) bool {
		return slices.ContainsFunc(list, func(f string) bool { return bus.Match(f, subject) })
	}
	for _, c := range []struct {
		role    string
		sends   []string
		listens []string
	}{
		{"sylkrtc", []string{
			schema.CommandSubject("sylkrtc", "n1", id), schema.DirectorySubject("sylkrtc", "n1"), schema.CallsSubject("sylkrtc", "n1"),
			schema.SignalSubject("m1", "sylkrtc", "n1", id), "$KV.nodes.sylkrtc.n1", "$KV.terminals.sylkrtc.n1.t",
		}, []string{schema.EventFilter("sylkrtc", "n1")}},
		{"media", []string{schema.CommandSubject("media", "n1", id), "$KV.nodes.media.n1"},
			[]string{schema.MediaFilter("n1"), schema.SignalFilter("n1")}},
		{"callstate", []string{
			schema.CommandSubject("callstate", "n1", id), schema.EventSubject("grpcpipe", "x", id), schema.MediaSubject("m1", id),
			schema.DirectorySubject("callstate", "n1"), schema.RecordSubject(id, "a", "b"), schema.PairSubject("a", "b"), "$KV.own.p.1",
		}, []string{schema.CommandFilter(5), schema.CallsFilter}},
		{"directory", []string{"$KV.directory.x", "$KV.wakes.x"}, []string{schema.DirectoryFilter}},
	} {
		for _, s := range c.sends {
			if !allowed(forNode(publishes(c.role, p.Kinds), "n1"), s) {
				t.Errorf("%s may not send to %s", c.role, s)
			}
		}
		for _, s := range append(c.listens, "_INBOX."+c.role+".n1.abc.*") {
			if !allowed(forNode(subscribes(c.role), "n1"), strings.NewReplacer("*", "x").Replace(s)) {
				t.Errorf("%s may not listen on %s", c.role, s)
			}
		}
	}
	if s := schema.CommandSubject("sylkrtc", "n2", id); allowed(forNode(publishes("sylkrtc", p.Kinds), "n1"), s) {
		t.Errorf("n1 may send to %s", s)
	}
}

func TestSecretsStayUntilTheyAreRemoved(t *testing.T) {
	dir := t.TempDir()
	write := func(o Options) string {
		t.Helper()
		o.Dir = dir
		if _, err := Write(plan(), o); err != nil {
			t.Fatal(err)
		}
		return read(t, dir, "accounts.conf")
	}
	first, seed := write(Options{For: External}), read(t, dir, "media.nk")
	if strings.Contains(first, strings.TrimSpace(seed)) {
		t.Error("a seed is in the server's configuration")
	}
	if again := write(Options{For: Compose}); again != first || read(t, dir, "media.nk") != seed {
		t.Error("another run changed something")
	}
	if err := os.Remove(filepath.Join(dir, "media.nk")); err != nil {
		t.Fatal(err)
	}
	if again := write(Options{For: Compose}); again == first || read(t, dir, "media.nk") == seed {
		t.Error("the secret that was removed is not replaced")
	}
	info, err := os.Stat(filepath.Join(dir, "media.nk"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "media.nk"), []byte("no seed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(plan(), Options{For: Compose, Dir: dir}); err == nil || !strings.Contains(err.Error(), "media.nk") {
		t.Errorf("a broken secret: %v", err)
	}
}

// A pod gets its own role's secret.
func TestEachRoleHasASecretOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	if _, err := Write(plan(), Options{For: Helm, Dir: dir, Prefix: "x", Namespace: "phones", Readable: true}); err != nil {
		t.Fatal(err)
	}
	docs := strings.Split(read(t, dir, "secrets.yaml"), "---\n")[1:]
	if len(docs) != 1+len(Roles(plan().Kinds))+1 {
		t.Fatalf("%d secrets", len(docs))
	}
	for _, role := range append(Roles(plan().Kinds), System) {
		seed := strings.TrimSpace(read(t, dir, role+".nk"))
		for _, d := range docs {
			if own := strings.Contains(d, "name: x-nats-"+role+"\n"); strings.Contains(d, seed) != own {
				t.Errorf("the seed of %s in:\n%s", role, d)
			}
			if !strings.Contains(d, "namespace: phones\n") {
				t.Errorf("no namespace in:\n%s", d)
			}
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "media.nk")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("a readable secret: %v, %v", info, err)
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	for want, change := range map[string]func(*Plan){
		"is there twice":         func(p *Plan) { p.Kinds = append(p.Kinds, "media") },
		`role "a.b"`:             func(p *Plan) { p.Kinds = append(p.Kinds, "a.b") },
		"there is no such role":  func(p *Plan) { p.Nodes = map[string][]string{"matrix": {"a"}} },
		`node "a*"`:              func(p *Plan) { p.Nodes = map[string][]string{"media": {"a*"}} },
		"neither nkey":           func(p *Plan) { p.Auth = "none" },
		"go together":            func(p *Plan) { p.Cert = "a" },
		"needs a certificate":    func(p *Plan) { p.CA = "a" },
		"is not host:port":       func(p *Plan) { p.Servers, p.Routes = []string{"a", "b"}, "x" },
		"store must be positive": func(p *Plan) { p.AdapterStore = 0 },
	} {
		if _, err := Write(plan(change), Options{For: Compose, Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestIdentify(t *testing.T) {
	for _, auth := range []string{NKey, Password} {
		dir := t.TempDir()
		p := plan(func(p *Plan) { p.Auth, p.Nodes = auth, map[string][]string{"sylkrtc": {"n1"}} })
		if _, err := Write(p, Options{For: Compose, Dir: dir}); err != nil {
			t.Fatal(err)
		}
		c := natsbus.Config{Kind: "sylkrtc", Node: "n1"}
		if err := Identify(&c, dir); err != nil {
			t.Fatal(err)
		}
		if auth == NKey && filepath.Base(c.NKeySeedFile) != "sylkrtc.n1.nk" || auth == Password && (c.User != "sylkrtc.n1" || len(c.Password) < 20) {
			t.Errorf("%s: %+v", auth, c)
		}
		if !slices.Contains(c.Foreign, "KV_terminals") {
			t.Errorf("foreign: %v", c.Foreign)
		}
		if err := Identify(&natsbus.Config{Kind: "sylkrtc", Node: "n2"}, dir); err == nil {
			t.Error("a node without an identity has one")
		}
		if !Has(dir, "media", "any") || Has(dir, "nats", "any") {
			t.Error("who has an identity")
		}
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
