package natsbus

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
)

// Config says which NATS to use and who we are there.
type Config struct {
	// URL of the servers, comma separated; unused with InProcess.
	URL string
	// InProcess is a server in this process (*server.Server of nats-server).
	InProcess nats.InProcessConnProvider

	// Name of the connection in the server's lists; Kind and Node by default.
	Name string
	// Kind and Node name the inbox: answers come on _INBOX.<kind>.<node>.>, the
	// only subject besides its services' that an identity must be let listen on.
	Kind, Node string

	// CredentialsFile holds a JWT and its seed; NKeySeedFile a seed. User and
	// Password, or Token, are for servers without either.
	CredentialsFile, NKeySeedFile string
	User, Password, Token         string
	// TLS for tls:// URLs and servers that require it.
	TLS *tls.Config
	// CAFile holds the authorities to trust instead of the system's, CertFile and
	// KeyFile a certificate of our own to show. They are read for each connection,
	// so that they may be replaced.
	CAFile, CertFile, KeyFile string

	// Foreign are streams (CALLS, KV_nodes and so on) that belong to others: they
	// are used as they are, neither looked up nor made. While one is not there,
	// using it fails with bus.ErrUnavailable.
	Foreign []string

	// APIPrefix is the name of JetStream's API where another account lends it;
	// "$JS.API" by default.
	APIPrefix string

	// Replicas of every stream: 1 (the default) or, on a cluster, 3.
	Replicas int
	// MaxBytes limits the journal; 0 is no limit besides the server's.
	MaxBytes int64
	// Compress has the journal compressed (S2): less disk for more CPU.
	Compress bool

	// PendingMessages and PendingBytes are what a subscription may have waiting
	// before further messages are dropped; 65,536 and 64 MiB by default.
	PendingMessages, PendingBytes int
	// WriteTimeout bounds storage operations whose context has no deadline; 10 s
	// by default. A replicated stream takes 5 to 7 s to replace a dead leader.
	WriteTimeout time.Duration

	// Logger gets lost connections and slow consumers; nothing is logged if nil.
	Logger *slog.Logger
}

// withDefaults checks and completes a configuration.
func (c Config) withDefaults() (Config, error) {
	if c.URL == "" && c.InProcess == nil {
		return c, fmt.Errorf("%w: no NATS URL and no server in process", bus.ErrInvalid)
	}
	if !schema.ValidToken(c.Kind) || !schema.ValidToken(c.Node) {
		return c, fmt.Errorf("%w: kind %q and node %q must be 1 to 64 of [0-9A-Za-z_-]", bus.ErrInvalid, c.Kind, c.Node)
	}
	if c.Name == "" {
		c.Name = "tandem " + c.Kind + " " + c.Node
	}
	if c.APIPrefix == "" {
		c.APIPrefix = "$JS.API"
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = -1
	}
	if c.PendingMessages == 0 {
		c.PendingMessages = 1 << 16
	}
	if c.PendingBytes == 0 {
		c.PendingBytes = 64 << 20
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// options translates the configuration for nats.go.
func (c Config) options() ([]nats.Option, error) {
	opts := []nats.Option{
		nats.Name(c.Name),
		nats.CustomInboxPrefix("_INBOX." + c.Kind + "." + c.Node),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		// What is sent while the server is away fails at once: its sender knows
		// better than a buffer whether it is still worth sending afterwards.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.IgnoreAuthErrorAbort(),
	}
	if c.InProcess != nil {
		opts = append(opts, nats.InProcessServer(c.InProcess))
	}
	if c.TLS != nil {
		opts = append(opts, nats.Secure(c.TLS))
	}
	if c.CAFile != "" {
		opts = append(opts, nats.RootCAs(c.CAFile))
	}
	if c.CertFile != "" {
		opts = append(opts, nats.ClientCert(c.CertFile, c.KeyFile))
	}
	switch {
	case c.CredentialsFile != "":
		opts = append(opts, nats.UserCredentials(c.CredentialsFile))
	case c.NKeySeedFile != "":
		o, err := nats.NkeyOptionFromSeed(c.NKeySeedFile)
		if err != nil {
			return nil, fmt.Errorf("natsbus: key of %s: %w", c.NKeySeedFile, err)
		}
		opts = append(opts, o)
	case c.User != "":
		opts = append(opts, nats.UserInfo(c.User, c.Password))
	case c.Token != "":
		opts = append(opts, nats.Token(c.Token))
	}
	return opts, nil
}
