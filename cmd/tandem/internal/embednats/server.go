package embednats

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tandem-rtc/tandem/adapters/kit/port"
)

// readyWithin bounds the start; replaying a large store takes a while.
const readyWithin = 60 * time.Second

// Config is how the server is set up.
type Config struct {
	// Name of the server in NATS's own lists.
	Name string
	// StoreDir keeps what is stored. One server at a time may use it.
	StoreDir string
	// Listen is host:port for other processes; empty for none.
	Listen string
	// User and Password, or Token, are what a client must give; empty for none.
	User, Password, Token string
	// AccountsFile holds accounts with users, who are let in and nobody else, also
	// from this process; empty for none.
	AccountsFile string
	// CertFile and KeyFile are the port's certificate; with CAFile, clients must
	// show one of that authority.
	CertFile, KeyFile, CAFile string
	// Log gets the server's warnings and errors.
	Log *slog.Logger
}

// Server is a running server.
type Server struct{ *server.Server }

// Start runs a server and returns once it takes connections.
func Start(cfg Config) (*Server, error) {
	opts := &server.Options{}
	if cfg.AccountsFile != "" {
		var err error
		if opts, err = server.ProcessConfigFile(cfg.AccountsFile); err != nil {
			return nil, fmt.Errorf("NATS: accounts: %w", err)
		}
	}
	opts.ServerName = cfg.Name
	opts.JetStream, opts.StoreDir = true, cfg.StoreDir
	opts.DontListen = cfg.Listen == ""
	opts.NoSigs = true // signals are the process's business
	// Streams refuse what is too large themselves, so a client learns of it.
	opts.MaxPayload = 4 << 20
	opts.Username, opts.Password, opts.Authorization = cfg.User, cfg.Password, cfg.Token
	if cfg.Listen != "" {
		host, port, err := net.SplitHostPort(cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("NATS: listen: %w", err)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("NATS: port: %w", err)
		}
		opts.Host, opts.Port = host, int(n)
		if n == 0 {
			opts.Port = server.RANDOM_PORT
		}
		if opts.TLSConfig, err = tlsConfig(cfg); err != nil {
			return nil, err
		}
		opts.TLS, opts.TLSVerify = opts.TLSConfig != nil, cfg.CAFile != ""
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("NATS: %w", err)
	}
	log := &natsLog{log: cfg.Log}
	s.SetLoggerV2(log, false, false, false)
	go s.Start() // returns when the server has started, or earlier on an error
	for until := time.Now().Add(readyWithin); !s.ReadyForConnections(100 * time.Millisecond); {
		why := log.fatal()
		if why == "" && time.Now().Before(until) {
			continue
		}
		s.Shutdown()
		s.WaitForShutdown()
		if why != "" {
			return nil, fmt.Errorf("NATS did not start: %s", why)
		}
		return nil, fmt.Errorf("NATS was not ready in %v", readyWithin)
	}
	if !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, errors.New("NATS: JetStream is not available")
	}
	return &Server{s}, nil
}

// URL is where other processes connect; empty if the server does not listen.
func (s *Server) URL() string {
	a, ok := s.Addr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	return (&url.URL{Scheme: "nats", Host: a.String()}).String()
}

// Stop ends the server and returns once everything is on disk.
func (s *Server) Stop() {
	s.Shutdown()
	s.WaitForShutdown()
}

func tlsConfig(cfg Config) (*tls.Config, error) {
	files := port.TLS{Cert: cfg.CertFile, Key: cfg.KeyFile}
	var c *tls.Config
	var err error
	switch {
	case !files.On():
		return nil, nil
	case cfg.CAFile != "":
		c, err = files.ServerFor(cfg.CAFile, cfg.Log)
	default:
		c, err = files.Server(cfg.Log)
	}
	if err != nil {
		return nil, fmt.Errorf("nats.%w", err)
	}
	return c, nil
}
