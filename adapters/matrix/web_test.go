package matrix

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"maunium.net/go/mautrix/appservice"

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

// A homeserver may ask for what there is to dial by the paths of any version of the
// interface, but never without its token.
func TestThirdpartyPaths(t *testing.T) {
	a := &Adapter{
		cfg: &Config{MaxTransaction: 1 << 10}, host: &fakeHost{}, log: slog.New(slog.DiscardHandler),
		reg: &appservice.Registration{ID: "tandem", ServerToken: "theirs"}, term: &term{},
	}
	h := a.webServer().Handler
	for _, version := range []string{"v1", "unstable"} {
		for token, want := range map[string]int{"theirs": http.StatusOK, "another": http.StatusForbidden, "": http.StatusUnauthorized} {
			for _, path := range []string{"protocol/m.protocol.pstn", "location", "location/m.protocol.pstn"} {
				r := httptest.NewRequest(http.MethodGet, "/_matrix/app/"+version+"/thirdparty/"+path+"?access_token="+token, nil)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != want {
					t.Errorf("%s with token %q: %d, want %d", r.URL.Path, token, w.Code, want)
				}
			}
		}
	}
}
