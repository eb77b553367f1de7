package directory

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// authenticate says who presented credentials. It does not block; an answer that
// needs an issuer's keys, or a record to be written, comes later.
func (s *Service) authenticate(ctx context.Context, w question) {
	c := w.q.GetAuthenticate().GetCredentials()
	var p *callv1.Principal
	err := error(errNoProof)
	switch proof := c.GetProof().(type) {
	case *callv1.Credentials_Ha1:
		p, err = s.checkHA1(proof.Ha1.GetAccount(), proof.Ha1.GetHa1(), time.Now())
	case *callv1.Credentials_Bearer:
		if s.tokens != nil && looksSigned(proof.Bearer.GetToken()) && !s.listed(proof.Bearer.GetToken()) {
			s.verified(ctx, w, proof.Bearer)
			return
		}
		p, err = s.checkBearer(proof.Bearer.GetToken(), proof.Bearer.GetMsisdn())
		err = s.refuseToken(proof.Bearer, err, time.Now())
	case *callv1.Credentials_Asserted:
		s.asserted(ctx, w, proof.Asserted)
		return
	}
	s.signedIn(ctx, w, p, err)
}

// listed reports whether a token is one of those the directory holds.
func (s *Service) listed(token string) bool {
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	return len(s.cache.tokens[hashToken(token)]) > 0
}

// signedIn answers a sign-in, counts it and writes it down.
func (s *Service) signedIn(ctx context.Context, w question, p *callv1.Principal, err error) {
	c := w.q.GetAuthenticate().GetCredentials()
	s.logSignIn(ctx, w.from, c, p, err)
	outcome := "ok"
	if err != nil {
		outcome = strings.ToLower(strings.TrimPrefix(schema.CodeOf(err).String(), "CODE_"))
	}
	s.metrics.SignIn(w.from.GetKind(), proofOf(c), outcome)
	w.respond(&callv1.DirectoryReply{Principal: p, Error: schema.ToProto(err)})
}

// proofOf names the kind of proof for metrics.
func proofOf(c *callv1.Credentials) string {
	switch {
	case c.GetHa1() != nil:
		return "ha1"
	case c.GetAsserted() != nil:
		return "asserted"
	case looksSigned(c.GetBearer().GetToken()):
		return "jwt"
	case c.GetBearer() != nil:
		return "token"
	}
	return "none"
}

// checkHA1 compares a digest. An account that does not exist takes the same
// path and time as a wrong password, the limit included.
func (s *Service) checkHA1(account, digest string, now time.Time) (*callv1.Principal, error) {
	address, err := canonical(schemeSIP + account)
	if err != nil {
		return nil, errCredentials
	}
	if !s.limiter.Allowed(address, now) {
		return nil, errLimited
	}
	_, domain, _ := splitSIP(address)
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	want, known := s.nobody, false
	r := s.cache.owner(address)
	if r != nil {
		if h, ok := parseHA1(r.HA1[address]); ok {
			want, known = h, true
		}
	}
	have, _ := parseHA1(strings.ToLower(digest)) // unreadable: zero, which is nobody's
	if same := want.equal(have); !same || !known || !slices.Contains(s.cfg.Domains, domain) {
		s.limiter.Failed(address, now)
		return nil, errCredentials
	}
	return s.principal(r, address), nil
}

// checkBearer looks a token up and decides for whom it acts.
func (s *Service) checkBearer(token, msisdn string) (*callv1.Principal, error) {
	if token == "" {
		return nil, errNoProof
	}
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	holders := s.cache.tokens[hashToken(token)]
	if len(holders) != 1 { // unknown, or of two: whose it is cannot be said
		return nil, errCredentials
	}
	number := telOf(msisdn)
	var named *subscriberRecord
	if number != "" {
		named = s.cache.owner(number)
	}
	if service := s.cache.services[holders[0].service]; service != nil {
		switch {
		case msisdn == "":
			return nil, errNoNumber
		case named == nil || !service.covers(named.ID):
			return nil, errNotCovered
		}
		return s.principal(named, number), nil
	}
	r := s.cache.subs[holders[0].subscriber]
	switch {
	case r == nil:
		return nil, errCredentials
	case msisdn == "":
		// The token binds a number by itself: the subscriber's first, or its alias.
		return s.principal(r, first(s.cache.party(r).GetAddresses(), schemeTel)), nil
	case named != r:
		return nil, errNotCovered
	}
	return s.principal(r, number), nil
}

// covers reports whether a service token acts for a subscriber.
func (r *serviceRecord) covers(id string) bool {
	if r.All {
		return true
	}
	_, found := slices.BinarySearch(r.Subscribers, id)
	return found
}

// principal is the subscriber with the address its credentials were for first.
// The caller holds the cache's mu.
func (s *Service) principal(r *subscriberRecord, address string) *callv1.Principal {
	p := s.cache.party(r)
	if address != "" {
		p.Addresses = slices.DeleteFunc(p.Addresses, func(a string) bool { return a == address })
		p.Addresses = slices.Insert(p.Addresses, 0, address)
	}
	return &callv1.Principal{Subscriber: r.ID, Party: p}
}

// resolve says whom an address names. It never blocks.
func (s *Service) resolve(address string) (*callv1.Party, error) {
	a, err := schema.ParseAddress(address)
	if err != nil {
		return nil, schema.Invalid("resolve.address", "not an address URI")
	}
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	r := s.cache.owner(a.String())
	if r == nil && a.IsSIP() && s.serves(a.Domain()) {
		// A number dialled in a SIP client's form: sip:+12025550101@domain.
		if n, err := schema.ParseDialled(a.AOR(), ""); err == nil && n.IsTel() {
			r = s.cache.owner(n.String())
		}
	}
	if r == nil {
		return nil, errNobody
	}
	return s.cache.party(r), nil
}

// serves reports whether addresses of a SIP domain are the directory's own.
func (s *Service) serves(domain string) bool {
	return slices.Contains(s.cfg.Domains, domain) || domain == s.cfg.AliasDomain
}
