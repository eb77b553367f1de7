package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
)

// pipe is an adapter's configuration with one key of each sort.
type pipe struct {
	Listen  string        `yaml:"listen" doc:"Where."`
	TLS     pipeTLS       `yaml:"tls" doc:"Certificate."`
	Rate    float64       `yaml:"rate" doc:"How fast."`
	Max     int           `yaml:"max_calls" doc:"How many."`
	Open    bool          `yaml:"open" doc:"Whether."`
	Wait    time.Duration `yaml:"wait" doc:"How long."`
	Origins []string      `yaml:"origins" doc:"From where."`
	Key     string        `yaml:"key" secret:"true" doc:"A secret."`
	Not     func()        `yaml:"-"`
}

type pipeTLS struct {
	Cert string `yaml:"cert_file" doc:"File."`
}

func (p *pipe) Validate() error { return nil }

func specs() []kit.Spec {
	return []kit.Spec{{Kind: "pipe", Config: func() kit.Config {
		return &pipe{Listen: "127.0.0.1:1", Rate: 2.5, Max: 7, Open: true, Wait: 90 * time.Second, Origins: []string{"*.example.org"}}
	}}}
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tandem.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func pipeOf(c *Config) *pipe { return c.Adapters[0].Config.(*pipe) }

func TestPrecedence(t *testing.T) {
	src := Source{
		File: file(t, "pipe:\n  max_calls: 1\n  wait: 1s\n  listen: 127.0.0.1:2\nlog: {level: warn}\n"),
		Env:  env("TANDEM_PIPE_WAIT", "2s", "TANDEM_PIPE_LISTEN", "127.0.0.1:3", "TANDEM_PIPE_ORIGINS", "a, b", "TANDEM_LOG_LEVEL", ""),
		Set:  []string{"pipe.listen=127.0.0.1:4", "node=n1"},
	}
	c, err := Load(specs(), src)
	if err != nil {
		t.Fatal(err)
	}
	p := pipeOf(c)
	if p.Max != 1 || p.Wait != 2*time.Second || p.Listen != "127.0.0.1:4" || p.Rate != 2.5 || !p.Open {
		t.Errorf("pipe: %+v", p)
	}
	if !reflect.DeepEqual(p.Origins, []string{"a", "b"}) || c.Log.Level != "warn" || c.Node != "n1" {
		t.Errorf("origins %v, level %s, node %s", p.Origins, c.Log.Level, c.Node)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	secret := file(t, "from-a-file-0123456789\n")
	c, err := Load(specs(), Source{Env: env("TANDEM_SECRET_FILE", secret, "TANDEM_PIPE_KEY_FILE", secret)})
	if err != nil {
		t.Fatal(err)
	}
	if c.Secret != "from-a-file-0123456789" || pipeOf(c).Key != c.Secret {
		t.Errorf("secret %q, key %q", c.Secret, pipeOf(c).Key)
	}
	for want, e := range map[string][]string{
		"TANDEM_SECRET and TANDEM_SECRET_FILE are both set": {"TANDEM_SECRET_FILE", secret, "TANDEM_SECRET", "another-0123456789"},
		"TANDEM_SECRET_FILE: open":                          {"TANDEM_SECRET_FILE", secret + "-none"},
		"is empty":                                          {"TANDEM_SECRET_FILE", file(t, "\n")},
	} {
		if _, err := Load(specs(), Source{Env: env(e...)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	// Only secrets are read from files.
	if c, err = Load(specs(), Source{Env: env("TANDEM_NODE_FILE", secret)}); err != nil || c.Node == "from-a-file-0123456789" {
		t.Errorf("node %q, %v", c.Node, err)
	}
}

func TestConsoleEndpoint(t *testing.T) {
	for endpoint, good := range map[string]bool{
		"": true, ":8081/webrtcgateway/ws": true, "ws://sip.example.org/webrtcgateway/ws": true, "wss://sip.example.org:8443/ws": true,
		"8081": false, "/webrtcgateway/ws": false, ":/ws": false, ":x/ws": false, "https://example.org": false, "wss:///ws": false,
	} {
		if _, err := Load(specs(), Source{Env: env("TANDEM_CONSOLE_ENDPOINT", endpoint)}); (err == nil) != good {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

func TestStrict(t *testing.T) {
	_, err := Load(specs(), Source{
		File: file(t, strings.Join([]string{
			"pipe:",
			"  lisen: x", // 2
			"  max_calls: many",
			"  wait: 5",
			"  open: yes",
			"  origins: a",
			"  key: [s3cret]",
			"  rate: 1",
			"  rate: 2",
			"sylk: {}", // 10
			"directory:",
			"  subscribers:",
			"    - id: a",
			"      pasword: s3cret",
			"log: text",
			"0: 1",
		}, "\n")),
		Env: env("TANDEM_PIPE_MAX_CALLS", "some", "TANDEM_DIRECTORY_SUBSCRIBERS", "s3cret"),
		Set: []string{"pipe.no=1", "pipe", "pipe.max_calls=few"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"pipe.lisen: is no key, did you mean listen? (line 2)",
		`pipe.max_calls: "many" is not a whole number (line 3)`,
		`pipe.wait: "5" is not a duration such as 10s or 5m (line 4)`,
		`pipe.open: "yes" is not true or false (line 5)`,
		"pipe.origins: must be a list (line 6)",
		"pipe.key: must be text (line 7)",
		"pipe.rate: stands here twice (line 9)",
		"sylk: is no key (line 10)",
		"directory.subscribers[0].pasword: is no key, did you mean password? (line 14)",
		"log: must be a mapping of keys to values (line 15)",
		"0: is no key (line 16)",
		`TANDEM_PIPE_MAX_CALLS: pipe.max_calls: "some" is not a whole number`,
		"TANDEM_DIRECTORY_SUBSCRIBERS: directory.subscribers: must be a list",
		"--set: pipe.no: is no key",
		"--set pipe: must be key=value",
		`--set: pipe.max_calls: "few" is not a whole number`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("lacks %q", want)
		}
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Error("an error shows a secret")
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestBadFiles(t *testing.T) {
	for name, text := range map[string]string{
		"no YAML":        "a: [",
		"a list":         "- a",
		"refers to self": "log: &a\n  level: *a\n",
	} {
		if _, err := Load(specs(), Source{File: file(t, text)}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Load(specs(), Source{File: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("a missing file: no error")
	}
	for name, text := range map[string]string{"empty": "", "comments": "# nothing\n", "empty section": "pipe:\nlog:\n", "null": "~"} {
		if _, err := Load(specs(), Source{File: file(t, text)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Text needs no quotes where YAML would make a number of it.
func TestTextAsItStands(t *testing.T) {
	c, err := Load(specs(), Source{File: file(t, "pipe: {key: 0x10}\ndirectory:\n  alias_prefix: +1555\n")})
	if err != nil {
		t.Fatal(err)
	}
	if pipeOf(c).Key != "0x10" || c.Directory.AliasPrefix != "+1555" {
		t.Errorf("key %q, prefix %q", pipeOf(c).Key, c.Directory.AliasPrefix)
	}
}

func TestReferenceReadsBackAsTheDefaults(t *testing.T) {
	var b bytes.Buffer
	if err := Reference(&b, specs()); err != nil {
		t.Fatal(err)
	}
	c := New(specs())
	if errs := c.decodeFile(b.Bytes()); len(errs) > 0 {
		t.Fatalf("%v\n%s", errs, b.String())
	}
	want := New(specs())
	walk("", want.root(), func(path string, f field) {
		got, _ := c.find(path)
		if got.v.Kind() == reflect.Slice && got.v.Len() == 0 && f.v.Len() == 0 {
			return
		}
		if !reflect.DeepEqual(got.v.Interface(), f.v.Interface()) {
			t.Errorf("%s: %v, default %v", path, got.v, f.v)
		}
	})
}

func TestEveryKeyIsDocumented(t *testing.T) {
	var check func(path string, fields []field)
	check = func(path string, fields []field) {
		for _, f := range fields {
			if f.doc == "" {
				t.Errorf("%s has no doc tag", join(path, f.name))
			}
			switch {
			case f.section():
				check(join(path, f.name), fieldsOf(f.v))
			case f.list():
				check(join(path, f.name), fieldsOf(reflect.New(f.v.Type().Elem()).Elem()))
			}
		}
	}
	check("", New(specs()).root())
}

func TestShowHidesSecrets(t *testing.T) {
	c, err := Load(specs(), Source{File: file(t, `
secret: s3cret-s3cret-s3cret
pipe: {key: s3cret}
directory:
  domains: [example.org]
  subscribers:
    - id: a
      addresses: ["sip:a@example.org"]
      password: s3cret
      tokens: [s3cret]
  service_tokens: [{name: x, token: s3cret-too, all: true}]
`)})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Show(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "s3cret") {
		t.Errorf("shows a secret:\n%s", b.String())
	}
	back := New(specs())
	if errs := back.decodeFile(b.Bytes()); len(errs) > 0 {
		t.Errorf("does not read back: %v\n%s", errs, b.String())
	}
	if got := back.Directory.Subscribers; len(got) != 1 || got[0].ID != "a" || got[0].Addresses[0] != "sip:a@example.org" {
		t.Errorf("subscribers: %+v", got)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name string
		set  []string
		want string // "" = valid
	}{
		{"defaults", nil, ""},
		{"unknown role", []string{"roles=nats,sylk"}, `roles[1]: "sylk" is none of nats`},
		{"no roles", []string{"roles=[]"}, "roles: must name"},
		{"adapter's role", []string{"roles=nats,pipe"}, ""},
		{"no bus", []string{"roles=directory"}, "nats.url: is needed"},
		{"two buses", []string{"roles=nats", "nats.url=nats://h"}, "nats.url: another"},
		{"cluster without a secret", []string{"nats.url=nats://h"}, "secret: is needed with nats.url"},
		{"cluster", []string{"nats.url=nats://h", "secret=0123456789abcdef", "nats.replicas=3"}, ""},
		{"no NATS server", []string{"nats.url=http://h:4222", "roles=directory"}, "nats.url: must be nats://"},
		{"one of two is none", []string{"nats.url=nats://h:4222,", "roles=directory"}, "nats.url: must be nats://"},
		{"servers", []string{"nats.url=nats://u:p@h:4222, tls://i:4222,127.0.0.1:1", "roles=directory"}, ""},
		{"role that needs no secret", []string{"nats.url=nats://h", "roles=directory"}, ""},
		{"short secret", []string{"secret=x"}, "secret: must have"},
		{"short token", []string{"admin.token=x"}, "admin.token: must have"},
		{"no wrong tokens at all", []string{"admin.all_wrong_tokens_per_minute=0"}, "admin.all_wrong_tokens_per_minute: must be positive"},
		{"copies", []string{"nats.replicas=3"}, "nats.replicas: the server inside"},
		{"node", []string{"node=a b"}, "node: "},
		{"level", []string{"log.level=loud"}, "log.level: "},
		{"port", []string{"admin.listen=9464"}, "admin.listen: "},
		{"no admin", []string{"admin.listen="}, ""},
		{"demo on the network", []string{"pipe.listen=0.0.0.0:1"}, "pipe.listen: 0.0.0.0:1 can be reached from elsewhere"},
		{"demo on the network, said", []string{"pipe.listen=0.0.0.0:1", "demo=true", "plaintext=pipe"}, ""},
		{"no demo on the network", []string{"pipe.listen=:1", "demo=false", "plaintext=all"}, ""},
		{"open NATS", []string{"nats.listen=0.0.0.0:4222", "demo=false"}, "nats.listen: 0.0.0.0:4222 can be reached"},
		{"NATS with a password", []string{"nats.listen=0.0.0.0:4222", "demo=false", "nats.user=u", "nats.password=p", "plaintext=nats"}, ""},
		{"NATS with identities", []string{"nats.listen=0.0.0.0:4222", "demo=false", "nats.identities=/x", "plaintext=nats"}, ""},
		{"identities and a password", []string{"nats.identities=/x", "nats.user=u", "nats.password=p"}, "nats.identities: other"},
		{"plain on the network", []string{"pipe.listen=:1", "demo=false"}, "name pipe in plaintext"},
		{"plain admin on the network", []string{"admin.listen=:1"}, "admin.listen: :1 can be reached"},
		{"plain page on the network", []string{"console.listen=:1", "demo=false", "roles=nats,console"}, "console.listen: :1 can be reached"},
		{"the page's port is not opened", []string{"console.listen=:1", "demo=false", "roles=nats,pipe"}, ""},
		{"plain NATS on the network", []string{"nats.listen=:1", "nats.token=t"}, "nats.listen: :1 can be reached"},
		{"a certificate", []string{"admin.listen=:1", "admin.tls.cert_file=c", "admin.tls.key_file=k"}, ""},
		{"half a certificate", []string{"admin.tls.cert_file=c"}, "admin.tls: cert_file"},
		{"plaintext of whom", []string{"plaintext=pipes"}, `plaintext[0]: "pipes" is none`},
		{"a host with a port", []string{"admin.hosts=a:1"}, "admin.hosts: not a host name"},
		{"the page's hosts", []string{"console.hosts=https://a"}, "console.hosts: not a host name"},
		{"half a login", []string{"nats.user=u"}, "nats.password: "},
		{"directory", []string{"directory.workers=0", "directory.domains=A"}, "directory.workers: "},
		{"call state", []string{"callstate.max_forks=0"}, "callstate.max_forks: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(specs(), Source{Set: tt.set})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestDemoDefault(t *testing.T) {
	yaml := file(t, "node: a\n")
	for _, tt := range []struct {
		name string
		src  Source
		want bool
	}{
		{"nothing said", Source{}, true},
		{"said no", Source{Set: []string{"demo=false"}}, false},
		{"file", Source{File: yaml}, false},
		{"file and environment", Source{File: yaml, Env: env("TANDEM_DEMO", "true")}, true},
		{"cluster", Source{Set: []string{"nats.url=nats://h", "secret=0123456789abcdef"}}, false},
	} {
		c, err := Load(specs(), tt.src)
		if err != nil {
			t.Fatal(err)
		}
		if c.Demo != tt.want {
			t.Errorf("%s: demo %v", tt.name, c.Demo)
		}
	}
}

func TestRoles(t *testing.T) {
	c, err := Load(specs(), Source{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []string{"nats", "directory", "callstate", "media", "pipe", "console"} {
		if !c.Has(r) {
			t.Errorf("all does not include %s", r)
		}
	}
	c.NATS.URL = "nats://h"
	if c.Has("nats") || !c.Has("pipe") {
		t.Error("all with nats.url must be all but nats")
	}
}

func TestNodeName(t *testing.T) {
	for in, want := range map[string]string{"host": "host", "a.example.org": "a-example-org", "ü x": "--x", strings.Repeat("a", 80): strings.Repeat("a", 64)} {
		if got := NodeName(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func FuzzDecodeFile(f *testing.F) {
	for _, s := range []string{"", "pipe: {max_calls: 1}", "a: &a [*a]", "directory: {subscribers: [{id: a}]}", "? [a]: b", "log:\n  level: !!binary aGk="} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := New(specs())
		_ = c.decodeFile(data)
		_ = c.Validate()
	})
}

// An entry of a list begins with its type's defaults.
func TestListDefaults(t *testing.T) {
	c, err := Load(specs(), Source{Set: []string{`directory.jwt=[{issuer: a, jwks: a.json}, {issuer: b, jwks: b.json, scope: "", leeway: 1m}]`}})
	if err != nil {
		t.Fatal(err)
	}
	a, b := c.Directory.JWT[0], c.Directory.JWT[1]
	if a.Scope != "call.control.answer_and_initiate" || a.Leeway != 30*time.Second || a.MSISDNClaim != "msisdn" {
		t.Errorf("%+v", a)
	}
	if b.Scope != "" || b.Leeway != time.Minute || b.ScopeClaim != "scope" {
		t.Errorf("%+v", b)
	}
	_, err = Load(specs(), Source{Set: []string{`directory.jwt=[{issuer: a, jwks: http://example.org/k, leewy: 1s}]`}})
	if err == nil || !strings.Contains(err.Error(), "directory.jwt[0].leewy: is no key, did you mean leeway?") {
		t.Errorf("%v", err)
	}
	_, err = Load(specs(), Source{Set: []string{`directory.jwt=[{issuer: a, jwks: http://example.org/k}]`}})
	if err == nil || !strings.Contains(err.Error(), "directory.jwt[0].jwks: is plain HTTP to another machine") {
		t.Errorf("%v", err)
	}
}

// A list on one line: with commas, or in YAML. What begins with an address in
// brackets is no YAML.
func TestListsOnOneLine(t *testing.T) {
	for text, want := range map[string][]string{
		"a":                               {"a"},
		"a,b , c":                         {"a", "b", "c"},
		"[a, b]":                          {"a", "b"},
		" [a, 'b]', \"c[\"] ":             {"a", "b]", "c["},
		"[]":                              {},
		"[2001:db8::1]:7900":              {"[2001:db8::1]:7900"},
		"[127.0.0.1]:7900,media":          {"[127.0.0.1]:7900", "media"},
		"media,[2001:db8::1]:7900":        {"media", "[2001:db8::1]:7900"},
		"[2001:db8::1],[2001:db8::2]":     {"[2001:db8::1]", "[2001:db8::2]"},
		"[2001:db8::1]":                   {"2001:db8::1"},
		"[\"[2001:db8::1]:7900\", media]": {"[2001:db8::1]:7900", "media"},
		"2001:db8::1":                     {"2001:db8::1"},
	} {
		c, err := Load(specs(), Source{Set: []string{"pipe.origins=" + text}})
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := pipeOf(c).Origins; !slices.Equal(got, want) {
			t.Errorf("%s: %q instead of %q", text, got, want)
		}
	}
}
