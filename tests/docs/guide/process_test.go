package guide

import (
	"strings"
	"testing"
)

// The first configuration: checked, started, a subscriber added, called, listed and
// removed; then the operator's port with a certificate.
func TestFirstConfiguration(t *testing.T) {
	s := newSite(t, nil)
	typed := blocks(t, "## One process", 3, "sh")
	s.do("export SSL_CERT_FILE=/etc/tandem/ca.crt")
	check, _, _ := strings.Cut(typed[0], "\n")
	s.do(check)
	s.terminal("serve", typed[0])
	s.ready("")
	s.terminal("erin", typed[1])
	s.says("erin", "registered at")
	want(t, s.do("("+typed[2]+")"), "audio arrives", "established")
	s.do("wait $erin")

	adding := blocks(t, "## Adding and removing a subscriber", 1, "sh")[0]
	out := s.do("PASSWORD=a-password\n" + adding)
	want(t, out, "frank", "erin", "dispatch", "tel:+12025550142")
	if list := s.do("tandem directory list"); strings.Contains(list, "frank") || !strings.Contains(list, "erin") {
		t.Errorf("after the removal:\n%s", list)
	}
	want(t, s.do("tandem calls --all"), "Dispatch <tel:+12025550142>", "Erin <tel:+12025550143>", "ended: normal")
	s.do("kill $serve; wait $serve; unset SSL_CERT_FILE TANDEM_ADMIN_TOKEN")

	admin := blocks(t, "## Certificates", 1, "yaml")[0]
	s.file("tandem.yaml", without(blocks(t, "## One process", 1, "yaml")[0], "admin")+admin)
	s.terminal("serve", "tandem serve -c tandem.yaml\n")
	s.says("serve", "Tandem is running")
	out = s.do(blocks(t, "## Certificates", 1, "sh")[0])
	want(t, out, "ready", "no calls")
}

// Tokens of one's own issuer: each kind calls, and so does one of a new key, once the
// keys are published.
func TestDevelopmentTokens(t *testing.T) {
	s := newSite(t, nil)
	typed := blocks(t, "### Tokens for development", 3, "")
	s.terminal("serve", typed[0])
	s.ready("")
	lines := strings.Split(strings.TrimSpace(typed[1]), "\n")
	if len(lines) != 4 {
		t.Fatalf("the guide has %d commands, this test knows 4", len(lines))
	}
	for i, flags := range []string{"--msisdn=", "--msisdn=", "--msisdn=+12025550102"} {
		out := s.do(`token="$(` + lines[i] + `)"` + "\ntandem phone call +12025550199 --duration=300ms --token=\"$token\" " + flags)
		want(t, out, "established")
	}
	want(t, s.do(lines[3]+" --duration=300ms"), "established")

	rotate, publish, _ := strings.Cut(typed[2], "\n")
	s.do(`old="$(` + lines[0] + `)"` + "\n" + rotate)
	call := "tandem phone call +12025550199 --duration=300ms --msisdn= --token="
	want(t, s.do(call+`"$(`+lines[0]+`)" || true`), "the token is not valid")
	s.do(publish)
	s.do("until " + call + `"$(` + lines[0] + `)"; do sleep 1; done`) // keys are read every ten seconds at most
	want(t, s.do(call+`"$old"`), "established")
}
