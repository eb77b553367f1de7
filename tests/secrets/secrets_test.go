package secrets

import (
	"context"
	"crypto/md5" //nolint:gosec // SIP's digest
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

const (
	password     = "f00d-password-of-alice"
	token        = "f00d-token-of-dispatch"
	serviceToken = "f00d-token-of-a-product"
	adminToken   = "f00d-token-of-the-operator"
	cluster      = "f00d-secret-of-the-cluster"
	wakeSecret   = "f00d-secret-of-the-web-hook"
	wrongToken   = "f00d-token-of-nobody"
	wrongDigest  = "0123456789abcdef0123456789abcdef"

	account = "alice@example.org"
	config  = `
secret: ` + cluster + `
admin: {token: ` + adminToken + `}
log: {level: debug}
directory:
  domains: [example.org]
  subscribers:
    - id: alice
      addresses: ["sip:` + account + `", "tel:+12025550141"]
      password: ` + password + `
    - id: dispatch
      addresses: ["tel:+12025550142"]
      tokens: [` + token + `]
  service_tokens:
    - {name: product, token: ` + serviceToken + `, subscribers: [dispatch]}
  wake: {url: "http://127.0.0.1:1/", secret: ` + wakeSecret + `, tries: 1, allow_http: true}
`
)

// said is everything that the exchange and its commands said, by where.
type said map[string]string

// TestNoSecretIsSaid uses every secret of a configuration, and wrong ones, and
// searches logs, metrics, traces, what commands print, and error replies.
func TestNoSecretIsSaid(t *testing.T) {
	binary, err := harness.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "tandem.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	all := said{}
	tandem := func(name string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, _ := exec.CommandContext(ctx, binary.Path, args...).CombinedOutput()
		if len(out) == 0 {
			t.Errorf("%s says nothing", name)
		}
		all[name] = string(out)
	}
	identities := filepath.Join(dir, "nats")
	tandem("nats-config", "nats-config", "--out", identities)
	secrets := secretsOf(t, identities)

	traces, endpoint := collect(t)
	p := harness.FreePorts(t, 4)
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(p[i]) }
	settings := []string{
		"--set", "sylkrtc.listen=" + at(0), "--set", "grpcpipe.listen=" + at(1), "--set", "media.listen=" + at(2), "--set", "admin.listen=" + at(3),
		"--set", "nats.identities=" + identities, "--set", "data_dir=" + filepath.Join(dir, "data"), "--set", "tracing.endpoint=" + endpoint,
	}
	x := harness.Start(t, harness.Command{Name: "tandem", Path: binary.Path, Args: append([]string{"serve", "-c", file}, settings...)})
	admin := "http://" + at(3)
	harness.AwaitHTTP(t, x, admin+"/readyz", time.Minute)

	// Everything is used once.
	tandem("config show", append([]string{"config", "show", "-c", file}, settings...)...)
	tandem("a bad configuration", "config", "check", "-c", file, "--set", "nosuch.key=1", "--set", "directory.domains=[]", "--set", "sylkrtc.listen=nowhere")
	tandem("a call by token", "phone", "call", "+12025550141", "--server", at(1), "--msisdn=", "--token", token, "--timeout=3s")
	tandem("a call by a product's token", "phone", "call", "+12025550141", "--server", at(1), "--msisdn=+12025550142", "--token", serviceToken, "--timeout=3s")
	tandem("a wrong token", "phone", "call", "+12025550141", "--server", at(1), "--msisdn=", "--token", wrongToken, "--timeout=3s")
	tandem("subscribers", "directory", "list", "--admin", admin, "--admin-token", adminToken)
	tandem("a wrong token of the operator's", "directory", "list", "--admin", admin, "--admin-token", wrongToken)
	tandem("calls", "calls", "--all", "--json", "--admin", admin, "--admin-token", adminToken)
	all["what sylkRTC clients hear"] = useSylk(t, "ws://"+at(0)+"/webrtcgateway/ws")
	for _, path := range []string{"/metrics", "/readyz", "/api/calls", "/api/none"} {
		all[path] = get(t, admin+path)
	}
	x.Interrupt()
	if _, err := x.Exit(time.Minute); err != nil { // which sends the last traces
		t.Fatal(err)
	}
	all["log"], all["output"], all["traces"] = x.Log(), x.Stdout(), string(traces.bytes())

	// It was looked at the right things.
	for name, must := range map[string]string{
		"log": "sign-in refused", "traces": "tandem.call", "/metrics": `outcome="unauthenticated"`, "calls": "dispatch", "subscribers": "alice",
		"a wrong token": "the token is not valid", "config show": "example.org", "a bad configuration": "nosuch", "what sylkRTC clients hear": "904",
	} {
		if !strings.Contains(all[name], must) {
			t.Errorf("%s lacks %q:\n%s", name, must, all[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for what, secret := range secrets {
			if secret == "" || strings.Contains(all[name], secret) {
				t.Errorf("%s holds %s", name, what)
			}
		}
	}
}

// secretsOf lists what must not be said, by what it is.
func secretsOf(t *testing.T, identities string) map[string]string {
	t.Helper()
	user, domain, _ := strings.Cut(account, "@")
	ha1 := md5.Sum([]byte(user + ":" + domain + ":" + password)) //nolint:gosec // SIP's digest
	out := map[string]string{
		"a password": password, "a password's digest": hex.EncodeToString(ha1[:]), "a wrong digest": wrongDigest,
		"a token": token, "a product's token": serviceToken, "a wrong token": wrongToken, "the operator's token": adminToken,
		"the cluster's secret": cluster, "the web hook's secret": wakeSecret,
	}
	for _, secret := range []string{token, serviceToken} {
		sum := sha256.Sum256([]byte(secret))
		out["the hash of "+secret] = hex.EncodeToString(sum[:])
	}
	seeds, err := filepath.Glob(filepath.Join(identities, "*.nk"))
	if err != nil || len(seeds) < 4 {
		t.Fatalf("identities: %v, %v", seeds, err)
	}
	for _, name := range seeds {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(name)] = strings.TrimSpace(string(text))
	}
	return out
}

// useSylk signs in with a right and with a wrong password, and gives what was heard.
func useSylk(t *testing.T, url string) (heard string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, digest := range []string{sylkrtctest.HA1(account, password), wrongDigest} {
		c, err := sylkrtctest.Dial(ctx, url, sylkrtctest.V2, sylkrtctest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = c.Request(ctx, map[string]any{"sylkrtc": "account-add", "account": account, "password": digest})
		if err == nil {
			err = c.Request(ctx, map[string]any{"sylkrtc": "account-register", "account": account})
		}
		heard += fmt.Sprintln(err)
		if m, err := c.Next(ctx, func(m sylkrtctest.Message) bool { return m.State == "registered" || m.State == "failed" }); err != nil {
			t.Errorf("sign-in without an outcome: %v", err)
		} else {
			heard += m.Raw + "\n"
		}
		c.Close()
	}
	return heard
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+wrongToken)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
