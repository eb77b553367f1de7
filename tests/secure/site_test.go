package secure

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/internal/authority"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

const (
	aliceNumber, bobNumber = "+12025550141", "+12025550142"
	alice, carol           = "alice@secure.test", "carol@secure.test"
	patience               = 60 * time.Second
)

// site is an exchange in three processes: the exchange itself, the page, and the
// Matrix adapter, whose homeserver knows nothing. Its secrets are in secrets, by
// what they are.
type site struct {
	t         testing.TB
	dir       string
	authority *authority.Authority
	ports     map[string]string // by role: host:port
	secrets   map[string]string
	processes map[string]*harness.Process
	config    string
	woken     atomic.Int32 // how often the wake hook was asked
}

// secret makes one that is found nowhere by chance.
func (s *site) secret(what string) string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	s.secrets[what] = hex.EncodeToString(raw[:])
	return s.secrets[what]
}

// open starts the processes, all logging everything, with traces going to
// collector and wake-ups to a hook that takes all.
func open(t testing.TB, collector string) *site {
	t.Helper()
	s := &site{
		t: t, dir: t.TempDir(), ports: map[string]string{}, secrets: map[string]string{}, processes: map[string]*harness.Process{},
	}
	s.authority = authority.New(t, s.dir, 0o600)
	s.authority.Issue(1)
	roles := []string{"nats", "admin", "sylkrtc", "grpcpipe", "media", "console", "matrix"}
	for i, p := range harness.FreePorts(t, len(roles)) {
		s.ports[roles[i]] = fmt.Sprintf("127.0.0.1:%d", p)
	}
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { s.woken.Add(1) }))
	t.Cleanup(hook.Close)
	homeserver := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(homeserver.Close)

	common := fmt.Sprintf("secret: %s\nlog: {level: debug}\ntracing: {endpoint: %q}\n", s.secret("cluster"), collector)
	password := s.secret("NATS password")
	client := fmt.Sprintf("nats: {url: \"tls://%s\", user: tandem, password: %s, tls: {ca_file: %s}}\nadmin: {listen: \"\"}\n",
		s.ports["nats"], password, s.authority.CA)
	s.config = s.file("tandem.yaml", common+fmt.Sprintf(`
roles: [nats, directory, callstate, media, sylkrtc, grpcpipe]
node: main
data_dir: %s
nats: {listen: "%s", user: tandem, password: %s, %s}
admin: {listen: "%s", token: %s, %s}
sylkrtc: {listen: "%s", %s}
grpcpipe: {listen: "%s", %s}
media: {listen: "%s"}
directory:
  domains: [secure.test]
  subscribers:
    - {id: alice, addresses: ["sip:%s", "tel:%s"], password: %s}
    - {id: bob, addresses: ["tel:%s"], tokens: [%s]}
    - {id: carol, addresses: ["sip:%s"], digests: ["carol:secure.test:%s"]}
  service_tokens: [{name: product, token: %s, all: true}]
  wake: {url: "%s", secret: %s}
`, filepath.Join(s.dir, "data"), s.ports["nats"], password, s.tls(), s.ports["admin"], s.secret("admin token"), s.tls(),
		s.ports["sylkrtc"], s.tls(), s.ports["grpcpipe"], s.tls(), s.ports["media"],
		alice, aliceNumber, s.secret("password"), bobNumber, s.secret("token"), carol, s.secret("digest"),
		s.secret("product token"), hook.URL, s.secret("wake secret")))
	s.start("main", s.config)
	s.start("console", s.file("console.yaml", common+client+fmt.Sprintf(
		"roles: [console]\nnode: page\nconsole: {listen: \"%s\", %s}\n", s.ports["console"], s.tls())))
	s.start("matrix", s.file("matrix.yaml", common+client+fmt.Sprintf(
		"roles: [matrix]\nnode: matrix\nmatrix: {listen: \"%s\", %s, homeserver: \"%s\", server_name: secure.test, registration: %s}\n",
		s.ports["matrix"], s.tls(), homeserver.URL, s.registration())))
	for role := range s.ports {
		if role != "nats" && role != "media" {
			harness.Eventually(t, patience, role+" listens", func() (bool, string) {
				_, err := s.serial(role)
				return err == nil, fmt.Sprint(err)
			})
		}
	}
	harness.Eventually(t, patience, "ready", func() (bool, string) {
		status, body := s.get("/readyz", "")
		return status == http.StatusOK, body
	})
	return s
}

// tls is a section's certificate.
func (s *site) tls() string {
	return fmt.Sprintf("tls: {cert_file: %s, key_file: %s}", s.authority.Chain, s.authority.Key)
}

func (s *site) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// registration makes the application service's, whose tokens are secrets.
func (s *site) registration() string {
	s.t.Helper()
	path := filepath.Join(s.dir, "registration.yaml")
	out, err := exec.CommandContext(s.t.Context(), binary.Path, "matrix", "registration", "--server-name", "secure.test", "-o", path).CombinedOutput() //nolint:gosec // the binary under test
	if err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^(as_token|hs_token): "?([^"\s]+)"?$`).FindAllStringSubmatch(string(data), -1) {
		s.secrets[m[1]] = m[2]
	}
	if len(s.secrets["as_token"]) < 16 || len(s.secrets["hs_token"]) < 16 {
		s.t.Fatalf("no tokens in:\n%s", data)
	}
	return path
}

// start runs a process whose whole log goes to a file.
func (s *site) start(name, config string) {
	s.t.Helper()
	s.processes[name] = harness.Start(s.t, harness.Command{
		Name: name, Path: "/bin/sh", Args: []string{"-c", `exec "$0" serve -q -c "$1" >"$2" 2>&1`, binary.Path, config, s.log(name)},
	})
}

func (s *site) log(name string) string { return filepath.Join(s.dir, name+".log") }

// logs gives all that was logged, by process.
func (s *site) logs() map[string]string {
	s.t.Helper()
	logs := map[string]string{}
	for name := range s.processes {
		data, err := os.ReadFile(s.log(name))
		if err != nil {
			s.t.Fatal(err)
		}
		logs[name] = string(data)
	}
	return logs
}

// serial gives the number of the certificate that a port shows to a new
// connection.
func (s *site) serial(role string) (int64, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{RootCAs: s.authority.Pool, ServerName: "localhost", NextProtos: []string{"h2", "http/1.1"}}}
	c, err := d.DialContext(ctx, "tcp", s.ports[role])
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil //nolint:forcetypeassert // a tls.Dialer's
}

// get asks the operator's port, with a token unless it is empty.
func (s *site) get(path, token string) (status int, body string) {
	s.t.Helper()
	return s.ask("admin", path, func(r *http.Request) {
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
	})
}

// ask asks a port by HTTPS.
func (s *site) ask(role, path string, change func(*http.Request)) (status int, body string) {
	s.t.Helper()
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.authority.Pool}, DisableKeepAlives: true,
	}}
	_, port, _ := net.SplitHostPort(s.ports[role]) // ours
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "https://localhost:"+port+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	change(r)
	res, err := client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(data)
}

// phone starts "tandem phone" with a token.
func (s *site) phone(token string, args ...string) *harness.Process {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.ports["grpcpipe"]) // ours
	args = append([]string{"phone"}, args...)
	args = append(args, "--json", "--server", "localhost:"+port, "--ca", s.authority.CA)
	return harness.Start(s.t, harness.Command{
		Name: strings.Join(args[:2], " "), Path: binary.Path, Args: args, Env: []string{"TANDEM_PHONE_TOKEN=" + token},
	})
}

// listening starts a phone and waits until it can be called.
func (s *site) listening(token string, args ...string) *harness.Process {
	s.t.Helper()
	p := s.phone(token, append([]string{"listen"}, args...)...)
	harness.Eventually(s.t, patience, "phone registered", func() (bool, string) {
		return strings.Contains(p.Log(), "registered at"), p.Log()
	})
	return p
}
