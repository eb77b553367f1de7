package jwt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/directory"
)

// Every claim and header that decides, right and wrong.
func TestVerify(t *testing.T) {
	k := testKeys()
	v := started(t, published(t))
	rs, es := object{"alg": "RS256", "kid": "r", "typ": "JWT"}, object{"alg": "ES256", "kid": "e"}
	hour := func(n time.Duration) int64 { return at.Add(n * time.Hour).Unix() }
	der, err := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	tests := []struct {
		name   string
		header object
		claims object // changes of good
		key    any
		code   callv1.Code
		want   string // in the error
	}{
		{"RS256", rs, nil, k.rsa, 0, ""},
		{"ES256", es, nil, k.ec, 0, ""},
		{"no type", rs.with(object{"typ": nil}), nil, k.rsa, 0, ""},
		{"access token's type", rs.with(object{"typ": "at+jwt"}), nil, k.rsa, 0, ""},
		{"access token's media type", rs.with(object{"typ": "application/AT+JWT"}), nil, k.rsa, 0, ""},
		{"other type", rs.with(object{"typ": "logout+jwt"}), nil, k.rsa, unauthenticated, "another type"},
		{"type that is no text", rs.with(object{"typ": 1}), nil, k.rsa, unauthenticated, ""},

		{"alg none", object{"alg": "none", "kid": "r"}, nil, nil, unauthenticated, "RS256 or ES256"},
		{"alg none in capitals", object{"alg": "NONE", "kid": "r"}, nil, nil, unauthenticated, ""},
		{"no alg", object{"kid": "r"}, nil, k.rsa, unauthenticated, ""},
		{"HS256 with the public key's PEM", object{"alg": "HS256", "kid": "r"}, nil, public, unauthenticated, "RS256 or ES256"},
		{"HS256 with the public key's DER", object{"alg": "HS256", "kid": "r"}, nil, der, unauthenticated, "RS256 or ES256"},
		{"HS256 with an empty secret", object{"alg": "HS256", "kid": "r"}, nil, []byte{}, unauthenticated, ""},
		{"PS256", rs.with(object{"alg": "PS256"}), nil, k.rsa, unauthenticated, "RS256 or ES256"},
		{"RS512", rs.with(object{"alg": "RS512"}), nil, k.rsa, unauthenticated, "RS256 or ES256"},
		{"EdDSA", rs.with(object{"alg": "EdDSA"}), nil, k.rsa, unauthenticated, "RS256 or ES256"},
		{"ES256 with the RSA key's id", object{"alg": "ES256", "kid": "r"}, nil, k.ec, unauthenticated, "does not publish"},
		{"RS256 with the EC key's id", object{"alg": "RS256", "kid": "e"}, nil, k.rsa, unauthenticated, "does not publish"},

		{"wrong key", rs, nil, k.stranger, unauthenticated, "signature"},
		{"no signature", rs, nil, nil, unauthenticated, "signature"},
		{"unknown kid", rs.with(object{"kid": "x"}), nil, k.stranger, unauthenticated, "does not publish"},
		{"no kid, one key of the kind", rs.with(object{"kid": nil}), nil, k.rsa, 0, ""},
		{"empty kid", rs.with(object{"kid": ""}), nil, k.rsa, 0, ""},
		{"kid that is no text", rs.with(object{"kid": 7}), nil, k.rsa, unauthenticated, ""},
		{"key in the header", rs.with(object{"kid": nil, "jwk": jwk("r", &k.stranger.PublicKey)}), nil, k.stranger, unauthenticated, "signature"},
		{"keys elsewhere", rs.with(object{"jku": "https://evil.example/jwks"}), nil, k.stranger, unauthenticated, "signature"},
		{"critical header", rs.with(object{"crit": []string{"exp"}, "exp": 1}), nil, k.rsa, unauthenticated, ""},

		{"no issuer", rs, object{"iss": nil}, k.rsa, unauthenticated, "issuer"},
		{"other issuer", rs, object{"iss": "https://id.example.org/"}, k.rsa, unauthenticated, "issuer"},
		{"issuer that is no text", rs, object{"iss": []string{"https://id.example.org"}}, k.rsa, unauthenticated, ""},
		{"audience in a list", rs, object{"aud": []string{"x", "other"}}, k.rsa, 0, ""},
		{"other audience", rs, object{"aud": "x"}, k.rsa, unauthenticated, "audience"},
		{"part of the audience", rs, object{"aud": "tand"}, k.rsa, unauthenticated, "audience"},
		{"no audience", rs, object{"aud": nil}, k.rsa, unauthenticated, "audience"},

		{"scope in a list", rs, object{"scope": []string{"a", directory.CallScope}}, k.rsa, 0, ""},
		{"no scope", rs, object{"scope": nil}, k.rsa, forbidden, directory.CallScope},
		{"other scope", rs, object{"scope": "openid profile"}, k.rsa, forbidden, ""},
		{"longer scope", rs, object{"scope": directory.CallScope + ".all"}, k.rsa, forbidden, ""},
		{"scope in capitals", rs, object{"scope": strings.ToUpper(directory.CallScope)}, k.rsa, forbidden, ""},
		{"scope that is a number", rs, object{"scope": 1}, k.rsa, forbidden, ""},
		{"scope that is an object", rs, object{"scope": object{directory.CallScope: true}}, k.rsa, forbidden, ""},

		{"expired", rs, object{"exp": hour(-1)}, k.rsa, unauthenticated, "expired"},
		{"just expired", rs, object{"exp": at.Unix() - 31}, k.rsa, unauthenticated, "expired"},
		{"expired within the leeway", rs, object{"exp": at.Unix() - 30}, k.rsa, 0, ""},
		{"no expiry", rs, object{"exp": nil}, k.rsa, unauthenticated, "never expires"},
		{"expiry null", rs.with(nil), object{"exp": []int(nil)}, k.rsa, unauthenticated, "never expires"},
		{"expiry that is a text", rs, object{"exp": "tomorrow"}, k.rsa, unauthenticated, ""},
		{"expiry without end", rs, object{"exp": 1e30}, k.rsa, unauthenticated, ""},
		{"not valid yet", rs, object{"nbf": at.Unix() + 31}, k.rsa, unauthenticated, "not valid yet"},
		{"not valid yet within the leeway", rs, object{"nbf": at.Unix() + 30}, k.rsa, 0, ""},
		{"issued in the future", rs, object{"iat": at.Unix() + 31}, k.rsa, unauthenticated, "in the future"},
		{"issued within the leeway", rs, object{"iat": at.Unix() + 30}, k.rsa, 0, ""},
		{"no issue time", rs, object{"iat": nil}, k.rsa, 0, ""},

		{"msisdn without plus", rs, object{"msisdn": "12025550101"}, k.rsa, 0, ""},
		{"msisdn as a number", rs, object{"msisdn": 12025550101}, k.rsa, 0, ""},
		{"msisdn that is none", rs, object{"msisdn": "alice"}, k.rsa, unauthenticated, "no telephone number"},
		{"empty msisdn", rs, object{"msisdn": ""}, k.rsa, unauthenticated, "no telephone number"},
		{"msisdn in a list", rs, object{"msisdn": []string{"+12025550101"}}, k.rsa, unauthenticated, "no telephone number"},
		{"msisdn below nothing", rs, object{"msisdn": -12025550101}, k.rsa, unauthenticated, "no telephone number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token, fetched, err := v.Verify(sign(t, tt.header, good().with(tt.claims), tt.key), at)
			wantCode(t, err, tt.code)
			if fetched != nil {
				t.Fatal("the keys are to be read again")
			}
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want one with %q", err, tt.want)
				}
				return
			}
			if token.Number != "tel:+12025550101" || token.Subscriber != "alice" || token.Issuer != "https://id.example.org" {
				t.Errorf("the token says %+v", token)
			}
		})
	}
}

// What is no token at all.
func TestVerifyMalformed(t *testing.T) {
	k := testKeys()
	v := started(t, published(t))
	whole := sign(t, object{"alg": "RS256", "kid": "r"}, good(), k.rsa)
	parts := strings.Split(whole, ".")
	flat := text(object{"payload": parts[1], "protected": parts[0], "signature": parts[2]})
	for name, token := range map[string]string{
		"empty": "", "dots": "..", "one part": parts[0], "two parts": parts[0] + "." + parts[1], "four parts": whole + ".x",
		"JSON serialization":     flat,
		"changed claims":         parts[0] + "." + b64([]byte(text(good().with(object{"sub": "bob"})))) + "." + parts[2],
		"changed header":         b64([]byte(text(object{"alg": "RS256", "kid": "r", "x": 1}))) + "." + parts[1] + "." + parts[2],
		"cut signature":          whole[:len(whole)-8],
		"padding":                whole + "==",
		"spaces":                 " " + whole + "\n",
		"claims that are a list": signText(t, `{"alg":"RS256","kid":"r"}`, `["iss"]`, k.rsa),
		"claims that are none":   signText(t, `{"alg":"RS256","kid":"r"}`, `xyz`, k.rsa),
		"issuer twice":           signText(t, `{"alg":"RS256","kid":"r"}`, `{"iss":"x","iss":"https://id.example.org"}`, k.rsa),
		"deep claims":            signText(t, `{"alg":"RS256","kid":"r"}`, `{"iss":"https://id.example.org","x":`+strings.Repeat("[", 2000)+strings.Repeat("]", 2000)+`}`, k.rsa),
		"too long":               sign(t, object{"alg": "RS256", "kid": "r"}, good().with(object{"pad": strings.Repeat("x", MaxToken)}), k.rsa),
		"long id of a key":       sign(t, object{"alg": "RS256", "kid": strings.Repeat("k", 6000)}, object{}, k.rsa),
	} {
		t.Run(name, func(t *testing.T) {
			said, fetched, err := v.Verify(token, at)
			if said != nil || fetched != nil {
				t.Errorf("it says %+v, %v", said, fetched)
			}
			wantCode(t, err, unauthenticated)
			if err != nil && len(token) > 8 && strings.Contains(err.Error(), token[:8]) {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
	long := sign(t, object{"alg": "RS256", "kid": "r"}, good().with(object{"pad": strings.Repeat("x", 5000)}), k.rsa)
	if _, _, err := v.Verify(long, at); err != nil || len(long) > MaxToken {
		t.Errorf("a token of %d bytes: %v", len(long), err)
	}
}

// Which of the published keys are used, and for what.
func TestKeySet(t *testing.T) {
	k := testKeys()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	enc, ps := jwk("enc", &k.rsa.PublicKey), jwk("ps", &k.rsa.PublicKey)
	enc.Use, ps.Algorithm = "enc", "PS256"
	wrap := strings.Replace(text(jwk("wrap", &k.rsa.PublicKey)), `{`, `{"key_ops":["wrapKey"],`, 1)
	check := strings.Replace(text(jwk("check", &k.rsa.PublicKey)), `{`, `{"key_ops":["verify"],`, 1)
	data := `{"keys":[` + strings.Join([]string{
		text(jwk("r", &k.rsa.PublicKey)), text(jwk("private", k.rsa2)), text(jwk("small", &small.PublicKey)),
		text(jwk("p384", &p384.PublicKey)), text(jwk("oct", []byte("a shared secret of an issuer"))), text(enc), text(ps), wrap, check,
		strings.Replace(text(jwk("one", &k.rsa.PublicKey)), `"AQAB"`, `"AQ"`, 1), // exponent 1
		`{"kty":"OKP","crv":"X25519","x":"AAAA"}`, `{"kty":"new","kid":"r"}`, `7`,
		text(jwk("two", &k.rsa.PublicKey)), text(jwk("two", &k.rsa2.PublicKey)), text(jwk("two", &k.ec.PublicKey)),
	}, ",") + `]}`
	set, err := parseKeySet([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, key := range set.keys {
		names = append(names, key.KeyID)
		if !key.IsPublic() {
			t.Errorf("%s is private", key.KeyID)
		}
	}
	if want := []string{"r", "private", "check", "two", "two", "two"}; !slices.Equal(names, want) || set.ignored != 10 {
		t.Errorf("keys %q, %d ignored; want %q", names, set.ignored, want)
	}
	for _, tt := range []struct {
		kid, alg string
		want     int
	}{
		{"r", "RS256", 1}, {"r", "ES256", 0}, {"two", "RS256", 2}, {"two", "ES256", 1}, {"", "ES256", 1}, {"", "RS256", 0}, {"small", "RS256", 0}, {"oct", "HS256", 0},
	} {
		if got := len(set.find(tt.kid, tt.alg)); got != tt.want {
			t.Errorf("kid %q, %s: %d keys, want %d", tt.kid, tt.alg, got, tt.want)
		}
	}
	for name, data := range map[string]string{
		"empty": "", "no object": "[]", "no keys": "{}", "keys null": `{"keys":null}`, "keys no list": `{"keys":{}}`,
		"too many": `{"keys":[` + strings.Repeat("1,", maxKeys) + `1]}`, "a page": "<html>",
	} {
		if _, err := parseKeySet([]byte(data)); err == nil {
			t.Errorf("%s: it is a key set", name)
		}
	}
}

// Two keys with one id, as during a clumsy rotation: either signs.
func TestTwoKeysWithOneID(t *testing.T) {
	k := testKeys()
	v := started(t, jwks(t, jwk("r", &k.rsa.PublicKey), jwk("r", &k.rsa2.PublicKey)))
	for name, key := range map[string]*rsa.PrivateKey{"first": k.rsa, "second": k.rsa2} {
		if _, _, err := v.Verify(sign(t, object{"alg": "RS256", "kid": "r"}, good(), key), at); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := v.Verify(sign(t, object{"alg": "RS256"}, good(), k.rsa), at)
	wantCode(t, err, unauthenticated)
	if err == nil || !strings.Contains(err.Error(), "which of the issuer's keys") {
		t.Errorf("without an id: %v", err)
	}
}

// Where the claims are is the operator's to say.
func TestClaimNames(t *testing.T) {
	k := testKeys()
	v := started(t, published(t), func(j *directory.JWTIssuer) {
		j.Audience, j.Scope, j.ScopeClaim = nil, "calls", "ext.scp"
		j.MSISDNClaim, j.CoversClaim = "https://example.org/number", "ext.lines"
		j.SubscriberClaim, j.ClientClaim = "preferred_username", "azp"
	})
	header := object{"alg": "ES256", "kid": "e"}
	base := object{"iss": "https://id.example.org", "exp": at.Add(time.Minute).Unix(), "msisdn": "+1", "ext": object{"scp": []string{"calls"}}}
	for _, tt := range []struct {
		name   string
		claims object
		want   directory.Token
	}{
		{"user", object{"https://example.org/number": "+12025550101"}, directory.Token{Number: "tel:+12025550101"}},
		{"account", object{"preferred_username": "alice@example.org"}, directory.Token{Subscriber: "alice@example.org"}},
		{"product", object{"azp": "switchboard"}, directory.Token{Client: "switchboard"}},
		{"covers a list", object{"ext": object{"scp": "calls x", "lines": []any{"12025550101", 12025550102, "tel:+12025550103", "x", "12025550101"}}},
			directory.Token{Covers: []string{"tel:+12025550101", "tel:+12025550102", "tel:+12025550103"}}},
		{"covers words", object{"ext": object{"scp": "calls", "lines": "+12025550101 12025550102"}},
			directory.Token{Covers: []string{"tel:+12025550101", "tel:+12025550102"}}},
		{"null is not there", object{"https://example.org/number": []int(nil)}, directory.Token{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			said, _, err := v.Verify(sign(t, header, base.with(tt.claims), k.ec), at)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Issuer = "https://id.example.org"
			if !reflect.DeepEqual(*said, tt.want) {
				t.Errorf("it says %+v, want %+v", *said, tt.want)
			}
		})
	}
	_, _, err := v.Verify(sign(t, header, base.with(object{"ext": "calls"}), k.ec), at)
	wantCode(t, err, forbidden)
}
