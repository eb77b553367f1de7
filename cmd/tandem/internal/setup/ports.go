package setup

import (
	"fmt"
	"net"
	"strings"

	"github.com/tandem-rtc/tandem/adapters/kit/port"
)

// CheckPorts refuses an installation whose ports for users others could reach
// without TLS. Where processes are in containers they cannot tell: they listen
// inside, and somebody else opens the ports of the machine. published is the address
// at which, empty if it is none of our business; certificate the directory of the
// ports' certificate, empty for none; plaintext "all" if it is meant.
func CheckPorts(published, certificate, plaintext string) error {
	if plaintext != "" && plaintext != "all" {
		return fmt.Errorf("TANDEM_PLAINTEXT: %q is neither all nor empty", plaintext)
	}
	host := strings.TrimSuffix(strings.TrimPrefix(published, "["), "]")
	if published == "" || certificate != "" || plaintext == "all" || port.Loopback(net.JoinHostPort(host, "0")) {
		return nil
	}
	return fmt.Errorf("the ports for users would be open at %s without TLS: set TANDEM_TLS_DIR to a directory with tls.crt and tls.key, or TANDEM_PLAINTEXT=all if a proxy in front of them speaks TLS or the network is yours alone", published)
}
