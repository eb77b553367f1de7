package phone

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/tandem-rtc/tandem/schema"
)

// Exit codes of Call, Pull and Listen.
const (
	// ExitOK: Call or Pull was established and heard audio; Listen took all its calls.
	ExitOK = 0
	// ExitError: no connection, wrong credentials, no media, bad arguments.
	ExitError = 1
	// ExitRefused: the call was refused or nobody answered it.
	ExitRefused = 2
)

// Connection says how to reach the exchange and as whom. The struct tags are
// kong's.
type Connection struct {
	Server    string `default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"gRPC address of the exchange."`
	Token     string `default:"demo" env:"TANDEM_PHONE_TOKEN" help:"Bearer token."`
	MSISDN    string `name:"msisdn" default:"+12025550103" placeholder:"+E164" help:"Number of this phone; empty if the token binds one."`
	Single    bool   `help:"Use Pipe, one call at a time, instead of MultiPipe."`
	TLS       bool   `name:"tls" help:"Use TLS also towards a loopback address."`
	CA        string `name:"ca" type:"existingfile" placeholder:"FILE" help:"PEM file with the authorities to trust instead of the system's; implies --tls."`
	Name      string `name:"server-name" placeholder:"NAME" help:"Name that the server's certificate must have, if it is not HOST; implies --tls."`
	Plaintext bool   `help:"Use no TLS towards an address that is not loopback. The token can be read on the way."`

	// Trusts, if it is not nil, is asked about the server's certificate in the
	// place of authorities and names; TLS is then used.
	Trusts func(*x509.Certificate) bool `kong:"-"`
}

// CallOptions are what Call takes.
type CallOptions struct {
	Connection
	Address  string        `arg:"" help:"Number to call: +12025550199, tel:+12025550199."`
	Tone     float64       `default:"700" placeholder:"HZ" help:"Frequency of the tone to send."`
	Duration time.Duration `default:"5s" help:"Hang up so long after media is connected."`
	Timeout  time.Duration `default:"90s" help:"Give up when nobody has answered for so long."`
	JSON     bool          `name:"json" help:"Write one JSON object about the call to standard output, and everything else to standard error."`

	ToPhoneAfter time.Duration `placeholder:"DURATION" help:"Give the call to the subscriber's phone so long after media is connected."`
}

// PullOptions are what Pull takes.
type PullOptions struct {
	Connection
	CallID       string        `arg:"" optional:"" name:"call" help:"Id of the call, as an InCall showed it. Without it the phone is a Pipe, which is shown the call that its number is in, and waits for one."`
	Tone         float64       `default:"700" placeholder:"HZ" help:"Frequency of the tone to send."`
	Duration     time.Duration `default:"5s" help:"Hang up so long after media is connected."`
	ToPhoneAfter time.Duration `placeholder:"DURATION" help:"Give the call to the subscriber's phone so long after media is connected."`
	Timeout      time.Duration `default:"90s" help:"Give up when there has been no call for so long."`
	JSON         bool          `name:"json" help:"Write one JSON object about the call to standard output, and everything else to standard error."`
}

// ListenOptions are what Listen takes.
type ListenOptions struct {
	Connection
	Echo        bool          `xor:"source" help:"Send back what is received, audio and video."`
	Play        string        `xor:"source" type:"existingfile" placeholder:"FILE" help:"Send an Ogg/Opus file, over and over."`
	Tone        float64       `default:"440" placeholder:"HZ" help:"Frequency of the tone to send without --echo and --play."`
	Record      string        `type:"path" placeholder:"FILE" help:"Write received audio to an Ogg/Opus file; from the second call on FILE-2, FILE-3, ..."`
	AnswerAfter time.Duration `placeholder:"DURATION" help:"Let it ring for so long before answering."`
	Reject      bool          `help:"Refuse every call."`
	Count       int           `placeholder:"N" help:"End after N calls; 0 goes on for ever."`

	ToPhoneAfter time.Duration `placeholder:"DURATION" help:"Give each call to the subscriber's phone so long after media is connected."`
	JSON         bool          `name:"json" help:"Write one JSON object per call to standard output, and everything else to standard error."`

	// Unmeasured leaves out decoding what is heard, for a terminal that nobody
	// reads the results of: rx_tone_hz stays 0.
	Unmeasured bool `kong:"-"`
}

// secure reports whether TLS is used.
func (c *Connection) secure() bool {
	return c.TLS || c.CA != "" || c.Name != "" || c.Trusts != nil || !c.Plaintext && !isLoopback(c.Server)
}

// isLoopback reports whether an address stays on this machine.
func isLoopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// number reads what is to be dialled. WG2 can name telephone numbers only.
func number(dialled string) (string, error) {
	a, err := schema.ParseDialled(strings.TrimSpace(dialled), "")
	if err != nil {
		return "", fmt.Errorf("%q is no number that a WG2 terminal can dial: give it as +12025550199", dialled)
	}
	if !a.IsTel() {
		return "", fmt.Errorf("%s: a WG2 terminal can dial telephone numbers only; dial the number of that account instead", a)
	}
	return a.E164(), nil
}
