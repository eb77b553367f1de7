package jwt

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/directory"
)

// at is when the tests' tokens are made and looked at.
var at = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

const (
	unauthenticated = callv1.Code_CODE_UNAUTHENTICATED
	forbidden       = callv1.Code_CODE_FORBIDDEN
	retry           = callv1.Code_CODE_RETRY
)

// pair are one issuer's keys, and one that is not published.
type pair struct {
	rsa, rsa2 *rsa.PrivateKey
	ec        *ecdsa.PrivateKey
	stranger  *rsa.PrivateKey
}

// testKeys are made once: an RSA key takes a tenth of a second.
var testKeys = sync.OnceValue(func() (p pair) {
	for _, k := range []**rsa.PrivateKey{&p.rsa, &p.rsa2, &p.stranger} {
		*k, _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	p.ec, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return p
})

func jwk(kid string, key any) jose.JSONWebKey { return jose.JSONWebKey{Key: key, KeyID: kid} }

func jwks(t testing.TB, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	data, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// published is what the tests' issuer publishes: r and e.
func published(t testing.TB) []byte {
	return jwks(t, jwk("r", &testKeys().rsa.PublicKey), jwk("e", &testKeys().ec.PublicKey))
}

// issuerOf is the configuration of an issuer whose keys are at where.
func issuerOf(where string) directory.JWTIssuer {
	j := directory.JWTIssuer{}
	j.SetDefaults()
	j.Issuer, j.JWKS, j.Audience, j.SubscriberClaim = "https://id.example.org", where, []string{"tandem", "other"}, "sub"
	return j
}

// started gives a verifier whose keys were read from a file.
func started(t testing.TB, data []byte, change ...func(*directory.JWTIssuer)) *Verifier {
	t.Helper()
	name := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	j := issuerOf(name)
	for _, f := range change {
		f(&j)
	}
	v := New([]directory.JWTIssuer{j}, Env{Log: slog.New(slog.DiscardHandler)})
	run(t, v)
	v.issuers[j.Issuer].keys.settle(t)
	return v
}

// run runs a verifier until the test ends.
func run(t testing.TB, v *Verifier) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); v.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// settle waits until no reading is under way.
func (k *keeper) settle(t testing.TB) {
	t.Helper()
	k.mu.Lock()
	reading := k.reading
	k.mu.Unlock()
	if reading == nil {
		return
	}
	select {
	case <-reading:
	case <-time.After(10 * time.Second):
		t.Fatal("the keys were not read in time")
	}
}

type object map[string]any

func (o object) with(more object) object {
	out := maps.Clone(o)
	for k, v := range more {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

// good are the claims of a token that is taken.
func good() object {
	return object{
		"iss": "https://id.example.org", "sub": "alice", "aud": "tandem", "scope": "openid " + directory.CallScope,
		"msisdn": "+12025550101", "iat": at.Unix(), "exp": at.Add(time.Hour).Unix(),
	}
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func text(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}

// sign makes a token by hand, so that it can be one that no library makes. Key
// says how: a private key, the bytes of a shared secret, or nil for none.
func sign(t testing.TB, header, claims object, key any) string {
	t.Helper()
	return signText(t, text(header), text(claims), key)
}

func signText(t testing.TB, header, claims string, key any) string {
	t.Helper()
	body := b64([]byte(header)) + "." + b64([]byte(claims))
	sum := sha256.Sum256([]byte(body))
	var sig []byte
	switch k := key.(type) {
	case *rsa.PrivateKey:
		var err error
		if sig, err = rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:]); err != nil {
			t.Fatal(err)
		}
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		sig = append(padded(r), padded(s)...)
	case []byte:
		m := hmac.New(sha256.New, k)
		m.Write([]byte(body))
		sig = m.Sum(nil)
	}
	return body + "." + b64(sig)
}

func padded(n *big.Int) []byte { return n.FillBytes(make([]byte, 32)) }

func wantCode(t *testing.T, err error, want callv1.Code) {
	t.Helper()
	if got := schema.CodeOf(err); got != want {
		t.Errorf("error %v: code %v, want %v", err, got, want)
	}
}
