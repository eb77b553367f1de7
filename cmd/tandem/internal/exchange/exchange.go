package exchange

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/tandem-rtc/tandem/bus/localbus"
	"github.com/tandem-rtc/tandem/bus/natsbus"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/admin"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/demo"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/embednats"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/logs"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/metrics"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/roles"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/tracing"
	"github.com/tandem-rtc/tandem/schema"
	"github.com/tandem-rtc/tandem/services/callstate"
	"github.com/tandem-rtc/tandem/services/directory/attempts"
)

// The liveness table's beat: a node is put every beat and counts as gone after
// three that were missed.
const (
	nodeBeat = time.Second
	nodeGone = 4 * time.Second
)

// Exchange is one process of the exchange.
type Exchange struct {
	cfg     *config.Config
	log     *slog.Logger
	data    *dataDir
	metrics *metrics.Metrics
	admin   *admin.Server
	status  *roles.Status
	nats    *embednats.Server // set once the role nats is ready
	conn    *natsbus.Conn     // the operator's, if the process has that identity; set once the bus is reached
	conns   connections
	traces  *tracing.Exporter // nil: nothing is traced
	// callState is the role's service while it runs.
	callState atomic.Pointer[callstate.Service]
	local     *localbus.Router
	key       schema.IDKey
	echo      string // the echo terminal's token

	adminPort net.Listener
	pagePort  net.Listener // of the console without sylkrtc
	addresses map[string]string
}

// Options are what only a command line says.
type Options struct {
	// Ephemeral keeps everything in a directory that is removed at the end.
	Ephemeral bool
	Log       *slog.Logger // nil drops everything
	Version   string
}

// New opens the data directory and the ports of a process. Close gives them
// back, also after Run.
func New(cfg *config.Config, opts Options) (_ *Exchange, err error) {
	x := &Exchange{
		cfg: cfg, status: &roles.Status{},
		metrics: metrics.New(opts.Version), addresses: map[string]string{}, local: localbus.NewRouter(),
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	x.log = slog.New(logs.Limit(opts.Log.Handler(), cfg.Log.Rate, x.metrics.LineLeftOut))
	defer func() {
		if err != nil {
			x.Close()
		}
	}()
	if cfg.NATS.URL == "" || cfg.DataDir != "" {
		if x.data, err = openData(cfg.DataDir, opts.Ephemeral); err != nil {
			return nil, err
		}
	}
	if err := x.checkIdentities(); err != nil {
		return nil, err
	}
	if err := x.makeKey(); err != nil {
		return nil, err
	}
	if cfg.Demo {
		demo.Apply(&cfg.Directory, x.echo)
		if err := cfg.Validate(); err != nil {
			return nil, fmt.Errorf("with the demo accounts: %w", err)
		}
	}
	x.shareFiles(openFiles())
	x.metrics.Watch(func() bool { ok, _ := x.ready(); return ok }, x.reachesBus, x.conns.slow)
	if err := x.openTraces(opts.Version); err != nil {
		return nil, err
	}
	x.admin = x.newAdmin()
	if x.pageOnAdapter() {
		if x.sylk().Fallback, err = x.page(); err != nil {
			return nil, err
		}
	}
	return x, x.openPorts()
}

func (x *Exchange) newAdmin() *admin.Server {
	c := x.cfg.Admin
	return admin.New(admin.Config{
		Token: c.Token, TLS: c.TLS, Hosts: c.Hosts, MaxConnections: c.MaxConnections, PerAddress: c.PerAddress, Timeouts: c.Timeouts,
		WrongTokens:    attempts.New(c.WrongTokens, c.WrongTokensPerMinute),
		AllWrongTokens: attempts.New(c.AllWrongTokensPerMinute, c.AllWrongTokensPerMinute),
		Refused:        func(reason string) { x.metrics.Refused("admin", reason)() },
		Ready:          x.ready, Registry: x.metrics.Registry, Log: x.logger("admin"),
	})
}

// Close gives the ports that nobody took, and the data directory, back.
func (x *Exchange) Close() {
	for _, l := range []net.Listener{x.adminPort, x.pagePort} {
		if l != nil {
			_ = l.Close() // closed already if its role ran
		}
	}
	x.closeAdapterPorts()
	if x.traces != nil {
		x.traces.Close()
	}
	if x.data != nil {
		x.data.close()
	}
}

// Address gives where a role's port is, host:port; empty if it has none.
// Names are those of the roles, and "admin".
func (x *Exchange) Address(role string) string { return x.addresses[role] }

// Run runs the process until ctx ends or a role fails. ready is called once,
// when all roles are ready.
func (x *Exchange) Run(ctx context.Context, ready func()) error {
	g := &roles.Group{
		Roles: x.roles(), Drain: x.cfg.Drain, Log: x.log, Status: x.status, Ready: ready,
	}
	return g.Run(ctx) //nolint:wrapcheck // names the role already
}

// roles gives what this process runs, in the order of starting.
func (x *Exchange) roles() (out []roles.Role) {
	add := func(name string, run func(ctx context.Context, ready func()) error) {
		out = append(out, roles.Role{Name: name, Run: run})
	}
	if x.adminPort != nil {
		add("admin", x.runAdmin)
	}
	if x.cfg.Has(config.RoleNATS) {
		add(config.RoleNATS, x.runNATS)
	}
	add("bus", x.runBus)
	if x.cfg.Has(config.RoleCallState) && x.cfg.NATS.Identities != "" {
		add("tables", x.runTables)
	}
	if x.cfg.Has(config.RoleDirectory) {
		add(config.RoleDirectory, x.runDirectory)
	}
	if x.cfg.Has(config.RoleMedia) {
		add(config.RoleMedia, x.runMedia)
	}
	if x.cfg.Has(config.RoleCallState) {
		add(config.RoleCallState, x.runCallState)
	}
	for _, a := range x.cfg.Adapters {
		if x.cfg.Has(a.Spec.Kind) {
			add(a.Spec.Kind, x.runAdapter(a))
		}
	}
	if x.pagePort != nil {
		add(config.RoleConsole, x.runConsole)
	}
	if x.hasEcho() {
		add("echo", x.runEcho)
	}
	return out
}

func (x *Exchange) logger(role string) *slog.Logger { return x.log.With("role", role) }

// makeKey finds the cluster's secret.
func (x *Exchange) makeKey() error {
	secret := []byte(x.cfg.Secret)
	if len(secret) == 0 && x.data != nil && x.cfg.NATS.URL == "" {
		var err error
		if secret, err = x.data.secret(); err != nil {
			return err
		}
	}
	if len(secret) == 0 {
		if x.cfg.HasAdapter() {
			return fmt.Errorf("secret: is needed, the same in every process (or %s)", config.EnvName("secret"))
		}
		x.echo = rand.Text() // no role here makes ids, and no other process can know it
		return nil
	}
	x.key = schema.NewIDKey(secret)
	// The process with the directory and the one with the echo terminal, if they
	// are two, agree on its token by the secret they share.
	m := hmac.New(sha256.New, secret)
	m.Write([]byte("tandem demo echo token v1"))
	x.echo = hex.EncodeToString(m.Sum(nil))
	return nil
}

// listen binds a port and notes where it is.
func (x *Exchange) listen(role, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s.listen: %w", role, err)
	}
	x.addresses[role] = l.Addr().String()
	return l, nil
}

func (x *Exchange) openPorts() (err error) {
	if x.cfg.Admin.Listen != "" {
		if x.adminPort, err = x.listen("admin", x.cfg.Admin.Listen); err != nil {
			return err
		}
	}
	if x.cfg.Has(config.RoleConsole) && !x.pageOnAdapter() {
		if x.pagePort, err = x.listen(config.RoleConsole, x.cfg.Console.Listen); err != nil {
			return err
		}
	}
	return x.openAdapterPorts()
}

// StateDir is where a process keeps its data if it is told nothing else (XDG
// Base Directory Specification).
func StateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return dir + "/tandem", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("data_dir: must be set, since there is no home directory: %w", err)
	}
	return home + "/.local/state/tandem", nil
}
