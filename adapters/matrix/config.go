package matrix

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/port"
	"github.com/tandem-rtc/tandem/schema"
)

// Config is the adapter's configuration.
type Config struct {
	Homeserver   string `yaml:"homeserver" doc:"URL of the homeserver's client-server API, as Tandem reaches it: http://127.0.0.1:8008. Empty: Matrix is off."`
	ServerName   string `yaml:"server_name" doc:"The homeserver's name, which ends its users' ids: example.org."`
	Registration string `yaml:"registration" doc:"File with the registration that the homeserver has too; 'tandem matrix registration' makes it. It holds the two tokens, the bot's name and the namespace of the ghosts."`

	Listen         string        `yaml:"listen" doc:"Address and port that the homeserver sends its transactions to, over HTTP."`
	TLS            TLS           `yaml:"tls" doc:"Certificate of the port. Without one it speaks plain HTTP: keep it on loopback or on a network of your own."`
	MaxConnections int           `yaml:"max_connections" doc:"Connections at once; more are closed at once."`
	PerAddress     int           `yaml:"max_connections_per_address" doc:"Connections at once from one IP address, or one /64 of IPv6; more are closed at once. 0 for no limit."`
	Timeouts       port.Timeouts `yaml:"timeouts" doc:"Time-outs of the port's HTTP."`
	Advertise      string        `yaml:"advertise" doc:"URL at which other nodes of this adapter reach this one, to pass on what the homeserver sends while they stand by, or its IP address alone, with the port of listen. By default http:// and listen."`

	LeaseTTL time.Duration `yaml:"lease" doc:"Of several nodes one serves; when it has not been heard of for this long, another takes over."`

	InviteLifetime time.Duration `yaml:"invite_lifetime" doc:"Lifetime of the calls that ring at Matrix users, as their clients are told. Not less than callstate.ring_timeout."`
	MaxEvent       int           `yaml:"max_event_bytes" doc:"Largest event that the homeserver takes (65536 in the Matrix specification). What would be larger is not sent."`
	MaxTransaction int           `yaml:"max_transaction_bytes" doc:"Largest transaction read from the homeserver."`

	CallsPerMinute int `yaml:"invites_per_minute" doc:"Calls that one Matrix user may place in a minute; more are rejected, and from twice as many on ignored. Every answer is an event, which is what a flood is after."`
	MaxUsers       int `yaml:"max_users" doc:"Matrix users that can be reached here at once: those who have a room with the bot or a ghost."`
	Concurrency    int `yaml:"concurrency" doc:"Rooms whose events are handled at once."`

	MaxDevices int `yaml:"max_devices" doc:"Users of ours (the bot, ghosts) whose devices for encrypted rooms are at work at once. Each asks the homeserver for its own keys; beyond this the one that was idle longest rests until it is needed."`

	Portals bool `yaml:"portals" doc:"Invite a user to a room with whoever has called on the user's line, so that it can call back."`

	SendTimeout time.Duration `yaml:"send_timeout" doc:"How long one request to the homeserver may take."`
	RetryFor    time.Duration `yaml:"retry_for" doc:"How long the end of a call is tried to be told while the homeserver is away."`

	// Crossing is how long after an offer of ours inside a call one of the client's may
	// have been made without knowing it; 0 is 5 s.
	Crossing time.Duration `yaml:"-"`
	// Listener is used instead of Listen when it is set; Run closes it.
	Listener net.Listener `yaml:"-"`
}

// TLS names the certificate of the port.
type TLS = port.TLS

// Defaults is the configuration that holds where nothing is said.
func Defaults() *Config {
	return &Config{
		Listen:         "127.0.0.1:8009",
		MaxConnections: 1024,
		PerAddress:     256,
		Timeouts:       port.DefaultTimeouts(),
		LeaseTTL:       6 * time.Second,
		InviteLifetime: 2 * time.Minute,
		MaxEvent:       65536,
		MaxTransaction: 16 << 20,
		CallsPerMinute: 30,
		MaxUsers:       20000,
		Concurrency:    64,
		MaxDevices:     256,
		Portals:        true,
		SendTimeout:    10 * time.Second,
		RetryFor:       30 * time.Minute,
	}
}

// Enabled reports whether Matrix is configured at all.
func (c *Config) Enabled() bool { return c.Homeserver != "" }

// Needs implements kit.Optional.
func (c *Config) Needs() string { return "homeserver" }

// MatrixServers names the servers whose users the adapter vouches for; the directory
// of the same process takes them as subscribers.
func (c *Config) MatrixServers() []string {
	if !c.Enabled() {
		return nil
	}
	return []string{c.ServerName}
}

// Validate implements kit.Config.
func (c *Config) Validate() error {
	if !c.Enabled() {
		return nil
	}
	u, err := url.Parse(c.Homeserver)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return schema.Invalid("homeserver", "must be the URL of a homeserver, http:// or https://")
	}
	if _, err := schema.ParseAddress("matrix:u/a:" + c.ServerName); err != nil || strings.ContainsAny(c.ServerName, "%?") {
		return schema.Invalid("server_name", "must be a server's name such as example.org")
	}
	if c.Registration == "" {
		return schema.Invalid("registration", "must name the registration file; 'tandem matrix registration' makes one")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil && c.Listener == nil {
		return schema.Invalid("listen", "must be host:port: %v", err)
	}
	if err := errors.Join(c.TLS.Validate(), c.Timeouts.Validate()); err != nil {
		return err
	}
	_, err = netip.ParseAddr(c.Advertise)
	if u, no := url.Parse(c.Advertise); c.Advertise != "" && err != nil && (no != nil || u.Host == "") {
		return schema.Invalid("advertise", "must be a URL or an IP address")
	}
	return c.validateLimits()
}

func (c *Config) validateLimits() error {
	for _, f := range []struct {
		path string
		v    int
		min  int
	}{
		{"max_event_bytes", c.MaxEvent, 4096},
		{"max_transaction_bytes", c.MaxTransaction, 65536},
		{"invites_per_minute", c.CallsPerMinute, 1},
		{"max_connections", c.MaxConnections, 1},
		{"max_connections_per_address", c.PerAddress, 0},
		{"max_users", c.MaxUsers, 1},
		{"concurrency", c.Concurrency, 1},
		{"max_devices", c.MaxDevices, 1},
	} {
		if f.v < f.min {
			return schema.Invalid(f.path, "must be at least %d", f.min)
		}
	}
	for _, f := range []struct {
		path string
		v    time.Duration
		min  time.Duration
	}{
		{"lease", c.LeaseTTL, 500 * time.Millisecond},
		{"invite_lifetime", c.InviteLifetime, time.Second},
		{"send_timeout", c.SendTimeout, 100 * time.Millisecond},
		{"retry_for", c.RetryFor, 0},
	} {
		if f.v < f.min {
			return schema.Invalid(f.path, "must be at least %v", f.min)
		}
	}
	return nil
}

var _ kit.Optional = (*Config)(nil)
