package k8s

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/k8s/lab"
)

// publicName is what terminals call the exchange in TLS.
const publicName = "phone.example.org"

// pair is a certificate that is its own authority, and its key, in PEM.
type pair struct{ cert, key []byte }

// certificate is that of everything in the cluster that has one.
var certificate pair

func newCertificate(t *testing.T) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{publicName, "tandem-matrix." + namespace + ".svc"}, IPAddresses: []net.IP{net.ParseIP(lab.Address)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
}

// client trusts it, by its public name.
func (p pair) client(t *testing.T) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(p.cert) {
		t.Fatal("no certificate")
	}
	return &tls.Config{RootCAs: pool, ServerName: publicName, MinVersion: tls.VersionTLS12}
}

// files writes tls.crt, tls.key and ca.crt.
func (p pair) files(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string][]byte{"tls.crt": p.cert, "tls.key": p.key, "ca.crt": p.cert} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// secret makes the secret "certificate".
func (p pair) secret(t *testing.T, namespace string) {
	t.Helper()
	kubectl(t, "-n", namespace, "create", "secret", "generic", "certificate", "--from-file="+p.files(t))
}
