package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// plainPort is a port that can have a certificate.
type plainPort struct {
	role    string
	address string
	tls     bool
}

// plainPorts lists those that this process opens.
func (c *Config) plainPorts() []plainPort {
	var out []plainPort
	if c.Admin.Listen != "" {
		out = append(out, plainPort{"admin", c.Admin.Listen, c.Admin.TLS.On()})
	}
	if c.NATS.Listen != "" && c.Has(RoleNATS) {
		out = append(out, plainPort{RoleNATS, c.NATS.Listen, c.NATS.TLS.Cert != ""})
	}
	page := c.Has(RoleConsole)
	for _, a := range c.Adapters {
		if !c.Has(a.Spec.Kind) {
			continue
		}
		page = page && a.Spec.Kind != "sylkrtc" // whose port the page is then on
		v := reflect.ValueOf(a.Config).Elem()
		listen, tls := v.FieldByName("Listen"), v.FieldByName("TLS")
		if listen.Kind() == reflect.String && listen.String() != "" && tls.Kind() == reflect.Struct {
			out = append(out, plainPort{a.Spec.Kind, listen.String(), !tls.IsZero()})
		}
	}
	if page {
		out = append(out, plainPort{RoleConsole, c.Console.Listen, c.Console.TLS.On()})
	}
	return out
}

// validatePlaintext refuses ports that others can reach without TLS, unless that
// is said to be meant.
func (c *Config) validatePlaintext() (errs []error) {
	known := []string{RoleAll, "admin", RoleNATS, RoleConsole}
	for _, a := range c.Adapters {
		known = append(known, a.Spec.Kind)
	}
	for i, p := range c.Plaintext {
		if !slices.Contains(known, p) {
			errs = append(errs, fmt.Errorf("plaintext[%d]: %q is none of %s", i, p, strings.Join(known, ", ")))
		}
	}
	if slices.Contains(c.Plaintext, RoleAll) {
		return errs
	}
	for _, p := range c.plainPorts() {
		if !p.tls && !Loopback(p.address) && !slices.Contains(c.Plaintext, p.role) {
			errs = append(errs, fmt.Errorf("%s.listen: %s can be reached from elsewhere, and there is no certificate: set %s.tls, or name %s in plaintext if it is behind a proxy or on a network of your own",
				p.role, p.address, p.role, p.role))
		}
	}
	return errs
}
