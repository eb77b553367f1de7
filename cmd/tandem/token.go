package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/exchange"
	"github.com/tandem-rtc/tandem/schema"
	"github.com/tandem-rtc/tandem/services/directory"
	"github.com/tandem-rtc/tandem/services/directory/jwt/issuer"
)

// devIssuer and devAudience are what tokens say unless they are told otherwise.
const devIssuer, devAudience = "tandem-dev", "tandem"

// maxLifetime keeps a forgotten token from being good for ever.
const maxLifetime = 366 * 24 * time.Hour

type tokenCmd struct {
	Issue  tokenIssueCmd  `cmd:"" help:"Print a signed token."`
	JWKS   tokenJWKSCmd   `cmd:"" name:"jwks" help:"Print the public keys, for directory.jwt."`
	Rotate tokenRotateCmd `cmd:"" help:"Make a new key, which signs from now on; the two before it stay in the JWKS."`
}

// Help implements kong.HelpProvider.
func (*tokenCmd) Help() string {
	return `A token issuer for development. It keeps its private keys in a file that only you may read, and makes it when there is none. Whoever has that file can be anybody: use an identity provider of your own in production.

An exchange takes its tokens with:

  tandem token jwks > jwks.json

  directory:
    jwt:
      - issuer: ` + devIssuer + `
        jwks: jwks.json
        audience: [` + devAudience + `]
        subscriber_claim: sub`
}

// keyFlags say where the keys are.
type keyFlags struct {
	Key       string `placeholder:"FILE" help:"Key file. By default token-keys.json below $XDG_STATE_HOME/tandem or ~/.local/state/tandem."`
	Algorithm string `enum:"RS256,ES256" default:"RS256" help:"RS256 or ES256, when a key is made."`
}

// keys opens the key file, or makes it.
func (f keyFlags) keys() (*issuer.Keys, error) {
	path := f.Key
	if path == "" {
		dir, err := exchange.StateDir()
		if err != nil {
			return nil, errors.New("--key must be set, since there is no home directory")
		}
		path = filepath.Join(dir, "token-keys.json")
	}
	k, made, err := issuer.Open(path, f.Algorithm)
	if err != nil {
		return nil, err //nolint:wrapcheck // names the file already
	}
	if made {
		fmt.Fprintf(os.Stderr, "tandem: made a key in %s\n", path)
	}
	return k, nil
}

type tokenIssueCmd struct {
	keyFlags
	Subscriber string        `xor:"who" placeholder:"ID" help:"Subscriber that the token is for, by its id or account; with --msisdn it says who has the number."`
	MSISDN     string        `name:"msisdn" placeholder:"NUMBER" help:"Number that the token is bound to: +12025550101."`
	Client     string        `xor:"who" placeholder:"ID" help:"Product that the token is for: one that acts for several numbers."`
	Covers     []string      `placeholder:"NUMBER" help:"A number that the product may act for. Can be repeated."`
	Scope      string        `default:"${call_scope}" help:"Scopes, with spaces between."`
	TTL        time.Duration `name:"ttl" default:"1h" help:"How long the token is valid."`
	Issuer     string        `default:"${dev_issuer}" help:"The claim iss."`
	Audience   []string      `default:"${dev_audience}" help:"The claim aud. Can be repeated."`
}

// Run implements the command.
func (c *tokenIssueCmd) Run() error {
	t, err := c.token(time.Now())
	if err != nil {
		return err
	}
	keys, err := c.keys()
	if err != nil {
		return err
	}
	text, err := keys.Issue(t)
	if err != nil {
		return err //nolint:wrapcheck // says what it is already
	}
	fmt.Println(text)
	return nil
}

// token gives what the token is to say.
func (c *tokenIssueCmd) token(now time.Time) (t issuer.Token, err error) {
	if c.Subscriber == "" && c.MSISDN == "" && c.Client == "" {
		return t, errors.New("say whom the token is for: --subscriber, --msisdn, or --client")
	}
	switch {
	case c.TTL <= 0 || c.TTL > maxLifetime:
		return t, fmt.Errorf("--ttl must be more than 0 and at most %s", maxLifetime)
	case c.MSISDN != "" && (c.Client != "" || len(c.Covers) > 0):
		return t, errors.New("--msisdn is for a user's token, --client and --covers are for a product's")
	case len(c.Covers) > 0 && c.Subscriber != "":
		return t, errors.New("--covers is for a product's token, --subscriber for a user's")
	case c.MSISDN != "":
		if c.MSISDN, err = e164(c.MSISDN); err != nil {
			return t, fmt.Errorf("--msisdn: %w", err)
		}
	}
	for i, n := range c.Covers {
		if c.Covers[i], err = e164(n); err != nil {
			return t, fmt.Errorf("--covers: %w", err)
		}
	}
	t = issuer.Token{
		Issuer: c.Issuer, Subject: c.Subscriber, Audience: c.Audience, Scope: c.Scope, MSISDN: c.MSISDN,
		Client: c.Client, Covers: c.Covers, Issued: now, Lifetime: c.TTL,
	}
	for _, who := range []string{c.MSISDN, c.Client} { // a token says for whom it is (RFC 9068 section 2.2)
		if t.Subject == "" {
			t.Subject = who
		}
	}
	return t, nil
}

// e164 gives a number as tokens have it, with its plus sign.
func e164(text string) (string, error) {
	a, err := schema.ParseAddress("tel:+" + strings.TrimPrefix(strings.TrimSpace(text), "+"))
	if err != nil {
		return "", fmt.Errorf("%q is no telephone number (+12025550101)", text)
	}
	return a.E164(), nil
}

type tokenJWKSCmd struct{ keyFlags }

// Run implements the command.
func (c *tokenJWKSCmd) Run() error {
	keys, err := c.keys()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(keys.JWKS())
	return err //nolint:wrapcheck // only writing can fail
}

type tokenRotateCmd struct{ keyFlags }

// Run implements the command.
func (c *tokenRotateCmd) Run() error {
	keys, err := c.keys()
	if err != nil {
		return err
	}
	return keys.Rotate(c.Algorithm) //nolint:wrapcheck // says what it is already
}

// tokenVars are the defaults of flags that other packages define.
func tokenVars() map[string]string {
	return map[string]string{"call_scope": directory.CallScope, "dev_issuer": devIssuer, "dev_audience": devAudience}
}
