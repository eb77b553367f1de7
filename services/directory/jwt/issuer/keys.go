package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/go-jose/go-jose/v4"
)

const (
	rsaBits = 2048
	// maxKeys is how many keys a file holds: the one that signs, and those before
	// it, whose tokens have not all expired.
	maxKeys = 3
	// maxFile bounds what is read.
	maxFile = 1 << 20
)

// Keys are an issuer's private keys, the one that signs first.
type Keys struct {
	path string
	set  jose.JSONWebKeySet
}

// Open reads the keys from a file, or makes one for algorithm ("RS256" or
// "ES256") and the file, which only its owner may read. It says whether it did.
func Open(path, algorithm string) (k *Keys, made bool, err error) {
	k, err = read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, false, err
	}
	if k, err = New(algorithm); err != nil {
		return nil, false, err
	}
	k.path = path
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, false, fmt.Errorf("the key file: %w", err)
	}
	// If another process makes it at the same moment, one of the two fails.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("the key file: %w", err)
	}
	_, err = f.Write(k.encode())
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, false, fmt.Errorf("the key file: %w", err)
	}
	return k, true, nil
}

// New makes keys that are in no file.
func New(algorithm string) (*Keys, error) {
	key, err := generate(algorithm)
	if err != nil {
		return nil, err
	}
	return &Keys{set: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}}}, nil
}

func read(path string) (*Keys, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the key file: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the key file %s may be read by others (%v): whoever can is everybody; chmod 600 it, or remove it", path, info.Mode().Perm())
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("the key file %s is none", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the key file: %w", err)
	}
	k := &Keys{path: path}
	if json.Unmarshal(data, &k.set) != nil || len(k.set.Keys) == 0 {
		return nil, fmt.Errorf("the key file %s holds no keys", path) // the text would hold one
	}
	for _, key := range k.set.Keys {
		if key.IsPublic() || !key.Valid() {
			return nil, fmt.Errorf("the key file %s holds a key that cannot sign", path)
		}
	}
	return k, nil
}

// Rotate puts a new key in front, which signs from now on; those before it stay
// published, three in all. The file is replaced at once.
func (k *Keys) Rotate(algorithm string) error {
	key, err := generate(algorithm)
	if err != nil {
		return err
	}
	next := Keys{path: k.path, set: jose.JSONWebKeySet{Keys: append([]jose.JSONWebKey{key}, k.set.Keys...)}}
	next.set.Keys = next.set.Keys[:min(len(next.set.Keys), maxKeys)]
	if k.path != "" {
		if err := replace(k.path, next.encode()); err != nil {
			return fmt.Errorf("the key file: %w", err)
		}
	}
	*k = next
	return nil
}

// replace writes a file beside and renames it, so that there always is a whole
// one.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tandem-keys-") // 0600
	if err != nil {
		return err //nolint:wrapcheck // the caller does
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// JWKS gives the public keys as a JWK set (RFC 7517), for the verifier.
func (k *Keys) JWKS() []byte {
	public := jose.JSONWebKeySet{}
	for _, key := range k.set.Keys {
		public.Keys = append(public.Keys, key.Public())
	}
	return encode(public)
}

func (k *Keys) encode() []byte { return encode(k.set) }

// encode gives a set's JSON; keys that were made or read cannot fail to encode.
func encode(set jose.JSONWebKeySet) []byte {
	data, err := json.MarshalIndent(set, "", "  ")
	if err != nil {
		return nil
	}
	return append(data, '\n')
}

// generate makes a key whose id is its thumbprint (RFC 7638).
func generate(algorithm string) (jose.JSONWebKey, error) {
	var private crypto.Signer
	var err error
	switch jose.SignatureAlgorithm(algorithm) {
	case jose.RS256:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		return jose.JSONWebKey{}, fmt.Errorf("the algorithm %q is neither RS256 nor ES256", algorithm)
	}
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("making a key: %w", err)
	}
	key := jose.JSONWebKey{Key: private, Algorithm: algorithm, Use: "sig"}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("naming a key: %w", err)
	}
	key.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return key, nil
}
