package jwt

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/directory"
)

// MaxToken is the longest token that is looked at, in bytes.
const MaxToken = 8 << 10

// Env is what a Verifier runs on.
type Env struct {
	// Log gets one line per change in what is known of an issuer's keys.
	Log *slog.Logger
	// KeysRead counts readings of keys by outcome, "ok" or "failed"; nil for
	// nobody. It must not block.
	KeysRead func(outcome string)
	// Transport carries the requests for keys; nil is the usual one.
	Transport http.RoundTripper
}

// Verifier checks tokens of some issuers; it is a directory.TokenVerifier. Its
// methods may be called from any goroutine.
type Verifier struct{ issuers map[string]*issuer }

// issuer is one whose tokens are taken.
type issuer struct {
	directory.JWTIssuer
	keys *keeper
}

// algorithms are those that tokens may be signed with. All are asymmetric: a
// public key can never pass for a shared secret (RFC 8725 section 2.1).
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.ES256}
}

// New makes a Verifier without any I/O. The issuers are valid.
func New(issuers []directory.JWTIssuer, env Env) *Verifier {
	if env.KeysRead == nil {
		env.KeysRead = func(string) {}
	}
	v := &Verifier{issuers: map[string]*issuer{}}
	for _, j := range issuers {
		v.issuers[j.Issuer] = &issuer{j, newKeeper(
			newSource(j.JWKS, j.AllowHTTP, env.Transport), j.Refresh, env.Log.With("issuer", j.Issuer), env.KeysRead)}
	}
	return v
}

// Run keeps the keys current until ctx ends. It is called once.
func (v *Verifier) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, i := range v.issuers {
		running.Go(func() { i.keys.run(ctx) })
	}
	running.Wait()
}

// Verify implements directory.TokenVerifier.
func (v *Verifier) Verify(token string, now time.Time) (*directory.Token, <-chan struct{}, error) {
	if len(token) > MaxToken {
		return nil, nil, refused("the token is longer than %d bytes", MaxToken)
	}
	t, err := jwt.ParseSigned(token, algorithms())
	var wrong *jose.ErrUnexpectedSignatureAlgorithm
	switch {
	case errors.As(err, &wrong):
		return nil, nil, refused("the token is signed with another algorithm than RS256 or ES256")
	case err != nil || len(t.Headers) != 1:
		return nil, nil, refused("not a signed token")
	}
	header := t.Headers[0]
	if !accessToken(header) {
		return nil, nil, refused("the token is of another type than a bearer token's")
	}
	// Only to find the keys: nothing is believed before the signature is right.
	var claimed struct {
		Issuer string `json:"iss"`
	}
	if t.UnsafeClaimsWithoutVerification(&claimed) != nil {
		return nil, nil, refused("the token's claims cannot be read")
	}
	from := v.issuers[claimed.Issuer]
	if from == nil {
		return nil, nil, refused("the token is of an issuer that is not known here")
	}
	keys, fetched, away := from.keys.find(header.KeyID, header.Algorithm)
	switch {
	case fetched != nil:
		return nil, fetched, nil
	case away:
		return nil, nil, schema.Errorf(callv1.Code_CODE_RETRY, "the keys of the token's issuer cannot be had now")
	case len(keys) == 0 && header.KeyID == "":
		return nil, nil, refused("the token does not say which of the issuer's keys it is signed with")
	case len(keys) == 0:
		return nil, nil, refused("the token is signed with a key that its issuer does not publish")
	}
	registered, all := jwt.Claims{}, claims{}
	if !signedBy(t, keys, &registered, &all) {
		return nil, nil, refused("the token's signature is wrong, or its claims cannot be read")
	}
	if err := from.check(registered, all, now); err != nil {
		return nil, nil, err
	}
	said, err := from.read(all)
	return said, nil, err
}

// accessToken reports whether a token's type is that of a bearer token: none,
// JWT, or an access token's (RFC 9068 section 2.1). Others are made for other
// purposes, by the same issuer and key (RFC 8725 section 3.11).
func accessToken(h jose.Header) bool {
	typ, given := h.ExtraHeaders[jose.HeaderType]
	if !given {
		return true
	}
	name, ok := typ.(string)
	name = strings.TrimPrefix(strings.ToLower(name), "application/")
	return ok && (name == "jwt" || name == "at+jwt")
}

// signedBy checks the signature with each key and reads the claims.
func signedBy(t *jwt.JSONWebToken, keys []jose.JSONWebKey, dest ...any) bool {
	for _, k := range keys {
		if t.Claims(k.Key, dest...) == nil {
			return true
		}
	}
	return false
}

// check compares a token that is its issuer's with what is wanted here.
func (i *issuer) check(c jwt.Claims, all claims, now time.Time) error {
	if c.Expiry == nil {
		return refused("the token never expires")
	}
	err := c.ValidateWithLeeway(jwt.Expected{Issuer: i.Issuer, AnyAudience: i.Audience, Time: now}, i.Leeway)
	switch {
	case errors.Is(err, jwt.ErrExpired):
		return refused("the token has expired")
	case errors.Is(err, jwt.ErrNotValidYet):
		return refused("the token is not valid yet")
	case errors.Is(err, jwt.ErrIssuedInTheFuture):
		return refused("the token was issued in the future")
	case errors.Is(err, jwt.ErrInvalidAudience):
		return refused("the token is made for another audience")
	case err != nil:
		return refused("the token's claims are not those wanted here")
	case i.Scope != "" && !slices.Contains(all.words(i.ScopeClaim), i.Scope):
		return schema.Errorf(callv1.Code_CODE_FORBIDDEN, "the token does not have the scope %s", i.Scope)
	}
	return nil
}

// read gives what a token says of whom it is for.
func (i *issuer) read(c claims) (*directory.Token, error) {
	t := &directory.Token{
		Issuer: i.Issuer, Subscriber: c.text(i.SubscriberClaim), Client: c.text(i.ClientClaim),
		Covers: numbers(c.words(i.CoversClaim)),
	}
	if c.has(i.MSISDNClaim) {
		if t.Number = number(c.text(i.MSISDNClaim)); t.Number == "" {
			return nil, refused("the token is bound to what is no telephone number")
		}
	}
	return t, nil
}

func refused(format string, args ...any) error {
	return schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, format, args...)
}
