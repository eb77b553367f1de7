package exchange

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/port"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/demo"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/phone"
)

// certify writes the certificate of a customer's name, signed by itself.
func certify(t *testing.T, files port.TLS, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"phone.example.org"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func certificateFiles(t *testing.T) port.TLS {
	t.Helper()
	dir := t.TempDir()
	return port.TLS{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
}

// The echo number answers also where the gRPC port has a certificate that is for
// other names and of an authority that the process does not know.
func TestEchoBehindACertificate(t *testing.T) {
	files := certificateFiles(t)
	certify(t, files, 1)
	x := start(t, "data_dir="+t.TempDir(), "roles=nats,directory,callstate,media,grpcpipe", "demo=true",
		"grpcpipe.tls.cert_file="+files.Cert, "grpcpipe.tls.key_file="+files.Key)
	var out bytes.Buffer
	status := phone.Call(t.Context(), phone.CallOptions{
		Connection: phone.Connection{
			Server: x.Address("grpcpipe"), Token: demo.Token, MSISDN: demo.Phone,
			Trusts: func(shown *x509.Certificate) bool { return holds(files, shown) },
		},
		Address: demo.Echo, Tone: 700, Duration: time.Second, Timeout: 20 * time.Second, JSON: true,
	}, &out, t.Output(), quiet())
	if status != phone.ExitOK {
		t.Errorf("call to the echo number: status %d, %s", status, out.String())
	}

	stranger := phone.Call(t.Context(), phone.CallOptions{
		Connection: phone.Connection{
			Server: x.Address("grpcpipe"), Token: demo.Token, MSISDN: demo.Phone, Trusts: func(*x509.Certificate) bool { return false },
		},
		Address: demo.Echo, Timeout: 5 * time.Second,
	}, io.Discard, t.Output(), quiet())
	if stranger != phone.ExitError {
		t.Errorf("a phone that does not trust the port: status %d", stranger)
	}
}

func TestHolds(t *testing.T) {
	files := certificateFiles(t)
	first := certify(t, files, 1)
	if !holds(files, first) {
		t.Error("the certificate in the file is not known")
	}
	second := certify(t, files, 2)
	if holds(files, first) || !holds(files, second) {
		t.Error("the certificate before is taken for the one in the file")
	}
	if err := os.Remove(files.Key); err != nil {
		t.Fatal(err)
	}
	if holds(files, second) {
		t.Error("without files a certificate is ours")
	}
}
