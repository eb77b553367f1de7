package matrix

import (
	"net"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit/port"
)

func TestAdvertised(t *testing.T) {
	for _, c := range []struct {
		advertise, cert, want string
	}{
		{"", "", "http://127.0.0.1:8009"},
		{"", "tls.crt", "https://127.0.0.1:8009"},
		{"http://node-1:80", "", "http://node-1:80"},
		{"10.0.0.1", "", "http://10.0.0.1:8009"},
		{"fd00::1", "tls.crt", "https://[fd00::1]:8009"},
	} {
		a := &Adapter{cfg: &Config{Advertise: c.advertise, TLS: port.TLS{Cert: c.cert}}, addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8009}}
		if got := a.advertised(); got != c.want {
			t.Errorf("advertise %q: %s instead of %s", c.advertise, got, c.want)
		}
	}
}
