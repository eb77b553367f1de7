package port

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/schema"
)

// TLS names the certificate of a port, as a configuration does.
type TLS struct {
	Cert string `yaml:"cert_file" doc:"PEM file with the certificate chain; read again when it changes."`
	Key  string `yaml:"key_file" doc:"PEM file with the private key; read again when it changes."`
}

// On reports whether the port has a certificate.
func (t TLS) On() bool { return t.Cert != "" }

// Validate reports half a configuration, as an error about the field tls.
func (t TLS) Validate() error {
	if (t.Cert == "") != (t.Key == "") {
		return schema.Invalid("tls", "cert_file and key_file go together")
	}
	return nil
}

// Server gives the port's configuration, which serves what the files hold at each
// handshake. It fails if they do not hold a key pair now, with an error about the
// field tls. While new files cannot
// be used, or only one of the two is new, the old pair stays in use; log hears of
// both, and may be nil.
func (t TLS) Server(log *slog.Logger) (*tls.Config, error) {
	p := newPair(t, log)
	if _, err := p.get(nil); err != nil {
		return nil, err
	}
	// HTTP/2 needs TLS 1.2 at least (RFC 9113 section 9.2).
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.get}, nil
}

// ServerFor is Server for clients that must show a certificate of an authority in
// the file ca, which is read again too when it changes.
func (t TLS) ServerFor(ca string, log *slog.Logger) (*tls.Config, error) {
	c, err := t.Server(log)
	if err != nil {
		return nil, err
	}
	pool, err := readPool(ca)
	if err != nil {
		return nil, err
	}
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, pool
	a := &authority{file: ca, base: c.Clone(), log: orDiscard(log), now: c.Clone()}
	a.changed, _ = modTime(ca) // read just now
	c.GetConfigForClient = a.get
	return c, nil
}

// pair is a key pair on disk that is read again when a file changes.
type pair struct {
	files TLS
	log   *slog.Logger

	mu      sync.Mutex
	changed [2]time.Time
	told    string // what is wrong with the successor
	now     *tls.Certificate
}

func newPair(files TLS, log *slog.Logger) *pair { return &pair{files: files, log: orDiscard(log)} }

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

// get implements tls.Config.GetCertificate.
func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var changed [2]time.Time
	for i, f := range []string{p.files.Cert, p.files.Key} {
		t, err := modTime(f)
		if err != nil {
			return p.keep(err)
		}
		changed[i] = t
	}
	if p.now != nil && changed == p.changed {
		return p.now, nil
	}
	next, err := tls.LoadX509KeyPair(p.files.Cert, p.files.Key)
	if err != nil {
		return p.keep(err)
	}
	if p.now != nil {
		p.log.Info("certificate replaced", "file", p.files.Cert, "expires", next.Leaf.NotAfter)
	}
	p.now, p.changed, p.told = &next, changed, ""
	return p.now, nil
}

// keep gives the pair in use. What is wrong with its successor is told once.
func (p *pair) keep(err error) (*tls.Certificate, error) {
	if p.now == nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	if p.told != err.Error() {
		p.told = err.Error()
		p.log.Warn("new certificate cannot be used, the old one stays", "file", p.files.Cert, "error", err)
	}
	return p.now, nil
}

// authority is who signs clients' certificates.
type authority struct {
	file string
	base *tls.Config
	log  *slog.Logger

	mu      sync.Mutex
	changed time.Time
	now     *tls.Config
}

// get implements tls.Config.GetConfigForClient.
func (a *authority) get(*tls.ClientHelloInfo) (*tls.Config, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	changed, err := modTime(a.file)
	if err != nil || changed.Equal(a.changed) {
		return a.now, nil //nolint:nilerr // what was read stays in use
	}
	a.changed = changed
	pool, err := readPool(a.file)
	if err != nil {
		a.log.Warn("new certificate authority cannot be used, the old one stays", "file", a.file, "error", err)
		return a.now, nil
	}
	a.log.Info("certificate authority replaced", "file", a.file)
	a.now = a.base.Clone()
	a.now.ClientCAs = pool
	return a.now, nil
}

func readPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("tls: certificate authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("tls: certificate authority: no certificate in " + file)
	}
	return pool, nil
}

func modTime(file string) (time.Time, error) {
	info, err := os.Stat(file)
	if err != nil {
		return time.Time{}, err //nolint:wrapcheck // says which file
	}
	return info.ModTime(), nil
}
