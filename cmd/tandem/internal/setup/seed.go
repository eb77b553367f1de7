package setup

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/natsconf"
)

// minSeed is the least length of a seed.
const minSeed = 32

// derive writes all secrets that would else be random, made from the seed. From
// one of them neither the seed nor another one can be found.
func derive(seed []byte, kept, identities string, kinds []string) error {
	if len(seed) < minSeed {
		return fmt.Errorf("the seed must have at least %d characters", minSeed)
	}
	texts := map[string]string{}
	for name, path := range map[string]string{
		Cluster: filepath.Join(kept, Cluster), AdminToken: filepath.Join(kept, AdminToken),
		Accounts: filepath.Join(kept, Accounts), GrafanaPassword: filepath.Join(kept, GrafanaPassword),
		natsconf.RoutesSecret: filepath.Join(identities, natsconf.RoutesSecret),
	} {
		text, err := Text(seed, name)
		if err != nil {
			return err
		}
		texts[path] = text
	}
	for _, role := range append(natsconf.Roles(kinds), natsconf.System) {
		key, err := part(seed, "identity "+role)
		if err != nil {
			return err
		}
		text, err := nkeys.EncodeSeed(nkeys.PrefixByteUser, key)
		if err != nil {
			return fmt.Errorf("identity of %s: %w", role, err)
		}
		texts[filepath.Join(identities, role+".nk")] = string(text)
	}
	if err := os.MkdirAll(identities, 0o700); err != nil {
		return err //nolint:wrapcheck // names the path
	}
	for path, text := range texts {
		if err := replace(path, []byte(text+"\n"), -1); err != nil {
			return err
		}
	}
	return nil
}

// Text is a secret for one purpose, made from a seed.
func Text(seed []byte, purpose string) (string, error) {
	key, err := part(seed, purpose)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(key)), err
}

// part is a key for one purpose (RFC 5869).
func part(seed []byte, purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, seed, nil, "tandem setup v1 "+purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("secret for %s: %w", purpose, err)
	}
	return key, nil
}
