package config

import (
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/port"
	"github.com/tandem-rtc/tandem/services/callstate"
	"github.com/tandem-rtc/tandem/services/directory"
	"github.com/tandem-rtc/tandem/services/media"
)

// Config is everything the binary can be told.
type Config struct {
	Roles     []string `yaml:"roles" doc:"Roles this process takes: all, or some of nats, directory, callstate, media, console and the adapters. All leaves nats out when nats.url is given, and matrix when matrix.homeserver is not."`
	Node      string   `yaml:"node" doc:"Name of this node, unique among the processes of a cluster and the same after a restart: letters, digits, - and _. By default made from the host's name."`
	DataDir   string   `yaml:"data_dir" doc:"Where calls, subscribers and the generated secret are kept. By default tandem below $XDG_STATE_HOME or ~/.local/state."`
	Secret    string   `yaml:"secret" secret:"true" doc:"Secret of the cluster, at least 16 characters, the same in every process: call and leg ids are made with it. Without one, a process that has NATS inside makes its own and keeps it in data_dir; with nats.url it must be given."`
	Demo      bool     `yaml:"demo" doc:"Add the public demo accounts and the echo number. This is the default when there is no configuration file and NATS runs inside."`
	Plaintext []string `yaml:"plaintext" doc:"Ports that may speak without TLS to more than this machine, because a proxy in front of them does, or the network is yours alone: admin, nats, console, the adapters, or all. Others refuse to start without a certificate."`
	Drain     Duration `yaml:"drain_timeout" doc:"How long the process may take to end in good order."`

	Log       Log              `yaml:"log" doc:"What is written to standard error."`
	NATS      NATS             `yaml:"nats" doc:"The bus."`
	Tracing   Tracing          `yaml:"tracing" doc:"Traces of calls across all roles, by OpenTelemetry."`
	Admin     Admin            `yaml:"admin" doc:"Health, metrics and the operator's API."`
	Directory directory.Config `yaml:"directory" doc:"Subscribers, their addresses and credentials."`
	CallState callstate.Config `yaml:"callstate" doc:"Calls."`
	Media     media.Config     `yaml:"media" doc:"Media."`
	Console   Console          `yaml:"console" doc:"The softphone page."`

	// Adapters are the sections of the adapter kinds, in the order given.
	Adapters []Adapter `yaml:"-"`
	// File says whether a configuration file was read.
	File bool `yaml:"-"`
	// demoSaid: somebody set demo.
	demoSaid bool
}

// Duration is written with a unit: 10s, 5m.
type Duration = time.Duration

// Adapter is an adapter kind with its configuration.
type Adapter struct {
	Spec   kit.Spec
	Config kit.Config
}

// Log is what is logged.
type Log struct {
	Level  string `yaml:"level" doc:"debug, info, warn or error."`
	Format string `yaml:"format" doc:"text or json."`
	Rate   int    `yaml:"rate" doc:"Lines of one wording written in a second over time, and ten times as many at once: what strangers ask for is logged too. More are left out and counted, but for errors and lines about a call. 0 for no limit."`
}

// NATS is which NATS is used, or how the one inside is set up.
type NATS struct {
	URL string `yaml:"url" doc:"Servers to use instead of the one inside, comma separated: nats://host:4222 or tls://host:4222. They need JetStream."`

	Identities      string `yaml:"identities" doc:"Directory that tandem nats-config wrote. Each role connects with its own secret there (sylkrtc.nk and so on), and a server inside lets in the accounts of accounts.conf and nobody else. Instead of the credentials below."`
	CredentialsFile string `yaml:"credentials_file" doc:"File with a user's JWT and seed."`
	NKeySeedFile    string `yaml:"nkey_seed_file" doc:"File with an NKey seed."`
	User            string `yaml:"user" doc:"User name. With nats.listen, the one that clients must give."`
	Password        string `yaml:"password" secret:"true" doc:"The user's password."`
	Token           string `yaml:"token" secret:"true" doc:"Token, for servers that use one."`
	TLS             TLS    `yaml:"tls" doc:"TLS towards the servers of nats.url, and of nats.listen. Read again when a file changes."`

	Listen   string `yaml:"listen" doc:"Address and port on which the server inside takes other processes. Empty: it does not listen."`
	Replicas int    `yaml:"replicas" doc:"Copies of everything stored, 1 to 5; more than 1 only with nats.url and as many servers."`
	MaxBytes int64  `yaml:"max_bytes" doc:"Bytes that call records may take; from 80 % on new calls are refused. 0: no limit."`
	Compress bool   `yaml:"compress" doc:"Compress stored call records (S2): less disk for more CPU."`
}

// TLS is a client's and server's certificates.
type TLS struct {
	CA   string `yaml:"ca_file" doc:"PEM file with the certificates to trust instead of the system's."`
	Cert string `yaml:"cert_file" doc:"PEM file with our certificate chain."`
	Key  string `yaml:"key_file" doc:"PEM file with our private key."`
}

// Tracing is where traces of calls go.
type Tracing struct {
	Endpoint string  `yaml:"endpoint" doc:"Where traces are taken, as OTLP by gRPC: http://host:4317, or https://. Empty: nothing is traced. Headers for it, such as a token, are given in the environment as OTEL_EXPORTER_OTLP_HEADERS."`
	CA       string  `yaml:"ca_file" doc:"PEM file with the certificates to trust instead of the system's."`
	Sample   float64 `yaml:"sample" doc:"Share of the calls that are traced, 0 to 1; every process chooses the same calls."`
}

// Admin is the operator's port.
type Admin struct {
	Listen         string        `yaml:"listen" doc:"Address and port of /healthz, /readyz, /metrics and the API behind tandem calls. Empty: none."`
	TLS            port.TLS      `yaml:"tls" doc:"Certificate of the port."`
	Hosts          []string      `yaml:"hosts" doc:"Names by which the API, and /metrics on loopback, may be called besides localhost and IP addresses: a service's name in a cluster."`
	MaxConnections int           `yaml:"max_connections" doc:"Connections at once; more are closed at once."`
	PerAddress     int           `yaml:"max_connections_per_address" doc:"Connections at once from one IP address, or one /64 of IPv6; more are closed at once. 0 for no limit."`
	Timeouts       port.Timeouts `yaml:"timeouts" doc:"Time-outs of the port's HTTP."`
	Token          string        `yaml:"token" secret:"true" doc:"Bearer token that the API wants, of at least 16 characters. Without one it answers to this machine only, and changes nothing."`

	WrongTokens             int `yaml:"wrong_tokens" doc:"Wrong tokens in a row of one IP address, or one /64 of IPv6, after which more are refused with 429 and their connections closed. The right token is always taken."`
	WrongTokensPerMinute    int `yaml:"wrong_tokens_per_minute" doc:"Wrong tokens an address gets back each minute."`
	AllWrongTokensPerMinute int `yaml:"all_wrong_tokens_per_minute" doc:"Wrong tokens of all addresses in a minute."`
}

func defaultAdmin() Admin {
	return Admin{
		Listen: "127.0.0.1:9464", MaxConnections: 256, PerAddress: 64, Timeouts: port.DefaultTimeouts(),
		WrongTokens: 10, WrongTokensPerMinute: 10, AllWrongTokensPerMinute: 100,
	}
}

// Console is the softphone page.
type Console struct {
	Listen         string        `yaml:"listen" doc:"Address and port of the page when this process has no sylkrtc role; otherwise the page is on that role's port."`
	TLS            port.TLS      `yaml:"tls" doc:"Certificate of that port. Browsers give microphone and camera only to pages by HTTPS, or from their own machine."`
	Hosts          []string      `yaml:"hosts" doc:"Names by which that port may be called, as sylkrtc.hosts."`
	MaxConnections int           `yaml:"max_connections" doc:"Connections to that port at once; more are closed at once."`
	PerAddress     int           `yaml:"max_connections_per_address" doc:"Connections at once from one IP address, or one /64 of IPv6; more are closed at once. 0 for no limit: behind a proxy all come from its address."`
	Timeouts       port.Timeouts `yaml:"timeouts" doc:"Time-outs of that port's HTTP."`
	Endpoint       string        `yaml:"endpoint" doc:"Where the page finds the sylkRTC endpoint if that is not on its own port: a port and path on the page's own host (:8081/webrtcgateway/ws), or a ws:// or wss:// address."`
	Domain         string        `yaml:"domain" doc:"SIP domain that completes what is dialled without one. By default the first of directory.domains."`

	// Budget is what the ports of the process share, if it is set.
	Budget *port.Budget `yaml:"-"`
}

// Sockets is how many connections the page's own port may have.
func (c *Console) Sockets() int { return c.MaxConnections }

// Share has it take them out of what the process may open files for.
func (c *Console) Share(b *port.Budget) { c.Budget = b }

// New gives the defaults with the given adapter kinds.
func New(specs []kit.Spec) *Config {
	c := &Config{
		Roles:     []string{"all"},
		Drain:     30 * time.Second,
		Log:       Log{Level: "info", Format: "text", Rate: 100},
		NATS:      NATS{Replicas: 1, MaxBytes: 1 << 30},
		Tracing:   Tracing{Sample: 1},
		Admin:     defaultAdmin(),
		Directory: directory.Defaults(),
		CallState: callstate.DefaultConfig(),
		Media:     media.Defaults(),
		Console:   Console{Listen: "127.0.0.1:8080", MaxConnections: 4096, Timeouts: port.DefaultTimeouts()},
	}
	for _, s := range specs {
		c.Adapters = append(c.Adapters, Adapter{s, s.Config()})
	}
	return c
}
