package secure

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/tests/internal/collector"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// said is all that was written somewhere, by where.
type said map[string]string

// No secret is in what is logged, measured, shown, traced or answered, whether it
// was right, wrong, or in the wrong place.
func TestSecretsAreToldToNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	traces := collector.Start(t, l)
	s := open(t, "http://"+l.Addr().String())
	wrong := s.secret("a wrong secret") // somebody's for another exchange
	all := said{}

	page := s.sylk(t)
	s.devices(t, page)
	if err := page.Leave(); err != nil { // so that the device is woken
		t.Fatal(err)
	}
	s.call(t)
	if s.woken.Load() == 0 {
		t.Error("no device was woken")
	}
	s.wrongSylk(t, all, wrong)
	all["a phone with a wrong token"] = s.failing(t, wrong)
	s.operator(t, all, wrong)
	s.matrix(t, all, wrong)
	if nc, err := nats.Connect("tls://"+s.ports["nats"], nats.UserInfo("tandem", wrong), nats.RootCAs(s.authority.CA)); err == nil {
		nc.Close()
		t.Error("NATS takes a wrong password")
	} else {
		all["NATS"] = err.Error()
	}
	harness.Eventually(t, patience, "traces come", func() (bool, string) { return strings.Contains(traces.String(), "callstate"), "" })
	_, all["metrics"] = s.get("/metrics", "")
	for _, p := range s.processes {
		p.Stop() // the last traces and lines too
	}
	for name, log := range s.logs() {
		all["log of "+name] = log
	}
	all["traces"] = traces.String()

	// That something is not found means little where nothing is.
	for where, what := range map[string]string{
		"log of main": "level=DEBUG", "log of matrix": "serving Matrix", "log of console": "level=", "traces": "callstate",
		"metrics": "tandem_", "config show": "secure.test", "config show, matrix": "(secret)", "calls": bobNumber, "subscribers": alice,
	} {
		if !strings.Contains(all[where], what) {
			t.Errorf("%s: no %q in %.2000q", where, what, all[where])
		}
	}
	if n := len(s.secrets); n < 12 {
		t.Errorf("only %d secrets", n)
	}
	for what, secret := range s.keys(t) {
		for where, text := range all {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s is in %s: …%s…", what, where, strings.ReplaceAll(text[max(0, i-200):i], "\n", " "))
			}
		}
	}
}

// keys are the secrets and a line of the private key.
func (s *site) keys(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(s.authority.Key)
	if err != nil {
		t.Fatal(err)
	}
	s.secrets["private key"] = strings.Split(string(data), "\n")[1]
	return s.secrets
}

// devices has alice tell of a device to wake, whose token is a secret as well.
func (s *site) devices(t *testing.T, c *sylkrtctest.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Request(ctx, map[string]any{
		"sylkrtc": "account-devicetoken", "account": alice, "token": s.secret("device token"), "platform": "ios", "device": "d1",
		"silent": false, "app": "org.example.phone",
	}); err != nil {
		t.Fatal(err)
	}
}

// call has bob called with one token and answer with another, and then alice
// called, who has a device.
func (s *site) call(t *testing.T) {
	t.Helper()
	callee := s.listening(s.secrets["token"], "--count", "1", "--msisdn", bobNumber)
	caller := s.phone(s.secrets["product token"], "call", bobNumber, "--msisdn", aliceNumber, "--duration", "1s")
	for _, p := range []*harness.Process{caller, callee} {
		if status, err := p.Exit(patience); err != nil || status != harness.ExitEstablished {
			t.Fatalf("the call ended with %d, %v:\n%s", status, err, p.Log())
		}
	}
	none := s.phone(s.secrets["product token"], "call", aliceNumber, "--msisdn", bobNumber, "--timeout", "2s")
	if _, err := none.Exit(patience); err != nil {
		t.Fatal(err)
	}
}

// failing gives what a phone says that is not let in.
func (s *site) failing(t *testing.T, token string) string {
	t.Helper()
	p := s.phone(token, "call", bobNumber, "--msisdn", aliceNumber)
	if status, err := p.Exit(patience); err != nil || status == harness.ExitEstablished {
		t.Errorf("with a wrong token: %d, %v", status, err)
	}
	return p.Log()
}

// wrongSylk signs in with what is wrong, and puts secrets where they do not
// belong.
func (s *site) wrongSylk(t *testing.T, all said, wrong string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := sylkrtctest.Dial(ctx, "wss://"+s.ports["sylkrtc"]+"/webrtcgateway/ws", sylkrtctest.V2,
		sylkrtctest.Options{TLS: &tls.Config{RootCAs: s.authority.Pool}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, try := range []struct{ account, password string }{
		{alice, wrong}, {carol, s.secrets["password"]}, {"nobody@secure.test", wrong}, {"alice@elsewhere.test", s.secrets["token"]},
	} {
		all["sylkrtc "+try.account] = fmt.Sprint(c.SignIn(ctx, try.account, try.password))
	}
	for _, text := range []string{
		`{"sylkrtc":"account-add","transaction":"x1","account":"` + alice + `","password":"` + wrong + `"`, // no JSON
		`{"sylkrtc":"account-add","transaction":"x2","account":7,"password":"` + wrong + `"}`,
		`{"sylkrtc":"sign-in","transaction":"x3","password":"` + wrong + `"}`,
	} {
		if err := c.SendText(ctx, text); err != nil {
			t.Fatal(err)
		}
	}
	// This one's answer comes after theirs.
	all["sylkrtc, malformed"] = fmt.Sprint(c.RemoveAccount(ctx, "nobody@secure.test"), c.Unheard())
}

// operator asks the operator's port and commands, rightly and wrongly.
func (s *site) operator(t *testing.T, all said, wrong string) {
	t.Helper()
	_, all["calls"] = s.get("/api/calls?all=true", s.secrets["admin token"])
	_, all["subscribers"] = s.get("/api/subscribers", s.secrets["admin token"])
	for what, token := range map[string]string{"no": "", "a wrong": wrong} {
		status, body := s.get("/api/calls", token)
		if status != http.StatusUnauthorized {
			t.Errorf("with %s token: %d", what, status)
		}
		all["the operator's port with "+what+" token"] = body
	}
	for name, args := range map[string][]string{
		"config show":                {"config", "show", "-c", s.config},
		"config show, matrix":        {"config", "show", "-c", strings.Replace(s.config, "tandem.yaml", "matrix.yaml", 1)},
		"config check":               {"config", "check", "-c", s.config},
		"config check, not valid":    {"config", "check", "-c", s.config, "--set", "node=a b", "--set", "admin.token=" + wrong},
		"config check, unknown keys": {"config", "check", "-c", s.config, "--set", "sekret=" + wrong},
	} {
		out, err := exec.CommandContext(t.Context(), binary.Path, args...).CombinedOutput() //nolint:gosec // the binary under test
		if err != nil && !strings.Contains(name, ", not") && !strings.Contains(name, "unknown") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		all[name] = string(out)
	}
}

// matrix has a homeserver ask with the right token and a wrong one, in a header
// and in a query.
func (s *site) matrix(t *testing.T, all said, wrong string) {
	t.Helper()
	const path = "/_matrix/app/v1/users/@x:secure.test"
	for _, token := range []string{s.secrets["hs_token"], wrong} {
		_, all["matrix, header "+token[:2]] = s.ask("matrix", path, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
		_, all["matrix, query "+token[:2]] = s.ask("matrix", path+"?access_token="+token, func(*http.Request) {})
	}
}
