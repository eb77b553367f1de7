package pionleg

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
)

// renewAfter is well under the month that a certificate is valid for. Legs keep
// the one they started with.
const (
	renewAfter = 7 * 24 * time.Hour
	validFor   = 30 * 24 * time.Hour
)

// identity is the certificate that all legs share: making one for each costs
// about a millisecond of CPU.
type identity struct {
	mu          sync.Mutex
	certificate tls.Certificate
	fingerprint string
	made        time.Time
}

// current gives the certificate of legs that start now, and its fingerprint as
// descriptions say it ("sha-256 AA:BB:…", RFC 8122).
func (i *identity) current() (tls.Certificate, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.fingerprint != "" && time.Since(i.made) < renewAfter {
		return i.certificate, i.fingerprint, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("pionleg: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("pionleg: %w", err)
	}
	now := time.Now()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "WebRTC"}, // nothing that tells where it is from
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(validFor),
	}, &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "WebRTC"}}, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("pionleg: %w", err)
	}
	i.certificate = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	sum := sha256.Sum256(der)
	i.fingerprint, i.made = "sha-256 "+digest(sum[:]), now
	return i.certificate, i.fingerprint, nil
}

// digest writes a hash as fingerprints are written.
func digest(sum []byte) string {
	parts := make([]string, 0, len(sum))
	for _, b := range sum {
		parts = append(parts, strings.ToUpper(hex.EncodeToString([]byte{b})))
	}
	return strings.Join(parts, ":")
}
