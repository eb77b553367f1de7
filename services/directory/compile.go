package directory

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Limits of one entry, so that no entry outgrows a message.
const (
	maxAddresses   = 32
	maxTokens      = 32
	maxName        = 256
	maxCredential  = 4096
	maxTokenCovers = 10_000
)

// book is a configuration in the form that is stored.
type book struct {
	subscribers []*subscriberRecord
	services    []*serviceRecord
}

// compile checks all entries, each error with its path, and makes records.
func (c Config) compile() (*book, error) {
	b := &book{}
	var errs []error
	ids := map[string]bool{}
	owners := map[string]string{} // address → path
	tokens := map[string]string{} // token hash → path
	for i, s := range c.Subscribers {
		path := fmt.Sprintf("subscribers[%d]", i)
		r, err := c.record(s, sourceConfig)
		if err != nil {
			errs = append(errs, within(path, err))
			continue
		}
		if ids[r.ID] {
			errs = append(errs, fmt.Errorf("%s.id: subscriber %q is defined twice", path, r.ID))
		}
		ids[r.ID] = true
		for _, a := range r.Addresses {
			if other, taken := owners[a]; taken {
				errs = append(errs, fmt.Errorf("%s.addresses: %s belongs to %s already", path, a, other))
			}
			owners[a] = path
		}
		errs = append(errs, takeTokens(tokens, path+".tokens", r.Tokens...)...)
		b.subscribers = append(b.subscribers, r)
	}
	services, more := c.compileServices(tokens)
	b.services, errs = services, append(errs, more...)
	return b, errors.Join(errs...)
}

// compileServices checks the service tokens; tokens are those that are taken.
func (c Config) compileServices(tokens map[string]string) (out []*serviceRecord, errs []error) {
	names, clients := map[string]bool{}, map[client]string{}
	for i, t := range c.ServiceTokens {
		path := fmt.Sprintf("service_tokens[%d]", i)
		r, err := c.serviceRecord(t, sourceConfig)
		if err != nil {
			errs = append(errs, within(path, err))
			continue
		}
		if names[r.Name] {
			errs = append(errs, fmt.Errorf("%s.name: service token %q is defined twice", path, r.Name))
		}
		names[r.Name] = true
		if r.Client == "" {
			errs = append(errs, takeTokens(tokens, path+".token", r.Token)...)
		} else if other, taken := clients[r.clientOf()]; taken {
			errs = append(errs, fmt.Errorf("%s.client: the same client stands in %s", path, other))
		} else {
			clients[r.clientOf()] = path
		}
		out = append(out, r)
	}
	return out, errs
}

func takeTokens(taken map[string]string, path string, hashes ...string) (errs []error) {
	for _, h := range hashes {
		if other, is := taken[h]; is {
			errs = append(errs, fmt.Errorf("%s: the same token stands in %s", path, other))
		}
		taken[h] = path
	}
	return errs
}

// record checks one subscriber and gives its stored form; an error is a
// *schema.Error with the field, or several joined.
func (c Config) record(s Subscriber, source string) (*subscriberRecord, error) {
	var errs []error
	bad := func(field, format string, args ...any) { errs = append(errs, schema.Invalid(field, format, args...)) }

	if !validName(s.ID) {
		bad("id", "%q is not 1 to 64 of letters, digits and ._@+-", s.ID)
	}
	if len(s.DisplayName) > maxName || strings.ContainsFunc(s.DisplayName, isControl) {
		bad("display_name", "longer than %d bytes, or with control characters", maxName)
	}
	if len(s.Addresses) > maxAddresses {
		bad("addresses", "more than %d", maxAddresses)
	}
	r := &subscriberRecord{ID: s.ID, DisplayName: s.DisplayName, Source: source}
	for i, text := range s.Addresses {
		field := fmt.Sprintf("addresses[%d]", i)
		a, err := canonical(text)
		switch {
		case err != nil:
			bad(field, "%q: %v", text, err)
		case c.reserved(a):
			bad(field, "%s lies in the range or domain kept for aliases", a)
		case slices.Contains(r.Addresses, a):
			bad(field, "%s is listed twice", a)
		default:
			r.Addresses = append(r.Addresses, a)
		}
	}
	if s.Phone != "" {
		a, err := canonical(s.Phone)
		if err != nil {
			bad("phone", "%q: %v", s.Phone, err)
		}
		r.Phone = a // anybody's, or nobody's yet: a push finds out
	} else {
		r.Phone = defaultPhone(r.Addresses)
	}
	errs = append(errs, c.proofs(s, r)...)
	return r, errors.Join(errs...)
}

// proofs puts a subscriber's credentials into its record.
func (c Config) proofs(s Subscriber, r *subscriberRecord) (errs []error) {
	bad := func(field, format string, args ...any) { errs = append(errs, schema.Invalid(field, format, args...)) }
	r.HA1 = map[string]string{}
	if s.Password != "" {
		for _, a := range r.Addresses {
			if user, domain, ok := splitSIP(a); ok && slices.Contains(c.Domains, domain) {
				r.HA1[a] = makeHA1(user, domain, s.Password).String()
			}
		}
		if len(r.HA1) == 0 {
			bad("password", "the subscriber has no sip: address in a served domain that it could be for")
		}
		if len(s.Password) > maxCredential {
			bad("password", "longer than %d bytes", maxCredential)
		}
	}
	for i, line := range s.Digests {
		field := fmt.Sprintf("digests[%d]", i)
		user, realm, h, ok := parseDigest(line)
		if !ok {
			bad(field, "not of the form user:domain:HA1 with 32 hex digits") // the line itself is a secret
			continue
		}
		a, err := canonical(schemeSIP + user + "@" + realm)
		switch {
		case err != nil || !slices.Contains(r.Addresses, a):
			bad(field, "%s@%s is none of the subscriber's sip: addresses", user, realm)
		case !slices.Contains(c.Domains, realm):
			bad(field, "the domain %s is not served", realm)
		case r.HA1[a] != "":
			bad(field, "%s has a password or digest already", a)
		default:
			r.HA1[a] = h.String()
		}
	}
	if len(s.Tokens) > maxTokens {
		bad("tokens", "more than %d", maxTokens)
	}
	for i, t := range s.Tokens {
		if t == "" || len(t) > maxCredential {
			bad(fmt.Sprintf("tokens[%d]", i), "must be 1 to %d bytes", maxCredential)
			continue
		}
		r.Tokens = append(r.Tokens, hashToken(t).String())
	}
	return errs
}

// serviceRecord checks one service token and gives its stored form.
func (c Config) serviceRecord(t ServiceToken, source string) (*serviceRecord, error) {
	var errs []error
	bad := func(field, format string, args ...any) { errs = append(errs, schema.Invalid(field, format, args...)) }
	if !validName(t.Name) {
		bad("name", "%q is not 1 to 64 of letters, digits and ._@+-", t.Name)
	}
	r := &serviceRecord{Name: t.Name, Client: t.Client, Issuer: t.Issuer, All: t.All, Source: source}
	switch {
	case t.Client != "" && t.Token != "":
		bad("client", "beside a token: one of the two")
	case len(t.Client) > maxName:
		bad("client", "longer than %d bytes", maxName)
	case t.Client != "":
		if r.Issuer == "" && len(c.JWT) == 1 {
			r.Issuer = c.JWT[0].Issuer
		}
		if !slices.ContainsFunc(c.JWT, func(j JWTIssuer) bool { return j.Issuer == r.Issuer }) {
			bad("issuer", "%q is none of the issuers in jwt", r.Issuer)
		}
	case t.Issuer != "":
		bad("issuer", "is for a client's tokens")
	case t.Token == "" || len(t.Token) > maxCredential:
		bad("token", "must be 1 to %d bytes", maxCredential)
	default:
		r.Token = hashToken(t.Token).String()
	}
	if t.All == (len(t.Subscribers) > 0) {
		bad("subscribers", "either list subscribers or set all")
	}
	if len(t.Subscribers) > maxTokenCovers {
		bad("subscribers", "more than %d", maxTokenCovers)
	}
	for i, id := range t.Subscribers {
		if !validName(id) {
			bad(fmt.Sprintf("subscribers[%d]", i), "%q is no subscriber id", id)
		}
	}
	covers := slices.Clone(t.Subscribers)
	slices.Sort(covers)
	r.Subscribers = slices.Compact(covers)
	return r, errors.Join(errs...)
}

// within puts a path before every field of joined errors.
func within(path string, err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range joined.Unwrap() {
			out = append(out, within(path, e))
		}
		return errors.Join(out...)
	}
	var e *schema.Error
	if errors.As(err, &e) && e.Code == callv1.Code_CODE_INVALID {
		return fmt.Errorf("%s.%s: %s", path, e.Field, e.Message)
	}
	return fmt.Errorf("%s: %w", path, err)
}
