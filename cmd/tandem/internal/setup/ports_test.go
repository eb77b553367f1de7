package setup

import (
	"strings"
	"testing"
)

func TestCheckPorts(t *testing.T) {
	for _, c := range []struct{ published, certificate, plaintext, wrong string }{
		{"", "", "", ""},
		{"127.0.0.1", "", "", ""},
		{"127.0.0.2", "", "", ""},
		{"localhost", "", "", ""},
		{"::1", "", "", ""},
		{"[::1]", "", "", ""},
		{"192.0.2.10", "", "", "192.0.2.10 without TLS"},
		{"0.0.0.0", "", "", "0.0.0.0 without TLS"},
		{"[2001:db8::1]", "", "", "without TLS"},
		{"192.0.2.10", "./tls", "", ""},
		{"192.0.2.10", "", "all", ""},
		{"192.0.2.10", "", "sylkrtc", "TANDEM_PLAINTEXT"},
		{"127.0.0.1", "", "none", "TANDEM_PLAINTEXT"},
	} {
		err := CheckPorts(c.published, c.certificate, c.plaintext)
		if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
