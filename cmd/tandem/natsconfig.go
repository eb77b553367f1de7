package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/adapters"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/natsconf"
)

type natsConfigCmd struct {
	For      string   `enum:"compose,helm,external" default:"compose" help:"compose and helm: a server of its own, alone or a cluster. external: accounts to include in the configuration of a NATS that is there."`
	Out      string   `short:"o" default:"nats" placeholder:"DIR" help:"Where the files go. Secrets that are there stay; to replace one, remove its file."`
	Adapter  []string `placeholder:"KIND" help:"An adapter kind besides those of this binary. Can be repeated."`
	Node     []string `placeholder:"ROLE=NAME" help:"Bind a role to a node's name: it gets an identity for each of its nodes. Can be repeated."`
	Auth     string   `enum:"nkey,password" default:"nkey" help:"nkey: the server knows public keys only. password: users with passwords."`
	Readable bool     `help:"Let every user of this machine read the secrets, for containers that run under user ids of their own."`

	Servers      []string `placeholder:"NAME" help:"Names of a cluster's servers, by which they reach each other: nats-1,nats-2,nats-3."`
	Routes       string   `default:"0.0.0.0:6222" placeholder:"ADDRESS" help:"Where the servers of a cluster take each other."`
	Listen       string   `default:"0.0.0.0:4222" placeholder:"ADDRESS" help:"Where the servers take clients."`
	Monitor      string   `default:"127.0.0.1:8222" placeholder:"ADDRESS" help:"Where the servers answer /healthz; it needs no credentials. Empty for none."`
	Store        string   `default:"/data" placeholder:"DIR" help:"Where the servers keep what is stored."`
	AdapterStore int64    `default:"268435456" placeholder:"BYTES" help:"What one adapter kind may store, for each copy."`
	TLSCert      string   `name:"tls-cert" placeholder:"FILE" help:"The servers' certificate chain, a path where they run."`
	TLSKey       string   `name:"tls-key" placeholder:"FILE" help:"Its private key."`
	TLSCA        string   `name:"tls-ca" placeholder:"FILE" help:"Certificate authority by which the servers of a cluster know each other."`

	Prefix    string `default:"tandem" placeholder:"NAME" help:"What the Kubernetes secrets' names begin with."`
	Namespace string `placeholder:"NAME" help:"Their namespace."`
}

// Help implements kong.HelpProvider.
func (*natsConfigCmd) Help() string {
	return `Each role gets an account and an identity of its own in NATS, with the subjects that it needs and no others. An adapter's can send commands under its own kind, hears its own events, and keeps its own data; it cannot see another adapter's, call records, or who owns which calls. Processes find their secrets with

  nats:
    identities: DIR

where DIR needs to hold the files of the roles that the process takes, such as sylkrtc.nk. In the directory of a process with the role nats is accounts.conf as well.`
}

// Run implements the command.
func (c *natsConfigCmd) Run() error {
	p := natsconf.Plan{
		Auth: c.Auth, AdapterStore: c.AdapterStore, Nodes: map[string][]string{},
		Servers: c.Servers, Routes: c.Routes, Listen: c.Listen, Monitor: c.Monitor, StoreDir: c.Store,
		Cert: c.TLSCert, Key: c.TLSKey, CA: c.TLSCA,
	}
	for _, s := range adapters.All() {
		p.Kinds = append(p.Kinds, s.Kind)
	}
	p.Kinds = append(p.Kinds, c.Adapter...)
	for _, pair := range c.Node {
		role, name, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("--node %s: must be role=name", pair)
		}
		p.Nodes[role] = append(p.Nodes[role], name)
	}
	files, err := natsconf.Write(p, natsconf.Options{
		For: c.For, Dir: c.Out, Readable: c.Readable, Prefix: c.Prefix, Namespace: c.Namespace,
	})
	if err != nil {
		return err //nolint:wrapcheck // says what it is already
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, f := range files {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", filepath.Join(c.Out, f.Name), f.Doc)
	}
	return w.Flush() //nolint:wrapcheck // only writing can fail
}
