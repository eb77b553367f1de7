package matrix

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"maunium.net/go/mautrix/appservice"
)

// newCertificate makes one for a name, which nobody has signed.
func newCertificate(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestPassedOnOverTLS: nodes know each other by the certificate that they share,
// although it has another name; whoever has another certificate is not told the
// homeserver's token.
func TestPassedOnOverTLS(t *testing.T) {
	shared := newCertificate(t, "matrix.calls.svc")
	for _, tt := range []struct {
		what string
		has  *tls.Certificate
		want int
	}{
		{"shared", shared, http.StatusOK},
		{"another one of that name", newCertificate(t, "matrix.calls.svc"), http.StatusServiceUnavailable},
	} {
		asked := false
		peer := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = true
			if r.Header.Get(passedOn) != "n1" || r.Header.Get("Authorization") != "Bearer secret" || r.URL.Path != "/_matrix/app/v1/transactions/7" {
				t.Errorf("%s: %s with %v", tt.what, r.URL, r.Header)
			}
			reply(w, struct{}{})
		}))
		peer.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
		peer.TLS = &tls.Config{Certificates: []tls.Certificate{*tt.has}, MinVersion: tls.VersionTLS12}
		peer.StartTLS()
		a := &Adapter{
			node: "n1", log: slog.New(slog.DiscardHandler), reg: &appservice.Registration{URL: "https://matrix.calls.svc:8009"},
			certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shared, nil },
			holder:      leaseValue{Node: "n2", URL: peer.URL},
		}
		a.peers = a.peerTransport()
		r := httptest.NewRequest(http.MethodPut, "/_matrix/app/v1/transactions/7", nil)
		r.Header.Set("Authorization", "Bearer secret")
		w := httptest.NewRecorder()
		a.passOn(w, r)
		a.peers.CloseIdleConnections()
		peer.Close()
		if w.Code != tt.want || asked != (tt.want == http.StatusOK) {
			t.Errorf("%s: %d %s, asked %v", tt.what, w.Code, w.Body, asked)
		}
	}
}

// TestVerifyPeer: a port without a certificate takes none that nobody has signed.
func TestVerifyPeer(t *testing.T) {
	named := newCertificate(t, "matrix.calls.svc")
	leaf, err := x509.ParseCertificate(named.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	a := &Adapter{reg: &appservice.Registration{URL: "https://elsewhere.test:8009"}}
	if err := a.verifyPeer("10.0.0.7", nil); err == nil {
		t.Error("nobody's certificate is taken")
	}
	if err := a.verifyPeer("matrix.calls.svc", []*x509.Certificate{leaf}); err == nil {
		t.Error("a certificate that nobody signed is taken")
	}
}
