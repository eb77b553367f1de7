package directory

import (
	"crypto/md5" //nolint:gosec // RFC 2617 digests are md5
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"
)

// ha1 is a digest HA1: md5(user:realm:password), RFC 2617 section 3.2.2.2.
type ha1 [md5.Size]byte

// makeHA1 computes the HA1 of an account's password; the realm is the domain.
func makeHA1(user, realm, password string) ha1 {
	return md5.Sum([]byte(user + ":" + realm + ":" + password)) //nolint:gosec // as above
}

// parseHA1 reads 32 hex digits.
func parseHA1(s string) (h ha1, ok bool) {
	if len(s) != 2*len(h) {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(s))
	return h, err == nil
}

func (h ha1) String() string { return hex.EncodeToString(h[:]) }

// equal compares in constant time.
func (h ha1) equal(o ha1) bool { return subtle.ConstantTimeCompare(h[:], o[:]) == 1 }

// tokenHash is the SHA-256 of a bearer token. Tokens are looked up by it: what
// a peer sends is hashed first, so the time of a lookup says nothing that
// helps to guess a token.
type tokenHash [sha256.Size]byte

func hashToken(token string) tokenHash { return sha256.Sum256([]byte(token)) }

func parseTokenHash(s string) (h tokenHash, ok bool) {
	if len(s) != 2*len(h) {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(s))
	return h, err == nil
}

func (h tokenHash) String() string { return hex.EncodeToString(h[:]) }

// parseDigest reads a line of htdigest's format, user:realm:HA1.
func parseDigest(line string) (user, realm string, h ha1, ok bool) {
	user, rest, _ := strings.Cut(line, ":")
	realm, digits, found := strings.Cut(rest, ":")
	if !found || user == "" || realm == "" {
		return "", "", h, false
	}
	h, ok = parseHA1(digits)
	return user, realm, h, ok
}
