package grpcpipe

import (
	"net"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/port"
	"github.com/tandem-rtc/tandem/schema"
)

// Config is the adapter's configuration.
type Config struct {
	Listen string `yaml:"listen" doc:"Address and port that gRPC clients connect to."`
	TLS    TLS    `yaml:"tls" doc:"Certificate of the gRPC port. Without one the port speaks plain HTTP/2: keep it on loopback or behind a proxy that terminates TLS, since bearer tokens cross it."`

	Reflection bool `yaml:"reflection" doc:"Serve gRPC reflection, which grpcurl and similar clients use to learn the API."`

	MaxConnections int `yaml:"max_connections" doc:"TCP connections at once; more are closed at once."`
	PerAddress     int `yaml:"max_connections_per_address" doc:"Connections at once from one IP address, or one /64 of IPv6; more are closed at once. 0 for no limit: behind a proxy all come from its address."`
	MaxStreams     int `yaml:"max_streams" doc:"Pipes and MultiPipes at once on this node; more are refused with RESOURCE_EXHAUSTED."`
	PerConnection  int `yaml:"max_streams_per_connection" doc:"Streams at once on one connection (HTTP/2 SETTINGS_MAX_CONCURRENT_STREAMS)."`
	PerSubscriber  int `yaml:"max_streams_per_subscriber" doc:"Streams at once of one subscriber on this node; more are refused with RESOURCE_EXHAUSTED."`
	MaxAskers      int `yaml:"max_unsigned_streams" doc:"Streams at once, on this node, of reflection and of those who watch its health, which need no sign-in; more are refused with RESOURCE_EXHAUSTED. One connection has 8 at most, checks of the health included."`
	MaxCalls       int `yaml:"max_calls_per_stream" doc:"Calls at once on one MultiPipe. A further Offer gets TRY_AGAIN, a further incoming call finds the terminal busy."`

	MaxMessage int `yaml:"max_message_bytes" doc:"Largest message read. A larger one ends its stream with RESOURCE_EXHAUSTED."`
	MaxSDP     int `yaml:"max_sdp_bytes" doc:"Largest session description taken. A larger one refuses the call and keeps the stream."`

	Rate  float64 `yaml:"rate" doc:"Messages per second taken from one stream over time; heartbeats do not count. More get RATE_LIMIT_HIT, but for Bye and Answer, which are always carried out."`
	Burst int     `yaml:"burst" doc:"Messages taken at once from one stream before the rate applies."`

	SendQueue    int           `yaml:"send_queue" doc:"Messages that may wait for one stream, and no more than 8 MiB of them. A client that lets more pile up loses its stream."`
	WriteTimeout time.Duration `yaml:"write_timeout" doc:"How long one message may take to be handed to the transport before a client that does not read loses its stream."`

	Handshake time.Duration `yaml:"handshake_timeout" doc:"How long TLS's and HTTP/2's beginning of a connection may take, and a request that needs no sign-in."`
	Idle      time.Duration `yaml:"idle_timeout" doc:"How long a connection may be without a stream, and how long one watch of the health lasts."`

	PingMin     time.Duration `yaml:"client_ping_min" doc:"Shortest interval at which clients may send keep-alive pings; faster ones lose their connection."`
	PingEvery   time.Duration `yaml:"ping_interval" doc:"Ping a client's connection after so long without traffic."`
	PingTimeout time.Duration `yaml:"ping_timeout" doc:"How long a client may take to answer a ping before its connection counts as lost."`

	MaxAge      time.Duration `yaml:"max_age" doc:"End a stream after about this long (10 % either way) so that clients spread over nodes again; they reconnect. 0 keeps streams for ever."`
	MaxAgeGrace time.Duration `yaml:"max_age_grace" doc:"How much longer than max_age a stream with a call may last, waiting for the call to end."`

	// Budget is what the ports of the process share, if it is set.
	Budget *port.Budget `yaml:"-"`
}

// TLS names the certificate of the port.
type TLS = port.TLS

// Defaults is the configuration that holds where nothing is said.
func Defaults() *Config {
	return &Config{
		Listen:         "127.0.0.1:9090",
		Reflection:     true,
		MaxConnections: 20000,
		Handshake:      10 * time.Second,
		Idle:           10 * time.Minute,
		MaxStreams:     50000,
		PerConnection:  1000,
		PerSubscriber:  256,
		MaxAskers:      256,
		MaxCalls:       1024,
		MaxMessage:     256 << 10,
		MaxSDP:         64 << 10,
		Rate:           500,
		Burst:          2000,
		SendQueue:      4096, // an end and more for each of MaxCalls at once
		WriteTimeout:   10 * time.Second,
		// Clients ping once a minute without a call; mobile stacks every 10 s.
		PingMin:     5 * time.Second,
		PingEvery:   30 * time.Second,
		PingTimeout: 10 * time.Second,
		MaxAge:      time.Hour,
		MaxAgeGrace: 4 * time.Hour,
	}
}

// Validate implements kit.Config.
func (c *Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return schema.Invalid("listen", "must be host:port: %v", err)
	}
	if err := c.TLS.Validate(); err != nil {
		return err //nolint:wrapcheck // ours
	}
	for _, f := range []struct {
		path string
		v    int
	}{
		{"max_connections", c.MaxConnections},
		{"max_streams", c.MaxStreams},
		{"max_streams_per_connection", c.PerConnection},
		{"max_streams_per_subscriber", c.PerSubscriber},
		{"max_unsigned_streams", c.MaxAskers},
		{"max_calls_per_stream", c.MaxCalls},
		{"max_sdp_bytes", c.MaxSDP},
		{"burst", c.Burst},
		{"send_queue", c.SendQueue},
	} {
		if f.v < 1 {
			return schema.Invalid(f.path, "must be at least 1")
		}
	}
	if c.MaxMessage < c.MaxSDP {
		return schema.Invalid("max_message_bytes", "must not be less than max_sdp_bytes (%d)", c.MaxSDP)
	}
	if !(c.Rate > 0) { // also refuses NaN
		return schema.Invalid("rate", "must be greater than 0")
	}
	for _, f := range []struct {
		path string
		v    time.Duration
		min  time.Duration
	}{
		{"write_timeout", c.WriteTimeout, time.Millisecond},
		{"handshake_timeout", c.Handshake, time.Millisecond},
		{"idle_timeout", c.Idle, time.Millisecond},
		{"client_ping_min", c.PingMin, time.Millisecond},
		{"ping_interval", c.PingEvery, time.Second}, // grpc-go rounds up to this
		{"ping_timeout", c.PingTimeout, time.Millisecond},
		{"max_age", c.MaxAge, 0},
		{"max_age_grace", c.MaxAgeGrace, 0},
	} {
		if f.v < f.min {
			return schema.Invalid(f.path, "must be at least %v", f.min)
		}
	}
	return nil
}

// Sockets is how many connections the port may have.
func (c *Config) Sockets() int { return c.MaxConnections }

// Share has it take them out of what the process may open files for.
func (c *Config) Share(b *port.Budget) { c.Budget = b }

var _ kit.Config = (*Config)(nil)
