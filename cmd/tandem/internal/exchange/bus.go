package exchange

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/natsbus"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/embednats"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/natsconf"
)

// runNATS runs the server inside.
func (x *Exchange) runNATS(ctx context.Context, ready func()) error {
	c := x.cfg.NATS
	s, err := embednats.Start(embednats.Config{
		Name: x.cfg.Node, StoreDir: x.data.nats(), Listen: c.Listen,
		User: c.User, Password: c.Password, Token: c.Token, AccountsFile: natsconf.AccountsFile(c.Identities),
		CertFile: c.TLS.Cert, KeyFile: c.TLS.Key, CAFile: c.TLS.CA,
		Log: x.logger(config.RoleNATS),
	})
	if err != nil {
		return err //nolint:wrapcheck // says what it is already
	}
	defer s.Stop()
	x.nats = s
	if url := s.URL(); url != "" {
		x.logger(config.RoleNATS).Info("listening", "url", url)
	}
	ready()
	<-ctx.Done()
	return nil
}

// runBus holds the operator's connection, by which the process shows calls. One
// that was not given the operator's identity shows none.
func (x *Exchange) runBus(ctx context.Context, ready func()) error {
	if !x.showsCalls() {
		x.logger("bus").Info("no identity for the operator here: calls are shown by processes that have it")
		ready()
		<-ctx.Done()
		return nil
	}
	conn, err := x.connect(ctx, natsconf.Admin)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer x.conns.add("bus", conn)()
	x.conn = conn
	x.admin.SetRecords(conn.Records())
	defer x.admin.SetRecords(nil)
	ready()
	<-ctx.Done()
	return nil
}

// showsCalls reports whether this process has the operator's identity, or needs none.
func (x *Exchange) showsCalls() bool {
	dir := x.cfg.NATS.Identities
	return dir == "" || natsconf.Has(dir, natsconf.Admin, x.cfg.Node)
}

// runTables makes the tables that roles which start before call state can only
// write to.
func (x *Exchange) runTables(ctx context.Context, ready func()) error {
	conn, err := x.connect(ctx, config.RoleCallState)
	if err != nil {
		return err
	}
	for {
		if err = bus.OpenTables(ctx, conn, nodeGone); err == nil || errors.Is(err, bus.ErrClosed) || errors.Is(err, bus.ErrInvalid) {
			break
		}
		x.logger("tables").Warn("the tables cannot be made yet", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(nodeBeat):
			continue
		}
		break
	}
	if err = errors.Join(err, conn.Close()); err != nil && ctx.Err() == nil {
		return fmt.Errorf("making the tables: %w", err)
	}
	ready()
	<-ctx.Done()
	return nil
}

// checkIdentities makes sure that every role that uses the bus has an identity,
// where roles have any.
func (x *Exchange) checkIdentities() error {
	dir := x.cfg.NATS.Identities
	if dir == "" {
		return nil
	}
	for _, role := range x.cfg.AllRoles() {
		if !x.cfg.Has(role) || role == config.RoleNATS || role == config.RoleConsole || natsconf.Has(dir, role, x.cfg.Node) {
			continue
		}
		return fmt.Errorf("nats.identities: %s has no %s.nk, nor %s.%s.nk", dir, role, role, x.cfg.Node)
	}
	return nil
}

// connect opens an identity's connection to the bus. It tries until it has one
// or ctx ends.
func (x *Exchange) connect(ctx context.Context, kind string) (*natsbus.Conn, error) {
	c := x.cfg.NATS
	nc := natsbus.Config{
		URL: c.URL, Kind: kind, Node: x.cfg.Node,
		CredentialsFile: c.CredentialsFile, NKeySeedFile: c.NKeySeedFile,
		User: c.User, Password: c.Password, Token: c.Token,
		Replicas: c.Replicas, MaxBytes: c.MaxBytes, Compress: c.Compress,
		Logger: x.logger(kind),
	}
	if c.Identities != "" {
		if err := natsconf.Identify(&nc, c.Identities); err != nil {
			return nil, err //nolint:wrapcheck // says what it is already
		}
	}
	if c.URL == "" {
		nc.InProcess = x.nats
	} else {
		nc.CAFile, nc.CertFile, nc.KeyFile = c.TLS.CA, c.TLS.Cert, c.TLS.Key
	}
	conn, err := natsbus.Connect(ctx, nc)
	if err != nil {
		return nil, fmt.Errorf("connecting to the bus: %w", err)
	}
	return conn, nil
}

// onBus runs a part on a connection of its own.
func (x *Exchange) onBus(ctx context.Context, kind string, run func(b *bus.Bus) error) error {
	conn, err := x.connect(ctx, kind)
	if err != nil {
		return err
	}
	defer x.conns.add(kind, conn)()
	// Roles of this process reach each other without the broker.
	d := x.local.Wrap(conn)
	defer func() { _ = d.Close() }()
	b, err := bus.New(d, kind, x.cfg.Node)
	if err != nil {
		return fmt.Errorf("bus identity: %w", err)
	}
	if x.traces != nil {
		b = b.Traced(x.traces.Role(kind))
	}
	return run(b)
}

func (x *Exchange) nodes(b *bus.Bus) bus.Nodes { return bus.NewNodes(b, nodeBeat, nodeGone) }
