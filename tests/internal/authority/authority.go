package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Authority signs the certificates of all ports, which share one.
type Authority struct {
	// Cert is its own, and Pool holds that alone.
	Cert *x509.Certificate
	Pool *x509.CertPool
	// CA, Chain and Key are the files; Issue replaces the last two.
	CA, Chain, Key string
	// Mode of the files.
	Mode fs.FileMode

	t   testing.TB
	key *ecdsa.PrivateKey
}

// New makes an authority whose files are in dir: ca.crt, tls.crt and tls.key. The
// last two are not there until Issue is called.
func New(t testing.TB, dir string, mode fs.FileMode) *Authority {
	t.Helper()
	a := &Authority{
		t: t, Pool: x509.NewCertPool(), Mode: mode,
		CA: filepath.Join(dir, "ca.crt"), Chain: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"),
	}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1000), Subject: pkix.Name{CommonName: "the authority of a test"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err == nil {
		a.Cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.Pool.AddCert(a.Cert)
	a.write(a.CA, encode("CERTIFICATE", der))
	return a
}

// Issue puts a new chain and key in the place of the old ones: for this machine,
// and for further names and addresses.
func (a *Authority) Issue(serial int64, names ...string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "a port of a test"}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.Cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(a.Chain, slices.Concat(encode("CERTIFICATE", der), encode("CERTIFICATE", a.Cert.Raw)))
	a.write(a.Key, encode("PRIVATE KEY", private))
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// write renames a file into place.
func (a *Authority) write(file string, data []byte) {
	a.t.Helper()
	err := os.WriteFile(file+".new", data, a.Mode)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}
