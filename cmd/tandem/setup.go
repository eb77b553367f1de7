package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/tandem-rtc/tandem/adapters/matrix"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/adapters"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/setup"
)

type setupCmd struct {
	Dir         string   `required:"" placeholder:"DIR" help:"Directory with a directory for each role (nats, directory, callstate, media, console, sylkrtc, ...); keep is made beside them."`
	NATSNodes   int      `name:"nats-nodes" default:"1" placeholder:"N" help:"How many NATS servers there are: nats-1, nats-2, ..."`
	NATSServers []string `name:"nats-servers" placeholder:"NAME" help:"The names by which they reach each other, if those are others."`
	SeedFile    string   `type:"existingfile" placeholder:"FILE" help:"File with a secret, 32 characters or more, from which all others are made. Without it they are random."`
	MatrixName  string   `placeholder:"NAME" help:"A Matrix homeserver's name: make a registration for it and the Matrix adapter."`
	MatrixURL   string   `name:"matrix-url" default:"http://matrix:8009" placeholder:"URL" help:"Where the homeserver reaches the adapter."`
	Owner       int      `default:"-1" placeholder:"UID" help:"User id that gets the files, but those of nats, homeserver and grafana."`
	Published   string   `placeholder:"ADDRESS" help:"Where this machine opens the ports that users connect to. If that is not loopback, refuse unless one of the next two says that it is in order."`
	Certificate string   `placeholder:"DIR" help:"Where the certificate of those ports is."`
	Plaintext   string   `placeholder:"all" help:"All of those ports may do without."`
}

// Help implements kong.HelpProvider.
func (*setupCmd) Help() string {
	return `Makes what is not there yet: the cluster's secret, the token of the operator's API, and for each role its identity on the bus. They stay in DIR/keep. The directory of each role, where there is one, gets what that role needs:

  cluster       for secret (TANDEM_SECRET_FILE)
  admin-token   for admin.token (TANDEM_ADMIN_TOKEN_FILE)
  nats/         for nats.identities (TANDEM_NATS_IDENTITIES)

that of nats the servers' configuration, and that of grafana grafana-password. With --matrix-name, matrix also gets registration.yaml for matrix.registration, and homeserver the same and accounts, a secret with which it lets accounts be made.`
}

// Run implements the command.
func (c *setupCmd) Run() error {
	if err := setup.CheckPorts(c.Published, c.Certificate, c.Plaintext); err != nil {
		return err //nolint:wrapcheck // says what it is already
	}
	o := setup.Options{Dir: c.Dir, Servers: c.NATSServers, Owner: c.Owner}
	if len(o.Servers) == 0 {
		for i := range c.NATSNodes {
			o.Servers = append(o.Servers, fmt.Sprintf("nats-%d", i+1))
		}
	}
	if c.SeedFile != "" {
		data, err := os.ReadFile(c.SeedFile)
		if err != nil {
			return fmt.Errorf("the seed: %w", err)
		}
		if o.Seed = bytes.TrimSpace(data); len(o.Seed) == 0 {
			return errors.New("the seed: the file is empty")
		}
	}
	var err error
	if o.Registration, err = c.registration(o.Seed); err != nil {
		return fmt.Errorf("the registration: %w", err)
	}
	for _, s := range adapters.All() {
		o.Kinds = append(o.Kinds, s.Kind)
	}
	return setup.Run(o) //nolint:wrapcheck // says what it is already
}

// registration makes what a Matrix homeserver and the adapter agree on: with a seed
// the same wherever it is made.
func (c *setupCmd) registration(seed []byte) (string, error) {
	if c.MatrixName == "" {
		return "", nil
	}
	r := matrix.NewRegistration(c.MatrixURL, c.MatrixName, matrix.BotLocalpart, matrix.GhostPrefix)
	if len(seed) > 0 {
		for name, token := range map[string]*string{"as_token": &r.AppToken, "hs_token": &r.ServerToken} {
			var err error
			if *token, err = setup.Text(seed, "matrix "+name+" of "+c.MatrixName); err != nil {
				return "", err //nolint:wrapcheck // says what it is already
			}
		}
	}
	return r.YAML() //nolint:wrapcheck // says what it is already
}
