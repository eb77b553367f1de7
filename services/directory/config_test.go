package directory

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestValidate(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	if err := config().Validate(); err != nil {
		t.Fatalf("the test's configuration: %v", err)
	}
	sub := func(i int, f func(*Subscriber)) func(*Config) {
		return func(c *Config) { f(&c.Subscribers[i]) }
	}
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"domain", func(c *Config) { c.Domains = append(c.Domains, "Example.org") }, "domains[1]: "},
		{"alias domain served", func(c *Config) { c.AliasDomain = "example.org" }, "domains[0]: "},
		{"alias domain", func(c *Config) { c.AliasDomain = "" }, "alias_domain: "},
		{"prefix", func(c *Config) { c.AliasPrefix = "1555" }, "alias_prefix: "},
		{"too long", func(c *Config) { c.AliasDigits = 12 }, "alias_digits: "},
		{"too few", func(c *Config) { c.AliasDigits = 5 }, "alias_digits: "},
		{"Matrix server", func(c *Config) { c.MatrixServers = []string{"example.org", "https://example.org"} }, "matrix_servers[1]: "},
		{"Matrix user for a server", func(c *Config) { c.MatrixServers = []string{"@a:example.org"} }, "matrix_servers[0]: "},
		{"Matrix users", func(c *Config) { c.MaxMatrixUsers = 0 }, "max_matrix_users: "},
		{"workers", func(c *Config) { c.Workers = 0 }, "workers: "},
		{"id", sub(0, func(s *Subscriber) { s.ID = "a b" }), "subscribers[0].id: "},
		{"same id", sub(0, func(s *Subscriber) { s.ID = "bob" }), "subscribers[1].id: "},
		{"name", sub(0, func(s *Subscriber) { s.DisplayName = "a\x00" }), "subscribers[0].display_name: "},
		{"address", sub(2, func(s *Subscriber) { s.Addresses[1] = "carol" }), "subscribers[2].addresses[1]: "},
		{"address twice", sub(2, func(s *Subscriber) { s.Addresses[1] = "tel:+1-202-555-0103" }), "subscribers[2].addresses[1]: "},
		{"address of another", sub(2, func(s *Subscriber) { s.Addresses[0] = "tel:+12025550101" }), "subscribers[2].addresses: tel:+12025550101 belongs to subscribers[0]"},
		{"number of the alias range", sub(2, func(s *Subscriber) { s.Addresses[0] = "tel:+15551234567" }), "subscribers[2].addresses[0]: "},
		{"account of the alias domain", sub(2, func(s *Subscriber) { s.Addresses[0] = "sip:carol@alias.invalid" }), "subscribers[2].addresses[0]: "},
		{"phone", sub(0, func(s *Subscriber) { s.Phone = "alice" }), "subscribers[0].phone: "},
		{"password for nothing", sub(2, func(s *Subscriber) { s.Password = "hunter22" }), "subscribers[2].password: "},
		{"digest", sub(1, func(s *Subscriber) { s.Digests = []string{"hunter22"} }), "subscribers[1].digests[0]: "},
		{"digest of another", sub(1, func(s *Subscriber) { s.Digests[0] = strings.Replace(s.Digests[0], "bob", "alice", 1) }), "subscribers[1].digests[0]: "},
		{"digest beside password", sub(1, func(s *Subscriber) { s.Password = "x" }), "subscribers[1].digests[0]: "},
		{"empty token", sub(0, func(s *Subscriber) { s.Tokens = []string{""} }), "subscribers[0].tokens[0]: "},
		{"token of another", sub(3, func(s *Subscriber) { s.Tokens = []string{"alice-token"} }), "subscribers[3].tokens: "},
		{"token of a service", sub(3, func(s *Subscriber) { s.Tokens = []string{"all-token"} }), "service_tokens[1].token: "},
		{"service name", func(c *Config) { c.ServiceTokens[0].Name = "" }, "service_tokens[0].name: "},
		{"service name twice", func(c *Config) { c.ServiceTokens[0].Name = "all" }, "service_tokens[1].name: "},
		{"service token", func(c *Config) { c.ServiceTokens[0].Token = "" }, "service_tokens[0].token: "},
		{"service for nobody", func(c *Config) { c.ServiceTokens[0].Subscribers = nil }, "service_tokens[0].subscribers: "},
		{"service token and client", func(c *Config) { c.ServiceTokens[0].Client = "x" }, "service_tokens[0].client: "},
		{"client without an issuer", func(c *Config) { c.ServiceTokens[0].Token, c.ServiceTokens[0].Client = "", "x" }, "service_tokens[0].issuer: "},
		{"issuer without a client", func(c *Config) { c.ServiceTokens[0].Issuer = "x" }, "service_tokens[0].issuer: "},
		{"wake address", func(c *Config) { c.Wake.URL, c.Wake.Secret = "ftp://example.org/hunter22", hookSecret }, "wake.url: "},
		{"wake over plain HTTP", func(c *Config) { c.Wake.URL, c.Wake.Secret = "http://example.org/hunter22", hookSecret }, "wake.url: "},
		{"wake without a secret", func(c *Config) { c.Wake.URL, c.Wake.Secret = "https://example.org", "hunter22" }, "wake.secret: "},
		{"wake timeout", func(c *Config) { c.Wake.Timeout = 0 }, "wake.timeout: "},
		{"wake tries", func(c *Config) { c.Wake.Tries = 0 }, "wake.tries: "},
		{"devices", func(c *Config) { c.Wake.DevicesPerAccount = 65 }, "wake.devices_per_account: "},
		{"device age", func(c *Config) { c.Wake.DeviceAge = 0 }, "wake.device_age: "},
		{"service for all and some", func(c *Config) { c.ServiceTokens[0].All = true }, "service_tokens[0].subscribers: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := config()
			tt.change(&c)
			err := c.Validate()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			for _, secret := range []string{"wonderland", "hunter22", "alice-token", "all-token"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows the secret %q", secret)
				}
			}
			if _, err := New(c, Env{}); err == nil {
				t.Error("New takes it")
			}
		})
	}
}

// Every error is reported, not the first alone.
func TestValidateReportsAll(t *testing.T) {
	c := config()
	c.Workers = 0
	c.Subscribers[0].Addresses[0] = "x"
	c.Subscribers[0].Phone = "y"
	c.Subscribers[2].ID = ""
	err := c.Validate()
	for _, want := range []string{"workers: ", "subscribers[0].addresses[0]: ", "subscribers[0].phone: ", "subscribers[2].id: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}

func FuzzKeyToken(f *testing.F) {
	for _, s := range []string{"", "alice", "sip:alice@example.org", "tel:+12025550101", "a=b", "=41", "ü"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k := keyToken(s)
		if strings.ContainsAny(k, " .*>\t") {
			t.Errorf("%q makes the token %q", s, k)
		}
		if back, ok := keyText(k); !ok || back != s {
			t.Errorf("%q comes back as %q", s, back)
		}
	})
}

func FuzzParseDigest(f *testing.F) {
	f.Add("bob:example.org:" + strings.Repeat("0", 32))
	f.Add("bob:example.org")
	f.Add("::")
	f.Fuzz(func(t *testing.T, line string) {
		user, realm, h, ok := parseDigest(line)
		if ok && (user == "" || realm == "" || !strings.EqualFold(line, user+":"+realm+":"+h.String())) {
			t.Errorf("%q reads as %q %q %s", line, user, realm, h)
		}
	})
}

func TestValidateIssuers(t *testing.T) {
	if err := withIssuer().Validate(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*JWTIssuer)
		want   string
	}{
		{"loopback", func(j *JWTIssuer) { j.JWKS = "http://127.0.0.1:8081/jwks" }, ""},
		{"localhost", func(j *JWTIssuer) { j.JWKS = "http://localhost/jwks" }, ""},
		{"https", func(j *JWTIssuer) { j.JWKS = "https://example.org/jwks" }, ""},
		{"plain HTTP that is meant", func(j *JWTIssuer) { j.JWKS, j.AllowHTTP = "http://example.org/jwks", true }, ""},
		{"no scope", func(j *JWTIssuer) { j.Scope, j.ScopeClaim = "", "" }, ""},
		{"plain HTTP", func(j *JWTIssuer) { j.JWKS = "http://example.org/jwks?hunter22" }, "jwt[0].jwks: "},
		{"other scheme", func(j *JWTIssuer) { j.JWKS = "file:///jwks" }, "jwt[0].jwks: "},
		{"no host", func(j *JWTIssuer) { j.JWKS = "https:///jwks" }, "jwt[0].jwks: "},
		{"no keys", func(j *JWTIssuer) { j.JWKS = "" }, "jwt[0].jwks: "},
		{"no issuer", func(j *JWTIssuer) { j.Issuer = "" }, "jwt[0].issuer: "},
		{"audience", func(j *JWTIssuer) { j.Audience = []string{""} }, "jwt[0].audience[0]: "},
		{"two scopes", func(j *JWTIssuer) { j.Scope = "a b" }, "jwt[0].scope: "},
		{"scope nowhere", func(j *JWTIssuer) { j.ScopeClaim = "" }, "jwt[0].scope_claim: "},
		{"nobody", func(j *JWTIssuer) { j.MSISDNClaim, j.CoversClaim, j.ClientClaim = "", "", "" }, "jwt[0].msisdn_claim: "},
		{"leeway", func(j *JWTIssuer) { j.Leeway = time.Hour }, "jwt[0].leeway: "},
		{"refresh", func(j *JWTIssuer) { j.Refresh = 0 }, "jwt[0].refresh: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := withIssuer()
			tt.change(&c.JWT[0])
			if tt.name == "no issuer" {
				c.ServiceTokens = nil
			}
			err := c.Validate()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter22") {
				t.Errorf("the error shows the address: %v", err)
			}
		})
	}
	c := withIssuer()
	c.JWT = append(c.JWT, c.JWT[0])
	c.ServiceTokens[3].Client = "sb"
	c.ServiceTokens[3].Issuer, c.ServiceTokens[2].Issuer = "idp", "idp"
	err := c.Validate()
	for _, want := range []string{"jwt[1].issuer: ", "service_tokens[3].client: the same client stands in service_tokens[2]"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}
