package media

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"time"

	"github.com/tandem-rtc/tandem/services/media/internal/pionleg"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// Config of a media node. The zero value of a field means its default; see
// Defaults.
type Config struct {
	Listen        string        `yaml:"listen" doc:"UDP address of all legs, host:port. An unspecified host listens on every address of the interfaces below, on that one port: 0.0.0.0 on those of IPv4, or of IPv6 where there are no others, [::] on those of both. Port 0 lets the kernel choose."`
	ExternalIP    []string      `yaml:"external_ip" doc:"Addresses that terminals reach the node at, IP, IP:port or [IPv6]:port, where they are not its own (1:1 NAT, mapped port). They replace its own in session descriptions. A host name, also with a port, stands for the addresses that it has when the node starts, of the families that the node listens on."`
	Interfaces    []string      `yaml:"interfaces" doc:"Name patterns of the interfaces to use when listen has no address of its own. Empty means all but loopback."`
	IPv6          bool          `yaml:"ipv6" doc:"Use IPv6 addresses too when listen is 0.0.0.0."`
	MaxLegs       int           `yaml:"max_legs" doc:"Legs at once; above it calls are refused as overload."`
	MaxLines      int           `yaml:"max_lines" doc:"Media lines in one session description."`
	MaxSDP        int           `yaml:"max_sdp" doc:"Bytes of one session description."`
	Codecs        []string      `yaml:"codecs" doc:"Codec names that are forwarded; others are left out of what is offered and answered."`
	Uncommitted   time.Duration `yaml:"uncommitted" doc:"How long a leg lives that call state has not committed to."`
	SignalWait    time.Duration `yaml:"signal_wait" doc:"How long candidates are kept for a leg that is not there yet."`
	Disconnected  time.Duration `yaml:"disconnected" doc:"Silence after which ICE calls a leg disconnected."`
	Failed        time.Duration `yaml:"failed" doc:"Time after that until the leg is given up."`
	KeepAlive     time.Duration `yaml:"keep_alive" doc:"Interval of ICE keep-alives on a silent leg."`
	DTLSFirst     time.Duration `yaml:"dtls_retransmission" doc:"First DTLS retransmission interval."`
	DTLSHandshake time.Duration `yaml:"dtls_handshake" doc:"Longest DTLS handshake."`
	Drain         time.Duration `yaml:"drain" doc:"How long a node that is asked to stop waits for its legs to end."`
}

// Defaults are the values a node runs with if nothing else is said.
func Defaults() Config {
	return Config{
		Listen: "127.0.0.1:7900", MaxLegs: 4000, MaxLines: 16, MaxSDP: 64 << 10, Codecs: sdp.DefaultCodecs(),
		Uncommitted: 10 * time.Second, SignalWait: 5 * time.Second,
		Disconnected: 5 * time.Second, Failed: 20 * time.Second, KeepAlive: 2 * time.Second,
		DTLSFirst: 50 * time.Millisecond, DTLSHandshake: 20 * time.Second,
	}
}

// Validate reports the first field that cannot work.
func (c *Config) Validate() error {
	if c.Listen != "" {
		if _, err := netip.ParseAddrPort(c.Listen); err != nil {
			return fmt.Errorf("listen: %q is not IP:port", c.Listen)
		}
	}
	for i, s := range c.ExternalIP {
		if _, ok := pionleg.ParseExternal(s); !ok {
			return fmt.Errorf("external_ip[%d]: %q is no IP and no host name, alone or with :port", i, s)
		}
	}
	for i, p := range c.Interfaces {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("interfaces[%d]: %q is no pattern", i, p)
		}
	}
	for name, n := range map[string]int{"max_legs": c.MaxLegs, "max_lines": c.MaxLines, "max_sdp": c.MaxSDP} {
		if n < 0 {
			return fmt.Errorf("%s: must not be negative", name)
		}
	}
	for name, d := range map[string]time.Duration{
		"uncommitted": c.Uncommitted, "signal_wait": c.SignalWait, "disconnected": c.Disconnected, "failed": c.Failed,
		"keep_alive": c.KeepAlive, "dtls_retransmission": c.DTLSFirst, "dtls_handshake": c.DTLSHandshake, "drain": c.Drain,
	} {
		if d < 0 {
			return fmt.Errorf("%s: must not be negative", name)
		}
	}
	known := sdp.DefaultCodecs()
	for _, name := range c.Codecs {
		if !slices.Contains(known, name) {
			return fmt.Errorf("codecs: %q is none of %q", name, known)
		}
	}
	return nil
}

// filled gives the configuration with defaults for what is zero.
func (c Config) filled() Config {
	d := Defaults()
	or(&c.Listen, d.Listen)
	or(&c.MaxLegs, d.MaxLegs)
	or(&c.MaxLines, d.MaxLines)
	or(&c.MaxSDP, d.MaxSDP)
	or(&c.Uncommitted, d.Uncommitted)
	or(&c.SignalWait, d.SignalWait)
	or(&c.Disconnected, d.Disconnected)
	or(&c.Failed, d.Failed)
	or(&c.KeepAlive, d.KeepAlive)
	or(&c.DTLSFirst, d.DTLSFirst)
	or(&c.DTLSHandshake, d.DTLSHandshake)
	if len(c.Codecs) == 0 {
		c.Codecs = d.Codecs
	}
	return c
}

func or[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// engine gives the part that the engine needs.
func (c Config) engine() pionleg.Config {
	limits := sdp.DefaultLimits()
	limits.Bytes, limits.Lines, limits.Names = c.MaxSDP, c.MaxLines, c.Codecs
	return pionleg.Config{
		Listen: c.Listen, External: c.ExternalIP, Interfaces: c.Interfaces, IPv6: c.IPv6,
		Disconnected: c.Disconnected, Failed: c.Failed, KeepAlive: c.KeepAlive,
		Retransmission: c.DTLSFirst, Handshake: c.DTLSHandshake, Limits: limits,
	}
}
