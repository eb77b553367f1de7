package port

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestHosts(t *testing.T) {
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	open := &net.TCPAddr{IP: net.IPv4zero, Port: 8080}
	named := []string{"Phone.example.org", "*.example.com"}
	for _, tt := range []struct {
		what  string
		hosts Hosts
		pass  []string
		fail  []string
	}{
		{"loopback", NewHosts(nil, local),
			[]string{"localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.8.8.8", "[::1]:8080", "[::1]", "localhost."},
			[]string{"evil.example", "evil.example:8080", "", "10.0.0.1", "127.0.0.1.evil.example", "localhost.evil.example"}},
		{"loopback with names", NewHosts(named, local),
			[]string{"phone.example.org", "phone.example.org:443", "a.example.com", "a.b.example.com.", "localhost:1"},
			[]string{"example.com", "xexample.com", "phone.example.org.evil.example", "phone.example.orgs"}},
		{"open", NewHosts(nil, open), []string{"anything", "", "10.0.0.1:80"}, nil},
		{"open with names", NewHosts(named, open),
			[]string{"phone.example.org", "x.example.com"}, []string{"localhost", "10.0.0.1", "", "evil.example"}},
		{"open with addresses", NewHosts([]string{"2001:db8::1", "[2001:DB8:0::2]", "192.0.2.1"}, open),
			[]string{"[2001:db8::1]:8080", "[2001:db8::2]", "[2001:0db8::0002]:80", "192.0.2.1:8080", "[::ffff:192.0.2.1]"},
			[]string{"[2001:db8::3]:8080", "192.0.2.2", "2001", "localhost"}},
		{"strict", NewHosts(nil, nil).Strict(),
			[]string{"localhost", "10.0.0.1:9464", "[fd00::1]:9464"}, []string{"evil.example", "", "tandem"}},
		{"strict with names", NewHosts([]string{"tandem"}, nil).Strict(),
			[]string{"tandem:9464", "10.0.0.1"}, []string{"evil.example"}},
	} {
		refused := 0
		h := tt.hosts.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), func() { refused++ })
		ask := func(host string) int {
			r := httptest.NewRequest(http.MethodGet, "http://x/", nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code
		}
		for _, host := range tt.pass {
			if got := ask(host); got != http.StatusOK {
				t.Errorf("%s: %q: %d", tt.what, host, got)
			}
		}
		for _, host := range tt.fail {
			if got := ask(host); got != http.StatusMisdirectedRequest {
				t.Errorf("%s: %q: %d", tt.what, host, got)
			}
		}
		if refused != len(tt.fail) {
			t.Errorf("%s: %d refusals told, want %d", tt.what, refused, len(tt.fail))
		}
	}
}

func TestValidateHosts(t *testing.T) {
	if err := ValidateHosts("hosts", []string{"a.example", "*.example", "10.0.0.1", "2001:db8::1", "[2001:db8::1]"}); err != nil {
		t.Error(err)
	}
	for _, n := range []string{"", "*", "*.", "https://a", "a:1", "a.*", "a b", "[2001:db8::1]:80", "[a.example]", "fe80::1%eth0", "[2001:db8::1"} {
		if ValidateHosts("hosts", []string{n}) == nil {
			t.Errorf("%q is taken", n)
		}
	}
}
