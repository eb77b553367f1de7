package directory

import (
	"log/slog"
	"strings"
	"testing"
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
