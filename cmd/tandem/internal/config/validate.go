package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/port"
	"github.com/tandem-rtc/tandem/schema"
)

// Roles besides the adapters' kinds.
const (
	RoleAll       = "all"
	RoleNATS      = "nats"
	RoleDirectory = "directory"
	RoleCallState = "callstate"
	RoleMedia     = "media"
	RoleConsole   = "console"
)

// minSecret is the least length of the cluster's secret, and of the operator's
// token.
const minSecret = 16

// AllRoles gives every role in the order in which they start.
func (c *Config) AllRoles() []string {
	roles := []string{RoleNATS, RoleDirectory, RoleMedia, RoleCallState}
	for _, a := range c.Adapters {
		roles = append(roles, a.Spec.Kind)
	}
	return append(roles, RoleConsole)
}

// Has reports whether this process takes a role.
func (c *Config) Has(role string) bool {
	if slices.Contains(c.Roles, role) {
		return true
	}
	return slices.Contains(c.Roles, RoleAll) && (role != RoleNATS || c.NATS.URL == "") && !c.off(role)
}

// off reports whether a role is an adapter's that has nothing to serve.
func (c *Config) off(role string) bool {
	for _, a := range c.Adapters {
		if optional, ok := a.Config.(kit.Optional); ok && a.Spec.Kind == role {
			return !optional.Enabled()
		}
	}
	return false
}

// HasAdapter reports whether this process takes any adapter's role.
func (c *Config) HasAdapter() bool {
	return slices.ContainsFunc(c.Adapters, func(a Adapter) bool { return c.Has(a.Spec.Kind) })
}

// Validate reports everything that cannot work, joined, each with its path.
func (c *Config) Validate() error {
	var errs []error
	bad := func(path, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	}
	c.Tracing.validate(bad)
	known := append(c.AllRoles(), RoleAll)
	if len(c.Roles) == 0 {
		bad("roles", "must name at least one")
	}
	for i, r := range c.Roles {
		if !slices.Contains(known, r) {
			bad(fmt.Sprintf("roles[%d]", i), "%q is none of %s", r, strings.Join(known, ", "))
		}
	}
	if !schema.ValidToken(c.Node) {
		bad("node", "%q is not 1 to 64 of letters, digits, - and _", c.Node)
	}
	if c.Secret != "" && len(c.Secret) < minSecret {
		bad("secret", "must have at least %d characters", minSecret)
	}
	if c.Admin.Token != "" && len(c.Admin.Token) < minSecret {
		bad("admin.token", "must have at least %d characters", minSecret)
	}
	for _, b := range []struct {
		path string
		n    int
	}{
		{"admin.max_connections", c.Admin.MaxConnections}, {"console.max_connections", c.Console.MaxConnections},
		{"admin.wrong_tokens", c.Admin.WrongTokens}, {"admin.wrong_tokens_per_minute", c.Admin.WrongTokensPerMinute},
		{"admin.all_wrong_tokens_per_minute", c.Admin.AllWrongTokensPerMinute},
	} {
		if b.n < 1 {
			bad(b.path, "must be positive")
		}
	}
	for path, n := range map[string]int{
		"admin.max_connections_per_address": c.Admin.PerAddress, "console.max_connections_per_address": c.Console.PerAddress,
		"log.rate": c.Log.Rate,
	} {
		if n < 0 {
			bad(path, "must not be negative")
		}
	}
	if c.Drain <= 0 {
		bad("drain_timeout", "must be positive")
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level) {
		bad("log.level", "%q is none of debug, info, warn, error", c.Log.Level)
	}
	if !slices.Contains([]string{"text", "json"}, c.Log.Format) {
		bad("log.format", "%q is neither text nor json", c.Log.Format)
	}
	errs = append(errs, c.validateNATS()...)
	errs = append(errs, c.validatePorts()...)
	errs = append(errs, c.validatePlaintext()...)
	errs = append(errs, within("admin", errors.Join(c.Admin.TLS.Validate(), c.Admin.Timeouts.Validate(), port.ValidateHosts("hosts", c.Admin.Hosts)))...)
	errs = append(errs, within("console", errors.Join(c.Console.TLS.Validate(), c.Console.Timeouts.Validate(), port.ValidateHosts("hosts", c.Console.Hosts)))...)
	errs = append(errs, within("directory", c.Directory.Validate())...)
	errs = append(errs, within("callstate", c.CallState.Validate())...)
	errs = append(errs, within("media", c.Media.Validate())...)
	for _, a := range c.Adapters {
		kind := a.Spec.Kind
		if o, ok := a.Config.(kit.Optional); ok && !o.Enabled() && slices.Contains(c.Roles, kind) {
			bad(kind+"."+o.Needs(), "is needed, since this process has the role %s", kind)
		}
		errs = append(errs, within(kind, a.Config.Validate())...)
	}
	return errors.Join(errs...)
}

// areServers reports whether a list is one of NATS servers, as its client takes it.
func areServers(list string) bool {
	for server := range strings.SplitSeq(list, ",") {
		server = strings.TrimSpace(server)
		if !strings.Contains(server, "://") {
			server = "nats://" + server
		}
		u, err := url.Parse(server)
		if err != nil || u.Host == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return false
		}
	}
	return true
}

func (c *Config) validateNATS() (errs []error) {
	bad := func(path, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	}
	switch {
	case c.NATS.URL != "" && slices.Contains(c.Roles, RoleNATS):
		bad("nats.url", "another server's address beside the role nats, which is a server itself")
	case c.NATS.URL == "" && !c.Has(RoleNATS):
		bad("nats.url", "is needed, since this process does not have the role nats")
	}
	if c.NATS.URL != "" && !areServers(c.NATS.URL) {
		bad("nats.url", "must be nats://host:port or tls://host:port, several with commas between")
	}
	if c.NATS.URL != "" && c.Secret == "" && c.HasAdapter() {
		bad("secret", "is needed with nats.url, the same in every process (or %s)", EnvName("secret"))
	}
	if c.NATS.Replicas < 1 || c.NATS.Replicas > 5 {
		bad("nats.replicas", "must be 1 to 5")
	} else if c.NATS.Replicas > 1 && c.NATS.URL == "" {
		bad("nats.replicas", "the server inside is one and keeps one copy")
	}
	if c.NATS.MaxBytes < 0 {
		bad("nats.max_bytes", "must not be negative")
	}
	if (c.NATS.TLS.Cert == "") != (c.NATS.TLS.Key == "") {
		bad("nats.tls", "cert_file and key_file go together")
	}
	if (c.NATS.User == "") != (c.NATS.Password == "") {
		bad("nats.password", "user and password go together")
	}
	if c.NATS.Identities != "" && (c.NATS.CredentialsFile != "" || c.NATS.NKeySeedFile != "" || c.NATS.User != "" || c.NATS.Token != "") {
		bad("nats.identities", "other credentials beside it")
	}
	if c.NATS.Listen != "" && c.NATS.Identities == "" && c.NATS.User == "" && c.NATS.Token == "" && !Loopback(c.NATS.Listen) {
		bad("nats.listen", "%s can be reached from elsewhere: set nats.identities, nats.user and nats.password, or nats.token", c.NATS.Listen)
	}
	return errs
}

// validatePorts checks the addresses of this package's own sections, and that
// the public demo accounts do not reach the network by accident.
func (c *Config) validatePorts() (errs []error) {
	for _, p := range []struct{ path, v string }{
		{"nats.listen", c.NATS.Listen}, {"admin.listen", c.Admin.Listen}, {"console.listen", c.Console.Listen},
	} {
		if p.v == "" && p.path != "console.listen" {
			continue
		}
		if _, _, err := net.SplitHostPort(p.v); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is not host:port", p.path, p.v))
		}
	}
	if e := c.Console.Endpoint; e != "" {
		absolute := strings.HasPrefix(e, "ws://") || strings.HasPrefix(e, "wss://")
		u, err := url.Parse(strings.Replace(e, ":", "ws://page:", 1))
		if absolute {
			u, err = url.Parse(e)
		}
		if err != nil || u.Host == "" || !absolute && (e[0] != ':' || u.Port() == "") {
			errs = append(errs, fmt.Errorf("console.endpoint: %q is neither :port/path nor a ws:// or wss:// address", e))
		}
	}
	if c.Demo && !c.demoSaid {
		walk("", c.root(), func(path string, f field) {
			if strings.HasSuffix(path, ".listen") && path != "admin.listen" && f.v.String() != "" && !Loopback(f.v.String()) {
				errs = append(errs, fmt.Errorf(
					"%s: %s can be reached from elsewhere, and the demo accounts are public: say demo: true if that is meant, or demo: false",
					path, f.v.String()))
			}
		})
	}
	return errs
}

// Loopback reports whether an address host:port is on this machine only.
func Loopback(address string) bool { return port.Loopback(address) }

// within puts a section's name before the paths of its errors.
func within(section string, err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range joined.Unwrap() {
			out = append(out, within(section, e)...)
		}
		return out
	}
	var e *schema.Error
	if errors.As(err, &e) && e.Field != "" {
		return []error{fmt.Errorf("%s.%s: %s", section, e.Field, e.Message)}
	}
	return []error{fmt.Errorf("%s.%w", section, err)}
}

func (t Tracing) validate(bad func(path, format string, args ...any)) {
	if t.Sample < 0 || t.Sample > 1 {
		bad("tracing.sample", "must be from 0 to 1")
	}
	if t.Endpoint == "" {
		return
	}
	if u, err := url.Parse(t.Endpoint); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Port() == "" || u.User != nil {
		bad("tracing.endpoint", "must be http://host:port or https://host:port")
	}
}
