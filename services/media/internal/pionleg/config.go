package pionleg

import (
	"log/slog"
	"time"

	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// Config of an engine.
type Config struct {
	// Listen is the UDP address of all legs, "host:port". An unspecified host
	// listens on every address that Interfaces and IPv6 admit, on one port.
	Listen string
	// External are the addresses terminals reach it at (see ParseExternal) where
	// these are not its own (1:1 NAT, a mapped port). They replace its own ones.
	External []string
	// Interfaces are name patterns (path.Match); empty admits all but loopback.
	Interfaces []string
	// IPv6 also listens on IPv6 addresses when the host is 0.0.0.0, as [::] does.
	IPv6 bool
	// Disconnected, Failed and KeepAlive are ICE's timers.
	Disconnected, Failed, KeepAlive time.Duration
	// Retransmission is the first DTLS retransmission interval.
	Retransmission time.Duration
	// Handshake bounds a DTLS handshake.
	Handshake time.Duration
	// Limits of what a terminal may say.
	Limits sdp.Limits
	// Streams is the most RTP sources a terminal may use at once in a leg.
	Streams int
	// Log takes what pion says, at debug level. Nil drops it.
	Log *slog.Logger
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.Disconnected, 5*time.Second)
	set(&c.Failed, 20*time.Second)
	set(&c.KeepAlive, 2*time.Second)
	set(&c.Retransmission, 50*time.Millisecond)
	set(&c.Handshake, 20*time.Second)
	if c.Limits.Bytes == 0 {
		c.Limits = sdp.DefaultLimits()
	}
	if c.Streams == 0 {
		c.Streams = 32
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
