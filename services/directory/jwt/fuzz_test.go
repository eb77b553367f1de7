package jwt

import (
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/schema"
)

// FuzzVerify: no text crashes it, none passes but those that are signed, and an
// error never shows the token.
func FuzzVerify(f *testing.F) {
	k := testKeys()
	rs := object{"alg": "RS256", "kid": "r"}
	whole := sign(f, rs, good(), k.rsa)
	for _, s := range []string{
		whole, sign(f, object{"alg": "ES256", "kid": "e"}, good(), k.ec), sign(f, object{"alg": "none"}, good(), nil),
		sign(f, rs, good().with(object{"msisdn": 1e300, "scope": object{"a": []int{1}}}), k.rsa),
		sign(f, object{"alg": "HS256", "kid": "r"}, good(), []byte("x")), "..", "eyJhbGciOiJSUzI1NiJ9..", "a.b.c", `{"payload":""}`,
	} {
		f.Add(s)
	}
	v := started(f, published(f))
	f.Fuzz(func(t *testing.T, token string) {
		said, fetched, err := v.Verify(token, at)
		switch {
		case err == nil && fetched == nil && !strings.HasPrefix(token, "ey"):
			t.Errorf("%q is taken", token)
		case err == nil && fetched == nil && said.Issuer == "":
			t.Errorf("%q is of nobody", token)
		case err != nil && schema.CodeOf(err) == 0:
			t.Errorf("%v has no code", err)
		case err != nil && len(token) > 40 && strings.Contains(err.Error(), token[:40]):
			t.Errorf("%v shows the token", err)
		}
	})
}

// FuzzClaims: signed claims of any shape. An issuer that is trusted may still
// make mistakes.
func FuzzClaims(f *testing.F) {
	k := testKeys()
	for _, s := range []string{
		text(good()), `{}`, `[]`, `{"iss":null}`, `{"iss":"https://id.example.org","exp":1e309}`,
		text(good().with(object{"aud": []any{1, nil}})), text(good().with(object{"msisdn": object{}})), "\x00",
	} {
		f.Add(s)
	}
	v := started(f, published(f))
	f.Fuzz(func(t *testing.T, claims string) {
		said, _, err := v.Verify(signText(t, `{"alg":"ES256","kid":"e"}`, claims, k.ec), at)
		if err == nil && said.Number != "" && !schema.IsCanonicalAddress(said.Number) {
			t.Errorf("%s binds %q", claims, said.Number)
		}
	})
}

// FuzzKeySet: whatever an issuer publishes.
func FuzzKeySet(f *testing.F) {
	f.Add(published(f))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"RSA","n":"","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[null]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"` + strings.Repeat("0", 344) + `","e":""}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := parseKeySet(data)
		if err != nil && len(set.keys) > 0 {
			t.Error("keys beside an error")
		}
		for _, key := range set.keys {
			if !key.IsPublic() || !key.Valid() || algorithmOf(key.Key) == "" {
				t.Errorf("%+v is used", key)
			}
		}
	})
}
