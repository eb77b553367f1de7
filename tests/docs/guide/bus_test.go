package guide

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tandem-rtc/tandem/tests/internal/authority"
	"github.com/tandem-rtc/tandem/tests/internal/shell"
)

// call places the guide's first call: Erin, who is added, is called by Dispatch.
func (s *site) call(directory string) {
	s.t.Helper()
	typed := blocks(s.t, "## One process", 3, "sh")
	add := strings.NewReplacer("tandem health\n", "", "tandem directory", "TANDEM_DIRECTORY").Replace(typed[1])
	s.terminal("erin", strings.Replace(add, "TANDEM_DIRECTORY add", "tandem directory add "+directory, 1))
	s.says("erin", "registered at")
	want(s.t, s.do("("+typed[2]+")"), "audio arrives", "established")
	s.do("wait $erin")
}

// One role per process: five of them, and a call through all.
func TestOneRolePerProcess(t *testing.T) {
	s := newSite(t, nil)
	typed := blocks(t, "## One role per process", 2, "sh")
	s.do("export SSL_CERT_FILE=/etc/tandem/ca.crt")
	s.terminal("nats", typed[0])
	s.do(strings.ReplaceAll(typed[1], " &\n", " > serve.log 2>&1 &\n"))
	for _, port := range []string{"9464", "9465", "9466", "9467", "9468"} {
		s.ready("--admin=http://127.0.0.1:" + port)
	}
	s.call("--admin=http://127.0.0.1:9465")
	s.do("export TANDEM_ADMIN_TOKEN=change-me-to-something-long-and-random")
	for _, port := range []string{"9464", "9468"} {
		want(t, s.do("tandem calls --all --admin=http://127.0.0.1:"+port), "Erin")
	}
	want(t, s.do("curl -sS --cacert /etc/tandem/ca.crt https://phone.example.org:8080/"), "<html")
}

// One server with an identity for each role. A secret is replaced: the process with
// the old one is shut out, with the new one it is let in.
func TestIdentities(t *testing.T) {
	s := newSite(t, nil)
	typed := blocks(t, "## The bus is not trusted blindly", 5, "sh")
	make, start, _ := strings.Cut(typed[0], "\n")
	s.do("export SSL_CERT_FILE=/etc/tandem/ca.crt")
	s.do(make)
	s.do("cp -r nats old")
	s.terminal("nats", start)
	s.terminal("serve", typed[1])
	s.ready("")
	s.call("")

	s.do(typed[2])
	s.do("while tandem health; do sleep 0.2; done")
	s.do("kill $serve; wait $serve || true")
	s.terminal("shut_out", "tandem serve --nats=nats://127.0.0.1:4222 --roles=media --node=m1 --set nats.identities=old -c tandem.yaml")
	s.says("shut_out", "uthoriz")
	s.do("! wait $shut_out")
	s.terminal("serve", typed[1])
	s.ready("")
	s.call("")
}

// A server with a configuration of its own, which includes the accounts.
func TestServersOfYourOwn(t *testing.T) {
	s := newSite(t, nil)
	s.file("own.conf", blocks(t, "## The bus is not trusted blindly", 1, "conf")[0])
	s.do("export SSL_CERT_FILE=/etc/tandem/ca.crt")
	s.do(command(t, "--for=external"))
	s.terminal("nats", "nats-server -c own.conf")
	s.terminal("serve", blocks(t, "## The bus is not trusted blindly", 5, "sh")[1])
	s.ready("")
	s.call("")
}

// command is the guide's command that has a flag.
func command(t *testing.T, flag string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, span := range strings.Split(string(text), "`") {
		if strings.HasPrefix(span, "tandem nats-config ") && strings.HasSuffix(span, flag) {
			return span
		}
	}
	t.Fatalf("the guide has no command with %s", flag)
	return ""
}

// Secrets for Kubernetes: each is one, and each role has its own.
func TestKubernetesSecrets(t *testing.T) {
	s := newSite(t, nil)
	s.do(command(t, "--for=helm"))
	f, err := os.Open(filepath.Join(s.dir, "nats", "secrets.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	found := map[string]map[string]string{}
	for d := yaml.NewDecoder(f); ; {
		var secret struct {
			Kind       string
			Metadata   struct{ Name string }
			StringData map[string]string `yaml:"stringData"`
		}
		if d.Decode(&secret) != nil {
			break
		}
		if secret.Kind != "Secret" {
			t.Errorf("a %q", secret.Kind)
		}
		found[secret.Metadata.Name] = secret.StringData
	}
	for _, role := range []string{"callstate", "directory", "media", "sylkrtc", "grpcpipe", "matrix"} {
		key, err := os.ReadFile(filepath.Join(s.dir, "nats", role+".nk"))
		if err != nil {
			t.Fatal(err)
		}
		holders := 0
		for _, data := range found {
			for _, v := range data {
				if strings.TrimSpace(v) == strings.TrimSpace(string(key)) {
					holders++
				}
			}
		}
		if holders != 1 {
			t.Errorf("%s's secret is in %d of %d", role, holders, len(found))
		}
	}
	want(t, found["tandem-nats"]["nats.conf"], "include accounts.conf")
}

// Three servers on three machines, which know each other by certificates, and an
// exchange on a fourth. One server ends, and calls go on being placed.
func TestClusterWithCertificates(t *testing.T) {
	t.Parallel()
	typed := blocks(t, "## The bus is not trusted blindly", 5, "sh")
	servers := []string{"nats-1", "nats-2", "nats-3"}
	dir := t.TempDir()
	logs(t, dir)
	authority.New(t, dir, 0o600).Issue(1, servers...)
	machines := shell.Network(t, options(t, dir), append(servers, "exchange")...)
	here := strings.NewReplacer("/etc/nats", dir, "/var/lib/nats", "data")
	x := machines["exchange"]
	x.Run(t, here.Replace(typed[3]), step)
	for _, name := range servers {
		start := here.Replace(strings.Replace(typed[4], "=nats-1", "="+name, 1))
		machines[name].Run(t, "mkdir "+name+"\ncp nats/nats.conf nats/accounts.conf "+name+"\ncd "+name+"\n("+start+") > ../"+name+".log 2>&1 &", step)
	}
	config := blocks(t, "## The bus is not trusted blindly", 1, "yaml")[0] + "demo: true\n"
	if err := os.WriteFile(filepath.Join(dir, "tandem.yaml"), []byte(here.Replace(config)), 0o600); err != nil {
		t.Fatal(err)
	}
	x.Run(t, "tandem serve -c tandem.yaml > serve.log 2>&1 &\nuntil tandem health; do sleep 0.5; done", step)
	echo := "tandem phone call +12025550199 --duration=300ms"
	want(t, x.Run(t, echo, step), "established")
	machines["nats-2"].Run(t, "kill -9 $(jobs -p)", step)
	x.Run(t, "until "+echo+"; do sleep 0.5; done", step)
}
