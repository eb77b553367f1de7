package grpcpipe

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificate is a key pair on disk that is read again when a file changes, so
// that a renewed certificate needs no restart.
type certificate struct {
	files TLS

	mu      sync.Mutex
	changed [2]time.Time
	pair    *tls.Certificate
}

// tlsConfig gives the server's TLS configuration; it fails if the files do not
// hold a key pair now.
func tlsConfig(files TLS) (*tls.Config, error) {
	c := &certificate{files: files}
	if _, err := c.get(nil); err != nil {
		return nil, err
	}
	// HTTP/2 needs TLS 1.2 at least (RFC 9113 section 9.2).
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

// get implements tls.Config.GetCertificate. While new files cannot be used the
// old pair stays in use.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var changed [2]time.Time
	for i, f := range []string{c.files.Cert, c.files.Key} {
		info, err := os.Stat(f)
		if err != nil {
			return c.keep(err)
		}
		changed[i] = info.ModTime()
	}
	if c.pair != nil && changed == c.changed {
		return c.pair, nil
	}
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return c.keep(err)
	}
	c.pair, c.changed = &pair, changed
	return c.pair, nil
}

func (c *certificate) keep(err error) (*tls.Certificate, error) {
	if c.pair != nil {
		return c.pair, nil
	}
	return nil, fmt.Errorf("grpcpipe: tls: %w", err)
}
