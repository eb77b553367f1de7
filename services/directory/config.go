package directory

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/tandem-rtc/tandem/schema"
)

// Config is the directory's configuration.
type Config struct {
	// Domains are the SIP domains whose accounts may sign in.
	Domains []string `yaml:"domains" doc:"SIP domains whose accounts may sign in here, lower case."`
	// Subscribers are upserted at every start; those of an earlier configuration
	// that are no longer listed are removed.
	Subscribers []Subscriber `yaml:"subscribers" doc:"Subscribers defined by this file. One that an earlier start took from here and that is gone now is removed, with its credentials; those added by other means stay."`
	// ServiceTokens are bearer tokens of products that act for many subscribers.
	ServiceTokens []ServiceToken `yaml:"service_tokens" doc:"Bearer tokens of products that act for several subscribers, each call naming the number it is for."`
	// JWT are the issuers of signed tokens.
	JWT []JWTIssuer `yaml:"jwt" doc:"Issuers of signed bearer tokens (JWT, RS256 or ES256) that are taken besides the tokens listed here."`
	// MatrixServers are the Matrix servers whose users need no entry.
	MatrixServers []string `yaml:"matrix_servers" doc:"Matrix servers whose users are subscribers by themselves, from the first time that they are heard of: example.org. Users of other servers must be listed under subscribers. By default matrix.server_name."`
	// Wake is how devices are woken.
	Wake Wake `yaml:"wake" doc:"Waking the devices of subscribers who are called or written to."`

	// AliasPrefix and AliasDigits are the numbers given to subscribers without one.
	AliasPrefix string `yaml:"alias_prefix" doc:"E.164 prefix of the numbers given to subscribers without a tel: address. No subscriber may own a number in this range."`
	AliasDigits int    `yaml:"alias_digits" doc:"Digits after alias_prefix."`
	// AliasDomain is the domain of accounts given to subscribers without one.
	AliasDomain string `yaml:"alias_domain" doc:"Domain of the addresses given to subscribers without a sip: address. Nobody signs in there and no subscriber may own an address in it."`

	// MaxSubscribers bounds what this node keeps in memory.
	MaxSubscribers int `yaml:"max_subscribers" doc:"Subscribers the directory holds at most."`
	// MaxMatrixUsers bounds the subscribers that are made without the operator.
	MaxMatrixUsers int `yaml:"max_matrix_users" doc:"Of those, users of matrix_servers at most."`
	// FailedSignIns and FailedSignInsPerMinute are a token bucket per account.
	FailedSignIns          int `yaml:"failed_sign_ins" doc:"Failed sign-ins in a row after which an account is refused without a look at its password."`
	FailedSignInsPerMinute int `yaml:"failed_sign_ins_per_minute" doc:"Failed sign-ins an account gets back each minute."`
	// Workers and Queue bound the questions in work.
	Workers int `yaml:"workers" doc:"Sign-ins answered at the same time, and as many other questions."`
	Queue   int `yaml:"queue" doc:"Sign-ins that may wait, and as many other questions; further ones are told to retry. A quarter as many may wait for an issuer's keys."`
}

// Subscriber is one person or device with addresses and credentials.
type Subscriber struct {
	ID          string   `yaml:"id" json:"id" doc:"Name of the subscriber inside the exchange: 1 to 64 of letters, digits and ._@+-"`
	DisplayName string   `yaml:"display_name" json:"display_name,omitempty" doc:"Shown to the people called."`
	Addresses   []string `yaml:"addresses" json:"addresses,omitempty" doc:"Addresses that name the subscriber, the preferred one first: tel:+12025550101, sip:alice@example.org, matrix:u/alice:example.org"`
	Phone       string   `yaml:"phone" json:"phone,omitempty" doc:"The address that is \"the phone\", where calls are pushed to: any address, also of another subscriber. By default the first tel: address, else the first address."`
	Password    string   `yaml:"password" json:"password,omitempty" secret:"true" doc:"Password of every sip: address in a served domain. Only its digest is stored."`
	Digests     []string `yaml:"digests" json:"digests,omitempty" secret:"true" doc:"Instead of a password: lines user:domain:HA1 as htdigest writes them, HA1 = md5(user:domain:password)."`
	Tokens      []string `yaml:"tokens" json:"tokens,omitempty" secret:"true" doc:"Bearer tokens that sign in as this subscriber. Only their SHA-256 is stored; use long random ones."`
}

// ServiceToken acts for several subscribers.
type ServiceToken struct {
	Name        string   `yaml:"name" json:"name" doc:"Names the token in logs: 1 to 64 of letters, digits and ._@+-"`
	Token       string   `yaml:"token" json:"token,omitempty" secret:"true" doc:"The bearer token; or else client."`
	Client      string   `yaml:"client" json:"client,omitempty" doc:"Instead of a token: the product's client id, in the client_claim of tokens that an issuer of directory.jwt makes."`
	Issuer      string   `yaml:"issuer" json:"issuer,omitempty" doc:"The issuer of the client's tokens; may be left out where there is one."`
	All         bool     `yaml:"all" json:"all,omitempty" doc:"Acts for every subscriber."`
	Subscribers []string `yaml:"subscribers" json:"subscribers,omitempty" doc:"Ids of the subscribers it acts for, unless all is set."`
}

// Defaults gives the configuration of an empty directory.
func Defaults() Config {
	return Config{
		AliasPrefix:            "+1555",
		AliasDigits:            7,
		AliasDomain:            "alias.invalid",
		MaxSubscribers:         100_000,
		MaxMatrixUsers:         20_000,
		FailedSignIns:          10,
		FailedSignInsPerMinute: 10,
		Workers:                2,
		Queue:                  1024,
		Wake:                   defaultWake(),
	}
}

// Validate reports everything that cannot work, each with its path, joined.
func (c Config) Validate() error {
	var errs []error
	bad := func(path, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	}
	for i, d := range c.Domains {
		if !validDomain(d) {
			bad(fmt.Sprintf("domains[%d]", i), "%q is not a lower-case domain name", d)
		}
		if d == c.AliasDomain {
			bad(fmt.Sprintf("domains[%d]", i), "%q is the alias_domain, where nobody signs in", d)
		}
	}
	for i, name := range c.MatrixServers {
		if a, err := schema.ParseAddress("matrix:u/a:" + name); err != nil || a.Domain() != name {
			bad(fmt.Sprintf("matrix_servers[%d]", i), "%q is not a Matrix server's name", name)
		}
	}
	if !validDomain(c.AliasDomain) {
		bad("alias_domain", "%q is not a lower-case domain name", c.AliasDomain)
	}
	prefix, ok := strings.CutPrefix(c.AliasPrefix, "+")
	if !ok || !allDigits(prefix) || strings.HasPrefix(prefix, "0") {
		bad("alias_prefix", "%q is not the beginning of an E.164 number (+1555)", c.AliasPrefix)
	}
	// E.164 allows 15 digits in all.
	if c.AliasDigits < 1 || len(prefix)+c.AliasDigits > 15 {
		bad("alias_digits", "%d digits after %s do not make an E.164 number", c.AliasDigits, c.AliasPrefix)
	} else if math.Pow10(c.AliasDigits) < 2*float64(c.MaxSubscribers) {
		bad("alias_digits", "%d digits are too few for max_subscribers %d (half the range stays free)", c.AliasDigits, c.MaxSubscribers)
	}
	for _, p := range []struct {
		path     string
		v, limit int
	}{
		{"max_subscribers", c.MaxSubscribers, 10_000_000},
		{"max_matrix_users", c.MaxMatrixUsers, 10_000_000},
		{"failed_sign_ins", c.FailedSignIns, 1_000_000},
		{"failed_sign_ins_per_minute", c.FailedSignInsPerMinute, 1_000_000},
		{"workers", c.Workers, 1024},
		{"queue", c.Queue, 1_000_000},
	} {
		if p.v < 1 || p.v > p.limit {
			bad(p.path, "must be 1 to %d, is %d", p.limit, p.v)
		}
	}
	if len(c.Subscribers) > c.MaxSubscribers {
		bad("subscribers", "%d are more than max_subscribers %d", len(c.Subscribers), c.MaxSubscribers)
	}
	errs = append(errs, c.validateJWT()...)
	errs = append(errs, prefixed("wake", c.Wake.validate())...)
	if _, err := c.compile(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
