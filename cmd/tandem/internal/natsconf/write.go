package natsconf

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// What the configuration is for.
const (
	Compose  = "compose"
	Helm     = "helm"
	External = "external"
)

// Options are how files are written.
type Options struct {
	// For is Compose, Helm or External.
	For string
	// Dir is where to.
	Dir string
	// Readable lets every user of this machine read the secrets: processes in
	// containers have user ids of their own.
	Readable bool
	// Prefix and Namespace are of the Kubernetes secrets.
	Prefix, Namespace string
}

// File is one that Write wrote, or found as it should be.
type File struct {
	Name string
	Doc  string
}

// Write makes the files: accounts.conf for every server, nats.conf for servers
// that are the exchange's own, a secret for each identity, and for Helm a
// manifest with all of it. Secrets that are there stay.
func Write(p Plan, o Options) ([]File, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	k := keys{dir: o.Dir, mode: 0o600}
	var dirMode fs.FileMode = 0o700
	if o.Readable {
		k.mode, dirMode = 0o644, 0o755
	}
	if err := os.MkdirAll(o.Dir, dirMode); err != nil {
		return nil, fmt.Errorf("the directory: %w", err)
	}
	accounts, err := p.accounts(k)
	if err != nil {
		return nil, err
	}
	files := []File{{accountsFile, "accounts and permissions; include it in the server's configuration"}}
	if err := writeFile(filepath.Join(o.Dir, accountsFile), []byte(accounts), 0o644); err != nil {
		return nil, err
	}
	if o.For != External {
		server, err := p.server(k)
		if err != nil {
			return nil, err
		}
		if err := writeFile(filepath.Join(o.Dir, serverFile), []byte(server), k.mode); err != nil {
			return nil, err
		}
		files = append(files, File{serverFile, "configuration of the server"})
	}
	for _, role := range append(Roles(p.Kinds), System) {
		for _, id := range p.identities(role) {
			files = append(files, File{id.name() + p.ending(), "secret of " + id.name()})
		}
	}
	if o.For != Helm {
		return files, nil
	}
	manifest, err := secrets(p, o)
	if err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(o.Dir, manifestFile), []byte(manifest), 0o600); err != nil {
		return nil, err
	}
	return append(files, File{manifestFile, "all of it as Kubernetes secrets"}), nil
}

func (p *Plan) ending() string {
	if p.Auth == Password {
		return passwordEnding
	}
	return seedEnding
}

// manifestFile holds the Kubernetes secrets.
const manifestFile = "secrets.yaml"

// secrets renders a secret for the servers and one for each role, so that a pod
// gets its own role's and no other.
func secrets(p Plan, o Options) (string, error) {
	var b strings.Builder
	b.WriteString("# Made by \"tandem nats-config --for=helm\": kubectl apply -f " + manifestFile + "\n")
	one := func(name string, files ...string) error {
		b.WriteString("---\napiVersion: v1\nkind: Secret\ntype: Opaque\nmetadata:\n  name: " + name + "\n")
		if o.Namespace != "" {
			b.WriteString("  namespace: " + o.Namespace + "\n")
		}
		b.WriteString("stringData:\n")
		for _, f := range files {
			data, err := os.ReadFile(filepath.Join(o.Dir, f))
			if err != nil {
				return fmt.Errorf("reading back: %w", err)
			}
			b.WriteString("  " + f + ": |\n")
			for line := range strings.Lines(string(data)) {
				b.WriteString("    " + line)
			}
		}
		return nil
	}
	if err := one(o.Prefix+"-nats", serverFile, accountsFile); err != nil {
		return "", err
	}
	for _, role := range append(Roles(p.Kinds), System) {
		var own []string
		for _, id := range p.identities(role) {
			own = append(own, id.name()+p.ending())
		}
		if err := one(o.Prefix+"-nats-"+role, own...); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}
