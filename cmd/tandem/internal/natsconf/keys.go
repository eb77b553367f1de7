package natsconf

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nkeys"
)

// Endings of the files with secrets: <role>.nk, or <role>.<node>.nk, holds an
// NKey seed, <role>.password a password.
const (
	seedEnding     = ".nk"
	passwordEnding = ".password"
)

// credential is what the server is told of an identity.
type credential struct{ nkey, password string }

// keys keeps secrets in files of a directory. One that is there stays, so that
// the configuration can be made anew without anybody having to sign in anew;
// removing a file and making it anew replaces the secret.
type keys struct {
	dir  string
	mode fs.FileMode
}

// of gives an identity's credential, made if it is not there.
func (k keys) of(auth, name string) (credential, error) {
	if auth == Password {
		secret, err := k.secret(name+passwordEnding, func() (string, error) { return rand.Text(), nil })
		return credential{password: secret}, err
	}
	file := name + seedEnding
	seed, err := k.secret(file, newSeed)
	if err != nil {
		return credential{}, err
	}
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return credential{}, fmt.Errorf("%s: %w", filepath.Join(k.dir, file), err)
	}
	defer pair.Wipe()
	public, err := pair.PublicKey()
	if err == nil && !nkeys.IsValidPublicUserKey(public) {
		err = errors.New("is not the key of a user")
	}
	if err != nil {
		return credential{}, fmt.Errorf("%s: %w", filepath.Join(k.dir, file), err)
	}
	return credential{nkey: public}, nil
}

// secret reads a secret, or makes it.
func (k keys) secret(file string, create func() (string, error)) (string, error) {
	path := filepath.Join(k.dir, file)
	data, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(data)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	secret, err := create()
	if err != nil {
		return "", fmt.Errorf("making a secret: %w", err)
	}
	return secret, writeFile(path, []byte(secret+"\n"), k.mode)
}

func newSeed() (string, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return "", err //nolint:wrapcheck // by the caller
	}
	defer pair.Wipe()
	seed, err := pair.Seed()
	return string(seed), err //nolint:wrapcheck // by the caller
}

// writeFile writes beside and renames, so that nobody reads half of it.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	if err := os.WriteFile(path+".new", data, mode); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if err := errors.Join(os.Chmod(path+".new", mode), os.Rename(path+".new", path)); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}
