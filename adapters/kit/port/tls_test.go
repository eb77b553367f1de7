package port

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// made is a self-signed certificate.
type made struct {
	cert, key []byte // PEM
	pair      tls.Certificate
	pool      *x509.CertPool
}

func newCertificate(t *testing.T, serial int64) made {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"port.test"},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	m := made{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), pool: x509.NewCertPool(),
	}
	m.pool.AppendCertsFromPEM(m.cert)
	if m.pair, err = tls.X509KeyPair(m.cert, m.key); err != nil {
		t.Fatal(err)
	}
	return m
}

// write writes a file with a time of its own, also on a coarse clock.
func write(t *testing.T, name string, data []byte, at int64) {
	t.Helper()
	when := time.Unix(1_700_000_000+at, 0)
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, when, when); err != nil {
		t.Fatal(err)
	}
}

// open gives both ends of a connection, and the serial number that was shown.
func open(t *testing.T, server, client *tls.Config) (end io.ReadWriteCloser, far io.ReadWriteCloser, serial int64, err error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	b, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	s, c := tls.Server(a, server), tls.Client(b, client)
	shaken := make(chan error, 1)
	go func() { shaken <- s.HandshakeContext(t.Context()) }()
	err = c.HandshakeContext(t.Context())
	if err != nil {
		_ = b.Close()
		<-shaken
		return nil, nil, 0, err
	}
	// TLS 1.3: the server may refuse the client's certificate after our end is done.
	go func() { _, _ = c.Write([]byte{1}) }()
	if err = <-shaken; err != nil {
		return nil, nil, 0, err
	}
	if _, err = io.ReadFull(s, make([]byte, 1)); err != nil {
		return nil, nil, 0, err
	}
	return c, s, c.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
}

func TestCertificateIsReplaced(t *testing.T) {
	dir := t.TempDir()
	files := TLS{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
	if _, err := files.Server(nil); err == nil {
		t.Error("a port without its files")
	}
	first, second := newCertificate(t, 1), newCertificate(t, 2)
	write(t, files.Cert, first.cert, 1)
	write(t, files.Key, first.key, 1)
	var log bytes.Buffer
	server, err := files.Server(slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	shows := func(want made, serial int64) (end, far io.ReadWriteCloser) {
		t.Helper()
		end, far, got, err := open(t, server, &tls.Config{RootCAs: want.pool, ServerName: "port.test"})
		if err != nil || got != serial {
			t.Fatalf("certificate %d, %v; want %d", got, err, serial)
		}
		return end, far
	}
	end, far := shows(first, 1)
	write(t, files.Cert, second.cert, 2) // only one of the two
	shows(first, 1)
	shows(first, 1)
	write(t, files.Key, second.key, 2)
	shows(second, 2)
	if err := os.Remove(files.Cert); err != nil {
		t.Fatal(err)
	}
	shows(second, 2)
	write(t, files.Cert, []byte("half of it"), 3)
	shows(second, 2)

	go func() { _, _ = end.Write([]byte("still")) }() // the first connection has not noticed
	got := make([]byte, 5)
	if _, err := io.ReadFull(far, got); err != nil || string(got) != "still" {
		t.Errorf("the first connection: %q, %v", got, err)
	}
	if n := strings.Count(log.String(), "certificate replaced"); n != 1 {
		t.Errorf("%d replacements told:\n%s", n, log.String())
	}
	if n := strings.Count(log.String(), "cannot be used"); n != 3 {
		t.Errorf("%d failures told, want each once:\n%s", n, log.String())
	}
	if strings.Contains(log.String(), "PRIVATE KEY") {
		t.Error("a key is in the log")
	}
}

func TestClientsAuthorityIsReplaced(t *testing.T) {
	dir := t.TempDir()
	files := TLS{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
	ca := filepath.Join(dir, "ca")
	own, old, fresh := newCertificate(t, 1), newCertificate(t, 2), newCertificate(t, 3)
	write(t, files.Cert, own.cert, 1)
	write(t, files.Key, own.key, 1)
	if _, err := files.ServerFor(ca, nil); err == nil {
		t.Error("an authority that is not there")
	}
	write(t, ca, []byte("none"), 1)
	if _, err := files.ServerFor(ca, nil); err == nil {
		t.Error("an authority that is none")
	}
	write(t, ca, old.cert, 2)
	server, err := files.ServerFor(ca, nil)
	if err != nil {
		t.Fatal(err)
	}
	lets := func(c made) bool {
		_, _, _, err := open(t, server, &tls.Config{RootCAs: own.pool, ServerName: "port.test", Certificates: []tls.Certificate{c.pair}})
		return err == nil
	}
	if !lets(old) || lets(fresh) {
		t.Error("the first authority")
	}
	write(t, ca, fresh.cert, 3)
	if lets(old) || !lets(fresh) {
		t.Error("the second authority")
	}
	write(t, ca, []byte("none"), 4)
	if !lets(fresh) {
		t.Error("after an authority that cannot be used")
	}
	if _, _, _, err := open(t, server, &tls.Config{RootCAs: own.pool, ServerName: "port.test"}); err == nil {
		t.Error("a client without a certificate is let in")
	}
}

func TestHalfACertificate(t *testing.T) {
	if (TLS{Cert: "a"}).Validate() == nil || (TLS{Key: "a"}).Validate() == nil {
		t.Error("half a certificate is taken")
	}
	if (TLS{}).Validate() != nil || (TLS{}).On() || !(TLS{Cert: "a", Key: "b"}).On() {
		t.Error("none, or a whole one")
	}
}
