package directory

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// CallScope is the scope that WG2's methods ask of a token.
const CallScope = "call.control.answer_and_initiate"

// maxIssuers bounds the issuers, each of which has keys to be kept.
const maxIssuers = 16

// JWTIssuer is somebody whose signed tokens (RFC 7519) prove who a peer is.
type JWTIssuer struct {
	Issuer    string   `yaml:"issuer" doc:"Who makes the tokens: their claim iss, exactly."`
	JWKS      string   `yaml:"jwks" doc:"The issuer's public keys (RFC 7517): the path of a file, or an https:// address."`
	AllowHTTP bool     `yaml:"allow_http" doc:"Fetch keys by plain HTTP from other machines too. Whoever can change them on the way can be anybody."`
	Audience  []string `yaml:"audience" doc:"A token's claim aud must name one of these. Empty: it is not looked at, which is safe only where the issuer makes tokens for nothing else."`
	Scope     string   `yaml:"scope" doc:"Scope that a token must have. Empty: none."`

	ScopeClaim      string `yaml:"scope_claim" doc:"Claim with the scopes: text with spaces between, or a list. Claims inside another are written with a dot: ext.scope."`
	MSISDNClaim     string `yaml:"msisdn_claim" doc:"Claim with the number that a user's token acts for, and no other."`
	CoversClaim     string `yaml:"covers_claim" doc:"Claim with the numbers that a product's token may act for, a list or text with spaces between; wg2-msisdn names one of them."`
	SubscriberClaim string `yaml:"subscriber_claim" doc:"Claim that names a subscriber by its id, or by one of its addresses (sip:alice@example.org, alice@example.org). Empty: no claim does; then only numbers say whose a token is."`
	ClientClaim     string `yaml:"client_claim" doc:"Claim with the product that a token was given to, for service_tokens with a client."`

	Leeway  time.Duration `yaml:"leeway" doc:"How far the issuer's clock and ours may be apart."`
	Refresh time.Duration `yaml:"refresh" doc:"How often the keys are read again. A key that is not known is looked for at once, every ten seconds at most."`
}

// SetDefaults fills in what a new entry of a configuration file has.
func (j *JWTIssuer) SetDefaults() {
	*j = JWTIssuer{
		Scope: CallScope, ScopeClaim: "scope", MSISDNClaim: "msisdn", CoversClaim: "msisdns", ClientClaim: "client_id",
		Leeway: 30 * time.Second, Refresh: 15 * time.Minute,
	}
}

// validate reports what cannot work.
func (j JWTIssuer) validate() error {
	var errs []error
	bad := func(field, format string, args ...any) { errs = append(errs, fmt.Errorf(field+": "+format, args...)) }
	if j.Issuer == "" || len(j.Issuer) > maxName {
		bad("issuer", "must be 1 to %d bytes", maxName)
	}
	switch {
	case j.JWKS == "":
		bad("jwks", "must be a file or an https:// address")
	case strings.Contains(j.JWKS, "://"):
		if err := checkURL(j.JWKS, j.AllowHTTP); err != nil {
			bad("jwks", "%w", err)
		}
	}
	for i, a := range j.Audience {
		if a == "" {
			bad(fmt.Sprintf("audience[%d]", i), "must not be empty")
		}
	}
	if strings.ContainsAny(j.Scope, " \t\r\n") {
		bad("scope", "%q is more than one", j.Scope)
	}
	if j.Scope != "" && j.ScopeClaim == "" {
		bad("scope_claim", "must be named where a scope is wanted")
	}
	if j.MSISDNClaim == "" && j.CoversClaim == "" && j.SubscriberClaim == "" && j.ClientClaim == "" {
		bad("msisdn_claim", "no claim says whom a token is for")
	}
	if j.Leeway < 0 || j.Leeway > 10*time.Minute {
		bad("leeway", "must be 0 to 10m")
	}
	if j.Refresh < 10*time.Second || j.Refresh > 7*24*time.Hour {
		bad("refresh", "must be 10s to 168h")
	}
	return errors.Join(errs...)
}

// checkURL takes https, and http to this machine or where it was allowed.
func checkURL(text string, allowHTTP bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("is not an https:// address") // it may hold a secret
	case u.Scheme == "http" && !allowHTTP && !loopbackHost(u.Hostname()):
		return errors.New("is plain HTTP to another machine: use https, or say allow_http: true")
	}
	return nil
}

func loopbackHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// validateJWT checks the issuers, each error with its path.
func (c Config) validateJWT() (errs []error) {
	if len(c.JWT) > maxIssuers {
		errs = append(errs, fmt.Errorf("jwt: more than %d issuers", maxIssuers))
	}
	seen := map[string]bool{}
	for i, j := range c.JWT {
		path := fmt.Sprintf("jwt[%d]", i)
		if err := j.validate(); err != nil {
			errs = append(errs, prefixed(path, err)...)
		}
		if seen[j.Issuer] {
			errs = append(errs, fmt.Errorf("%s.issuer: %q is listed twice", path, j.Issuer))
		}
		seen[j.Issuer] = true
	}
	return errs
}

// prefixed puts a path before each of joined errors.
func prefixed(path string, err error) (out []error) {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			out = append(out, prefixed(path, e)...)
		}
		return out
	}
	return []error{fmt.Errorf("%s.%w", path, err)}
}
