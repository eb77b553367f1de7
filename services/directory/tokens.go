package directory

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// TokenVerifier checks the signed tokens of the issuers in Config.JWT.
type TokenVerifier interface {
	// Verify gives what a token says once its signature, issuer, audience, times
	// and scope are right. It does not block: if the key that signed the token may
	// be had by asking the issuer, token and error are nil, and fetched is closed
	// when that has been tried and Verify is to be asked again.
	// Errors: CODE_UNAUTHENTICATED, CODE_FORBIDDEN for a right token without the
	// scope, CODE_RETRY while the issuer's keys cannot be had. Their text says
	// what is wrong and holds nothing of the token.
	Verify(token string, now time.Time) (t *Token, fetched <-chan struct{}, err error)
	// Run keeps the issuers' keys current until ctx ends.
	Run(ctx context.Context)
}

// Token is what a verified token says of whom it is for.
type Token struct {
	// Issuer is who made it.
	Issuer string
	// Number is the canonical tel: address that the token is bound to.
	Number string
	// Subscriber is the text of the claim that names one.
	Subscriber string
	// Client is the product that the token was given to.
	Client string
	// Covers are the canonical tel: addresses that a product's token may act for.
	Covers []string
}

// keyWait is how long a sign-in waits for an issuer's keys: less than an adapter
// waits for the directory.
const keyWait = 2 * time.Second

// looksSigned tells a signed token from one that is listed: the compact form of
// RFC 7515 section 7.1, whose header is a JSON object.
func looksSigned(token string) bool {
	return strings.HasPrefix(token, "ey") && strings.Count(token, ".") == 2
}

// admit decides for whom a verified token acts.
func (s *Service) admit(t *Token, msisdn string) (*callv1.Principal, error) {
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	number := telOf(msisdn)
	asked := s.cache.owner(number)
	if msisdn != "" && asked == nil {
		return nil, errNotCovered
	}
	named, address, err := s.namedBy(t.Subscriber)
	if err != nil {
		return nil, err
	}
	if t.Number != "" { // a user's token: it binds its number
		r := s.cache.owner(t.Number)
		if r == nil || msisdn != "" && number != t.Number || named != nil && named != r {
			return nil, errNotCovered
		}
		return s.principal(r, t.Number), nil
	}
	if named != nil { // a user's token: it names its subscriber
		switch {
		case msisdn != "" && asked != named:
			return nil, errNotCovered
		case number != "":
			address = number
		case address == "":
			address = first(s.cache.party(named).GetAddresses(), schemeTel)
		}
		return s.principal(named, address), nil
	}
	service := s.cache.clients[client{t.Issuer, t.Client}]
	switch {
	case service == nil && len(t.Covers) == 0:
		return nil, errNamesNobody
	case msisdn == "":
		return nil, errNoNumber
	case service != nil && service.covers(asked.ID), slices.Contains(t.Covers, number):
		return s.principal(asked, number), nil
	}
	return nil, errNotCovered
}

// namedBy gives the subscriber that a claim names, and its address if it names
// one by that; nil if the claim names nobody. A text that is one subscriber's id
// and another's address is nobody's. The caller holds the cache's mu.
func (s *Service) namedBy(text string) (r *subscriberRecord, address string, err error) {
	if text == "" {
		return nil, "", nil
	}
	byID := s.cache.subs[text]
	for _, form := range []string{text, schemeSIP + text} {
		a, err := canonical(form)
		if err != nil {
			continue
		}
		if r = s.cache.owner(a); r != nil {
			address = a
			break
		}
	}
	switch {
	case byID == nil:
		return r, address, nil
	case r != nil && r != byID:
		return nil, "", errAmbiguous
	}
	return byID, address, nil
}

// verified answers for a signed token. If its issuer's keys have to be fetched
// first, the answer comes later, by a goroutine of its own.
func (s *Service) verified(ctx context.Context, w question, c *callv1.Bearer) {
	finish := func(t *Token, err error) {
		var p *callv1.Principal
		if err == nil {
			p, err = s.admit(t, c.GetMsisdn())
		}
		s.signedIn(ctx, w, p, s.refuseToken(c, err, time.Now()))
	}
	if key := tokenKey(c.GetToken()); !s.tokenLimiter.Allowed(key, time.Now()) {
		s.signedIn(ctx, w, nil, errTokenLimited)
		return
	}
	t, fetched, err := s.tokens.Verify(c.GetToken(), time.Now())
	if fetched == nil {
		finish(t, err)
		return
	}
	if !s.fetching.run(func() { finish(s.await(ctx, c.GetToken(), fetched)) }) {
		s.signedIn(ctx, w, nil, errBusy)
	}
}

// await verifies a token once its issuer's keys were fetched.
func (s *Service) await(ctx context.Context, token string, fetched <-chan struct{}) (t *Token, err error) {
	ctx, cancel := context.WithTimeout(ctx, keyWait)
	defer cancel()
	for fetched != nil {
		select {
		case <-fetched:
		case <-ctx.Done():
			return nil, errKeysAway
		}
		t, fetched, err = s.tokens.Verify(token, time.Now())
	}
	return t, err
}

// refuseToken counts a wrong token, once as itself and once for the number that
// it was presented with. A right one is taken whatever was counted for its
// number: a stranger cannot lock a number out.
func (s *Service) refuseToken(c *callv1.Bearer, err error, now time.Time) error {
	if schema.CodeOf(err) != callv1.Code_CODE_UNAUTHENTICATED {
		return err
	}
	for _, key := range []string{tokenKey(c.GetToken()), telOf(c.GetMsisdn())} {
		if key == "" {
			continue
		}
		if !s.tokenLimiter.Allowed(key, now) {
			return errTokenLimited
		}
		s.tokenLimiter.Failed(key, now)
	}
	return err
}

// tokenKey is what a token is counted by.
func tokenKey(token string) string {
	h := hashToken(token)
	return string(h[:])
}
