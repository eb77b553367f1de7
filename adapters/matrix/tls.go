package matrix

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
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

// get implements tls.Config.GetCertificate. While new files cannot be used the
// old pair stays in use.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed, err := modTimes(c.files)
	if err == nil && c.pair != nil && changed == c.changed {
		return c.pair, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	}
	if err != nil {
		if c.pair != nil {
			return c.pair, nil
		}
		return nil, fmt.Errorf("matrix: tls: %w", err)
	}
	c.pair, c.changed = &pair, changed
	return c.pair, nil
}

func modTimes(files TLS) (t [2]time.Time, err error) {
	for i, f := range []string{files.Cert, files.Key} {
		info, err := os.Stat(f)
		if err != nil {
			return t, err
		}
		t[i] = info.ModTime()
	}
	return t, nil
}
