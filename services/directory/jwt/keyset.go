package jwt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxKeys bounds the keys of one issuer.
	maxKeys = 256
	// RSA keys below 2048 bits are too weak (RFC 7518 section 3.3); above 8192
	// their signatures cost whoever checks them too much.
	minRSABits, maxRSABits = 2048, 8192
)

// keySet are the keys of an issuer that can have signed a token.
type keySet struct {
	keys []jose.JSONWebKey
	// ignored is how many others the issuer publishes.
	ignored int
}

// parseKeySet reads a JWK set. Keys of other kinds are left out, as RFC 7517
// section 5 says: an issuer may use them for something else.
func parseKeySet(data []byte) (keySet, error) {
	var raw struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(data, &raw) != nil || raw.Keys == nil {
		return keySet{}, errors.New("not a JWK set")
	}
	if len(*raw.Keys) > maxKeys {
		return keySet{}, errors.New("more keys than an issuer can have")
	}
	set := keySet{}
	for _, text := range *raw.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(text) != nil || !usable(&k, text) {
			set.ignored++
			continue
		}
		set.keys = append(set.keys, k.Public()) // also of one that published too much
	}
	return set, nil
}

// usable reports whether a key is for checking signatures of a kind we take.
func usable(k *jose.JSONWebKey, text []byte) bool {
	var more struct {
		Ops []string `json:"key_ops"`
	}
	if json.Unmarshal(text, &more) != nil || k.Use != "" && k.Use != "sig" {
		return false
	}
	for i, op := range more.Ops { // RFC 7517 section 4.3
		if op == "verify" || op == "sign" {
			break
		}
		if i == len(more.Ops)-1 {
			return false
		}
	}
	public := k.Public()
	return algorithmOf(public.Key) != "" && (k.Algorithm == "" || k.Algorithm == algorithmOf(public.Key))
}

// algorithmOf gives the one algorithm that a key is used with, so that nobody
// can have it used with another (RFC 8725 section 3.1); empty for a key of a
// kind or size we do not take.
func algorithmOf(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		// With an exponent of 1 anybody can sign.
		if bits := k.N.BitLen(); bits >= minRSABits && bits <= maxRSABits && k.E >= 3 && k.E%2 == 1 {
			return string(jose.RS256)
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return string(jose.ES256)
		}
	}
	return ""
}

// find gives the keys that can have signed a token with an algorithm and a key
// id. Without an id there must be just one of that kind.
func (s keySet) find(kid, algorithm string) (found []jose.JSONWebKey) {
	for _, k := range s.keys {
		if algorithmOf(k.Key) == algorithm && (kid == "" || k.KeyID == kid) {
			found = append(found, k)
		}
	}
	if kid == "" && len(found) > 1 {
		return nil
	}
	return found
}
