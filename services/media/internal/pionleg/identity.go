package pionleg

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"
)

// renewAfter is well under the month that a certificate is valid for. Legs keep
// the one they started with.
const renewAfter = 7 * 24 * time.Hour

// identity is the certificate that all legs share: making one for each costs
// about a millisecond of CPU.
type identity struct {
	mu          sync.Mutex
	certificate *webrtc.Certificate
	fingerprint string
	made        time.Time
}

func (i *identity) current() (webrtc.Certificate, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.certificate != nil && time.Since(i.made) < renewAfter {
		return *i.certificate, i.fingerprint, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return webrtc.Certificate{}, "", fmt.Errorf("pionleg: %w", err)
	}
	c, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return webrtc.Certificate{}, "", fmt.Errorf("pionleg: %w", err)
	}
	prints, err := c.GetFingerprints()
	if err != nil || len(prints) == 0 {
		return webrtc.Certificate{}, "", fmt.Errorf("pionleg: fingerprint: %w", err)
	}
	i.certificate, i.made = c, time.Now()
	i.fingerprint = prints[0].Algorithm + " " + strings.ToUpper(prints[0].Value)
	return *c, i.fingerprint, nil
}
