package natsconf

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/tandem-rtc/tandem/schema"
)

// How identities prove themselves.
const (
	NKey     = "nkey"
	Password = "password"
)

// Plan is what the configuration is to be made for.
type Plan struct {
	// Kinds are the adapter kinds.
	Kinds []string
	// Nodes binds roles to node names: an identity for each. A role without one
	// has one identity for all its nodes.
	Nodes map[string][]string
	// Auth is NKey or Password.
	Auth string
	// AdapterStore is what one adapter kind may store, in bytes and per copy.
	AdapterStore int64

	// Servers are the names of the servers of a cluster, by which they reach each
	// other, with a port if it is not that of Routes; less than two for a single
	// server. Routes is the address on which they take each other.
	Servers []string
	Routes  string
	// Listen and Monitor are the addresses of the clients' port and of NATS's
	// monitoring; an empty Monitor is none.
	Listen, Monitor string
	// StoreDir is where the server keeps what is stored.
	StoreDir string
	// Cert, Key and CA are paths on the server. With Cert, clients connect by TLS;
	// with CA too, servers of a cluster show each other certificates of it.
	Cert, Key, CA string
}

// Validate reports what cannot be.
func (p *Plan) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for _, r := range append(Roles(p.Kinds), System) {
		if !schema.ValidToken(r) {
			errs = append(errs, fmt.Errorf("role %q is not 1 to 64 of letters, digits, - and _", r))
		}
		if seen[r] {
			errs = append(errs, fmt.Errorf("role %s is there twice", r))
		}
		seen[r] = true
	}
	for r, nodes := range p.Nodes {
		if !seen[r] || r == System {
			errs = append(errs, fmt.Errorf("node of %s: there is no such role", r))
		}
		for _, n := range nodes {
			if !schema.ValidToken(n) {
				errs = append(errs, fmt.Errorf("node %q of %s is not 1 to 64 of letters, digits, - and _", n, r))
			}
		}
	}
	if p.Auth != NKey && p.Auth != Password {
		errs = append(errs, fmt.Errorf("%q is neither %s nor %s", p.Auth, NKey, Password))
	}
	if (p.Cert == "") != (p.Key == "") {
		errs = append(errs, errors.New("certificate and key go together"))
	}
	if p.CA != "" && p.Cert == "" {
		errs = append(errs, errors.New("a certificate authority needs a certificate"))
	}
	if _, _, err := net.SplitHostPort(p.Routes); len(p.Servers) > 1 && err != nil {
		errs = append(errs, fmt.Errorf("%q, where the servers take each other, is not host:port", p.Routes))
	}
	if p.AdapterStore <= 0 {
		errs = append(errs, errors.New("what an adapter may store must be positive"))
	}
	return errors.Join(errs...)
}

// identity is one credential.
type identity struct {
	role string
	// node is "*" where it is for all nodes of the role.
	node string
}

// name is the identity's user name, and its file's.
func (i identity) name() string {
	if i.node == "*" {
		return i.role
	}
	return i.role + "." + i.node
}

// identities lists those of a role.
func (p *Plan) identities(role string) []identity {
	nodes := slices.Clone(p.Nodes[role])
	if len(nodes) == 0 {
		return []identity{{role, "*"}}
	}
	slices.SortFunc(nodes, cmp.Compare[string])
	out := make([]identity, 0, len(nodes))
	for _, n := range slices.Compact(nodes) {
		out = append(out, identity{role, n})
	}
	return out
}

// copies is how many servers keep each thing.
func (p *Plan) copies() int64 {
	if len(p.Servers) >= 3 {
		return 3
	}
	return 1
}
