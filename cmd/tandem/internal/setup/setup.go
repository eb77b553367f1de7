package setup

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/natsconf"
)

// Names within a role's directory.
const (
	// Cluster is the file with the cluster's secret.
	Cluster = "cluster"
	// AdminToken is the file with the token of the operator's API.
	AdminToken = "admin-token"
	// Identities is the directory for nats.identities.
	Identities = "nats"
	// Registration is the file with the registration of the Matrix adapter.
	Registration = "registration.yaml"
	// Accounts is the file with the homeserver's secret for making accounts.
	Accounts = "accounts"
	// GrafanaPassword is the file with the password of Grafana's administrator.
	GrafanaPassword = "grafana-password"
)

// Homeserver is the directory of a Matrix homeserver that belongs to the
// installation.
const Homeserver = "homeserver"

// Grafana is the directory of a Grafana that belongs to the installation, and
// grafanaUser the user id that its image runs with.
const (
	Grafana     = "grafana"
	grafanaUser = 472
)

// matrix is the kind of the Matrix adapter.
const matrix = "matrix"

// keep is where secrets stay between runs.
const keep = "keep"

// Options are what an installation looks like.
type Options struct {
	// Dir holds a directory "keep" and one for each role, as far as they are
	// there: nats, directory, callstate, media, console, grafana, and the adapters'
	// kinds.
	Dir string
	// Kinds are the adapters' kinds.
	Kinds []string
	// Servers are the names of a cluster's NATS servers, by which they reach each
	// other; less than two are one server alone.
	Servers []string
	// Seed, if it is not empty, is what all secrets are made from, so that every
	// pod makes the same without asking another. Without one they are random.
	Seed []byte
	// Registration is what a Matrix homeserver and the adapter agree on if they have
	// nothing yet, or anyway where there is a seed, from which its tokens are made;
	// empty where there is no Matrix.
	Registration string
	// Owner is the user id that the files are given to, but for those of nats,
	// homeserver and grafana; -1 for nobody.
	Owner int
}

// Run makes the secrets that are not there and writes the files of each role's
// directory anew. It can be repeated; no secret changes. It fails where one NATS
// server would become several, or the other way round.
func Run(o Options) error {
	kept := filepath.Join(o.Dir, keep)
	if err := os.MkdirAll(kept, 0o700); err != nil {
		return fmt.Errorf("what is kept: %w", err)
	}
	plan := natsconf.Plan{
		Kinds: o.Kinds, Auth: natsconf.NKey, AdapterStore: 256 << 20,
		Listen: "0.0.0.0:4222", Monitor: "127.0.0.1:8222", StoreDir: "/data",
		Servers: o.Servers, Routes: "0.0.0.0:6222",
	}
	identities := filepath.Join(kept, Identities)
	if err := checkNodes(identities, o.Servers); err != nil {
		return err
	}
	if len(o.Seed) > 0 {
		if err := derive(o.Seed, kept, identities, o.Kinds); err != nil {
			return err
		}
	}
	if _, err := natsconf.Write(plan, natsconf.Options{For: natsconf.Compose, Dir: identities}); err != nil {
		return fmt.Errorf("identities on the bus: %w", err)
	}
	fresh := map[string]string{Cluster: secret(), AdminToken: secret(), Accounts: secret(), GrafanaPassword: secret()}
	switch {
	case o.Registration != "" && len(o.Seed) > 0:
		if err := replace(filepath.Join(kept, Registration), []byte(o.Registration), -1); err != nil {
			return err
		}
	case o.Registration != "":
		fresh[Registration] = o.Registration
	}
	for name, text := range fresh {
		if err := ensure(filepath.Join(kept, name), text); err != nil {
			return err
		}
	}
	for role, files := range shares(o.Kinds, o.Registration != "") {
		to := filepath.Join(o.Dir, role)
		if _, err := os.Stat(to); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		owner := o.Owner
		switch {
		case role == config.RoleNATS || role == Homeserver:
			owner = -1 // root without rights, who reads what is root's
		case role == Grafana && owner >= 0:
			owner = grafanaUser
		}
		for name, from := range files {
			if err := give(filepath.Join(kept, from), filepath.Join(to, name), owner); err != nil {
				return fmt.Errorf("%s: %w", role, err)
			}
		}
	}
	return nil
}

// shares gives each role's files: their names there, and what is kept.
func shares(kinds []string, registered bool) map[string]map[string]string {
	seed := func(role string) string { return filepath.Join(Identities, role+".nk") }
	all := map[string]map[string]string{
		config.RoleNATS:    {"nats.conf": filepath.Join(Identities, "nats.conf"), "accounts.conf": filepath.Join(Identities, "accounts.conf")},
		config.RoleConsole: {AdminToken: AdminToken},
		Grafana:            {GrafanaPassword: GrafanaPassword},
		config.RoleMedia:   {AdminToken: AdminToken, seed(config.RoleMedia): seed(config.RoleMedia)},
	}
	for _, role := range append([]string{config.RoleDirectory, config.RoleCallState}, kinds...) {
		all[role] = map[string]string{AdminToken: AdminToken, Cluster: Cluster, seed(role): seed(role)}
	}
	if registered {
		all[Homeserver] = map[string]string{Registration: Registration, Accounts: Accounts}
		if all[matrix] != nil {
			all[matrix][Registration] = Registration
		}
	}
	// Calls are shown where they are.
	all[config.RoleCallState][seed(natsconf.Admin)] = seed(natsconf.Admin)
	return all
}

// secret is a new one.
func secret() string { return strings.ToLower(rand.Text()+rand.Text()) + "\n" }

// ensure writes a file unless it is there.
func ensure(path, text string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err //nolint:wrapcheck // names the path
	}
	return replace(path, []byte(text), -1)
}

// give copies a file for its owner only.
func give(from, to string, owner int) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err //nolint:wrapcheck // names the path
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // the files in it are not for everybody
		return err //nolint:wrapcheck // names the path
	}
	return replace(to, data, owner)
}

// replace writes beside and renames: nobody reads half of a file, and one that
// was given away can be replaced.
func replace(path string, data []byte, owner int) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err //nolint:wrapcheck // names the path
	}
	if err := os.WriteFile(fresh, data, 0o400); err != nil {
		return err //nolint:wrapcheck // names the path
	}
	if owner >= 0 {
		if err := os.Chown(fresh, owner, owner); err != nil {
			return err //nolint:wrapcheck // names the path
		}
	}
	return os.Rename(fresh, path) //nolint:wrapcheck // names the path
}
