package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/tandem-rtc/tandem/adapters/kit"
)

// EnvPrefix begins the name of every environment variable: the key
// sylkrtc.max_connections is TANDEM_SYLKRTC_MAX_CONNECTIONS.
const EnvPrefix = "TANDEM_"

// Source is where a configuration comes from.
type Source struct {
	// File is the path of a YAML file; empty for none.
	File string
	// Env looks an environment variable up; nil for none. An empty variable
	// counts as one that is not set. Secrets may also be in files, named by a
	// variable with _FILE at its end.
	Env func(string) string
	// Set are flags of the form key=value, applied last.
	Set []string
}

// Load gives the configuration of a source, or everything that is wrong with
// it, joined, each error with the path of its key.
func Load(specs []kit.Spec, src Source) (*Config, error) {
	c := New(specs)
	var errs []error
	if src.File != "" {
		data, err := os.ReadFile(src.File)
		if err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
		c.File = true
		errs = append(errs, c.decodeFile(data)...)
		// A file that does not speak of demo turns it off; "demo: false" said
		// and not said are the same.
		c.demoSaid = c.Demo
	}
	if src.Env != nil {
		walk("", c.root(), func(path string, f field) {
			name := EnvName(path)
			text, err := src.text(name, f.secret)
			if err != nil {
				errs = append(errs, err)
			}
			if text != "" {
				errs = append(errs, from(name, setText(f, path, text))...)
				c.demoSaid = c.demoSaid || path == "demo"
			}
		})
	}
	for _, arg := range src.Set {
		path, text, ok := strings.Cut(arg, "=")
		f, known := c.find(path)
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("--set %s: must be key=value", arg))
		case !known:
			errs = append(errs, fmt.Errorf("--set: %s: is no key", path))
		default:
			errs = append(errs, from("--set", setText(f, path, text))...)
			c.demoSaid = c.demoSaid || path == "demo"
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	c.complete()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// text gives what the environment says for a variable: itself or, of a secret,
// the contents of the file that NAME_FILE names, so that it is in no process's
// environment.
func (src Source) text(name string, secret bool) (string, error) {
	text := src.Env(name)
	if !secret {
		return text, nil
	}
	file := src.Env(name + "_FILE")
	switch {
	case file == "":
		return text, nil
	case text != "":
		return "", fmt.Errorf("%s and %s_FILE are both set: one of them is meant", name, name)
	}
	data, err := os.ReadFile(file) //nolint:gosec // the operator says which
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	if text = strings.TrimSpace(string(data)); text == "" {
		return "", fmt.Errorf("%s_FILE: %s is empty", name, file)
	}
	return text, nil
}

// EnvName gives the environment variable of a key.
func EnvName(path string) string {
	return EnvPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(path))
}

func from(where string, errs []error) []error {
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s: %w", where, err)
	}
	return errs
}

// complete fills in what depends on the rest.
func (c *Config) complete() {
	if !c.demoSaid && !c.File && c.NATS.URL == "" {
		c.Demo = true
	}
	if len(c.Directory.MatrixServers) == 0 {
		for _, a := range c.Adapters {
			if v, ok := a.Config.(interface{ MatrixServers() []string }); ok {
				c.Directory.MatrixServers = append(c.Directory.MatrixServers, v.MatrixServers()...)
			}
		}
	}
	if c.Node == "" {
		host, err := os.Hostname()
		if err != nil || host == "" {
			host = "tandem"
		}
		c.Node = NodeName(host)
	}
}

// NodeName makes any text a node name: what cannot stand in one becomes "-".
func NodeName(text string) string {
	name := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, text)
	return name[:min(len(name), 64)]
}
