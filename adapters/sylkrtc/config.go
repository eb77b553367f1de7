package sylkrtc

import (
	"errors"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/port"
	"github.com/tandem-rtc/tandem/schema"
)

// Config is the adapter's configuration.
type Config struct {
	Listen string `yaml:"listen" doc:"Address and port that WebSocket clients connect to."`
	Path   string `yaml:"path" doc:"Path of the WebSocket endpoint."`
	TLS    TLS    `yaml:"tls" doc:"Certificate of the port. Without one it speaks plain HTTP: keep it on loopback or behind a proxy that terminates TLS. Browsers give pages a camera only over HTTPS or from the machine itself."`

	Hosts []string `yaml:"hosts" doc:"Names by which this port may be called: phone.example.com, or *.example.com. A web page that came from another name is refused, since browsers take it for this port's own (DNS rebinding). Empty: any name, but on a loopback address only localhost and loopback addresses, which are always allowed there."`

	AllowedOrigins []string `yaml:"allowed_origins" doc:"Web origins that may connect besides the endpoint's own host: https://app.example.com, a host with or without its port, a pattern such as *.example.com, or * for any. On a loopback address pages from loopback (localhost, 127.0.0.0/8, [::1], any port) always may. Clients that send no Origin header, which are not browsers, are always allowed."`

	MaxConnections int `yaml:"max_connections" doc:"WebSocket connections at once on this node; more are refused with HTTP 503."`
	PerAddress     int `yaml:"max_connections_per_address" doc:"Connections at once from one IP address, or one /64 of IPv6; more are closed at once. 0 for no limit: behind a proxy all come from its address."`
	MaxAccounts    int `yaml:"max_accounts_per_connection" doc:"Accounts at once on one connection."`
	MaxSessions    int `yaml:"max_sessions_per_connection" doc:"Sessions at once on one connection. A further session-create gets an error, a further incoming call finds the terminal busy."`

	MaxMessage int `yaml:"max_message_bytes" doc:"Largest message read. A larger one closes its connection with status 1009. Session descriptions may have 64 KiB, whatever this is. Before an account of the connection has signed in, 128 KiB at most."`
	MaxBad     int `yaml:"max_bad_messages" doc:"Messages that are no requests (binary, malformed, without a transaction) after which a connection is closed with status 1008; one is forgiven every 10 s. 0 never closes it."`

	Rate  float64 `yaml:"rate" doc:"Requests per second taken from one connection over time. More get an error reply; session-trickle is acked and dropped, session-answer and session-terminate are always carried out."`
	Burst int     `yaml:"burst" doc:"Requests taken at once from one connection before the rate applies. A client sends one for each ICE candidate. A connection with so many WebSocket pings or pongs is ended."`

	Timeouts port.Timeouts `yaml:"timeouts" doc:"Time-outs of the port's HTTP; WebSocket connections have ping_interval and write_timeout."`

	ReadTimeout  time.Duration `yaml:"read_timeout" doc:"How long one message may take to come, from its first frame to its last. A client that is slower is disconnected."`
	SendQueue    int           `yaml:"send_queue" doc:"Messages that may wait for one connection, and no more than 8 MiB of them. A client that lets more pile up is disconnected."`
	WriteTimeout time.Duration `yaml:"write_timeout" doc:"How long one message may take to be written before a client that does not read is disconnected."`

	PingInterval time.Duration `yaml:"ping_interval" doc:"How often a connection is pinged with a WebSocket ping."`
	PongTimeout  time.Duration `yaml:"pong_timeout" doc:"How long the answer to a ping may take before the connection counts as lost."`

	AuthForCalls bool `yaml:"require_auth_for_calls" doc:"Verify the account's password before a call of an account that has not registered. When false, who has no password here can still place calls, as a guest: not under the name of anybody whom the directory knows, anonymously under another name in a served domain, and as they say under names in other domains, which cannot be checked. For closed networks only."`

	Reauthenticate time.Duration `yaml:"reauthenticate_after" doc:"Verify the credentials of an account again before it places a call or uses messages, when they were verified longer ago than this; account-register always does. What was revoked or has expired then gets no further, and the registration ends. 0 verifies each time."`

	ResumeCalls    bool `yaml:"resume_calls" doc:"Keep the calls of a connection that broke for call state's grace period, so that the account can go on with them on a new connection. When false they end at once."`
	BareOriginator bool `yaml:"bare_originator" doc:"Tell sylkRTC-1 clients who calls as a bare address, as clients of July 2015 expect, instead of an object with address and display name."`

	Messages Messages `yaml:"messages" doc:"Messages between accounts, address books, devices and public keys."`

	// Fallback serves every other path of the port: the softphone page, when one
	// process does both. nil answers 404.
	Fallback http.Handler `yaml:"-"`
	// Listener is used instead of Listen when it is set; Run closes it.
	Listener net.Listener `yaml:"-"`
	// Budget is what the ports of the process share, if it is set.
	Budget *port.Budget `yaml:"-"`
}

// TLS names the certificate of the port.
type TLS = port.TLS

// Defaults is the configuration that holds where nothing is said.
func Defaults() *Config {
	return &Config{
		Listen:         "127.0.0.1:8080",
		Path:           "/webrtcgateway/ws",
		MaxConnections: 20000,
		Timeouts:       port.DefaultTimeouts(),
		MaxAccounts:    256,
		MaxSessions:    1024,
		MaxMessage:     1 << 20, // chats with pictures are refused, not cut off
		MaxBad:         50,
		Rate:           500,
		Burst:          2000,
		ReadTimeout:    30 * time.Second,
		SendQueue:      4096, // an end and more for each of MaxSessions at once
		WriteTimeout:   10 * time.Second,
		PingInterval:   2 * time.Minute,
		PongTimeout:    30 * time.Second,
		AuthForCalls:   true,
		Reauthenticate: 10 * time.Minute,
		ResumeCalls:    true,
		Messages:       messagesDefaults(),
	}
}

// Validate implements kit.Config.
func (c *Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil && c.Listener == nil {
		return schema.Invalid("listen", "must be host:port: %v", err)
	}
	if !strings.HasPrefix(c.Path, "/") || path.Clean(c.Path) != c.Path || c.Path == "/" {
		return schema.Invalid("path", "must be a clean absolute path such as /webrtcgateway/ws")
	}
	if err := c.TLS.Validate(); err != nil {
		return err //nolint:wrapcheck // ours
	}
	if err := errors.Join(port.ValidateHosts("hosts", c.Hosts), c.Timeouts.Validate()); err != nil {
		return err
	}
	for _, o := range c.AllowedOrigins {
		if _, err := path.Match(o, ""); o == "" || err != nil {
			return schema.Invalid("allowed_origins", "not an origin, host or pattern: %q", o)
		}
	}
	for _, f := range []struct {
		path string
		v    int
		min  int
	}{
		{"max_connections", c.MaxConnections, 1},
		{"max_connections_per_address", c.PerAddress, 0},
		{"max_accounts_per_connection", c.MaxAccounts, 1},
		{"max_sessions_per_connection", c.MaxSessions, 1},
		{"max_message_bytes", c.MaxMessage, 4096},
		{"max_bad_messages", c.MaxBad, 0},
		{"burst", c.Burst, 1},
		{"send_queue", c.SendQueue, 8},
	} {
		if f.v < f.min {
			return schema.Invalid(f.path, "must be at least %d", f.min)
		}
	}
	if !(c.Rate > 0) { // also refuses NaN
		return schema.Invalid("rate", "must be greater than 0")
	}
	for _, f := range []struct {
		path string
		v    time.Duration
	}{
		{"read_timeout", c.ReadTimeout},
		{"write_timeout", c.WriteTimeout},
		{"ping_interval", c.PingInterval},
		{"pong_timeout", c.PongTimeout},
	} {
		if f.v < time.Millisecond {
			return schema.Invalid(f.path, "must be at least 1ms")
		}
	}
	if c.Reauthenticate < 0 {
		return schema.Invalid("reauthenticate_after", "must not be negative")
	}
	return c.Messages.validate()
}

// Sockets is how many connections the port may have: the WebSockets, and room for
// the page's besides, since WebSockets over their number are refused in HTTP.
func (c *Config) Sockets() int { return c.MaxConnections + c.MaxConnections/4 + 64 }

// Share has it take them out of what the process may open files for.
func (c *Config) Share(b *port.Budget) { c.Budget = b }

var _ kit.Config = (*Config)(nil)
