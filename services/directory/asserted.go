package directory

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"slices"
	"strings"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Of users whom an adapter's protocol vouches for, those of the servers in
// Config.MatrixServers need no entry in the configuration: their record is made
// when they are first heard of. It is an ordinary subscriber's, but gives way to
// one who is given its address by other means.

// maxMatrixName is how much of a user's localpart its subscriber id repeats.
const maxMatrixName = 32

// matrixID makes a Matrix user's subscriber id: the localpart, for a reader, and
// 80 bits of a hash, which tells it from everybody else.
func matrixID(a schema.Address) string {
	name := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '.' || c == '_' || c == '-' {
			return c
		}
		return '-'
	}, strings.ToLower(a.User()))
	sum := sha256.Sum256([]byte("tandem matrix v1 " + a.MatrixID()))
	return "mx." + name[:min(len(name), maxMatrixName)] + "." + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

// isOwn reports whether a record was made for a Matrix user that was heard of.
func (r *subscriberRecord) isOwn() bool { return r.Source == sourceMatrix }

// asserted answers for a user that an adapter vouches for. If a record has to be
// written first, the answer comes later, by a goroutine of its own.
func (s *Service) asserted(ctx context.Context, w question, c *callv1.Asserted) {
	a, err := schema.ParseAddress(c.GetAddress())
	if err != nil {
		s.signedIn(ctx, w, nil, schema.Invalid("authenticate.credentials.asserted.address", "not an address URI"))
		return
	}
	if !schema.MayAssert(w.from.GetKind(), a.Scheme()) {
		s.signedIn(ctx, w, nil, errNoVoucher)
		return
	}
	name := schema.CleanText(c.GetDisplayName(), maxName-1)
	p, stale, err := s.known(a, name)
	if err != nil || !stale {
		s.signedIn(ctx, w, p, err)
		return
	}
	if !s.writing.run(func() {
		p, err := s.enrol(ctx, a, name)
		s.signedIn(ctx, w, p, err)
	}) {
		s.signedIn(ctx, w, nil, errBusy)
	}
}

// known gives whom an asserted address names, if it may sign in; stale says that
// a record is to be made or renamed first.
func (s *Service) known(a schema.Address, name string) (p *callv1.Principal, stale bool, err error) {
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	r := s.cache.owner(a.String())
	switch {
	case r != nil && !r.isOwn():
		return s.principal(r, a.String()), false, nil
	case !slices.Contains(s.cfg.MatrixServers, a.Domain()):
		return nil, false, errNotVouched
	case r == nil && (s.cache.matrix >= s.cfg.MaxMatrixUsers || len(s.cache.subs) >= s.cfg.MaxSubscribers):
		return nil, false, errMatrixFull
	case r == nil, name != "" && r.DisplayName != name, !s.cache.whole(r): // not made, renamed, or half made by another node
		return nil, true, nil
	}
	return s.principal(r, a.String()), false, nil
}

// enrol makes or renames a Matrix user's record and gives whom the address names
// then, who may be another subscriber that was given it meanwhile. It blocks for a
// few round trips.
func (s *Service) enrol(ctx context.Context, a schema.Address, name string) (*callv1.Principal, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	r, err := s.cfg.record(Subscriber{ID: matrixID(a), DisplayName: name, Addresses: []string{a.String()}}, sourceMatrix)
	if err != nil {
		return nil, err
	}
	last, err := s.store.put(ctx, r, func(old *subscriberRecord) error {
		if old == nil {
			return nil
		}
		if !old.isOwn() || !old.lists(a.String()) {
			return errNotVouched // the operator gave the id to somebody else
		}
		r.Phone = old.Phone // may have been set by the operator
		if name == "" {
			r.DisplayName = old.DisplayName
		}
		return nil
	})
	switch {
	case err == nil:
		err = s.cache.await(ctx, last)
	case schema.CodeOf(err) == callv1.Code_CODE_CONFLICT: // see whose it is
		err = s.catchUp(ctx)
	}
	var refusal *schema.Error
	if err != nil && !errors.As(err, &refusal) {
		return nil, schema.Errorf(callv1.Code_CODE_RETRY, "writing a subscriber: %w", err)
	}
	if err != nil {
		return nil, err
	}
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	owner := s.cache.owner(a.String())
	if owner == nil || owner.isOwn() && !s.cache.whole(owner) {
		return nil, errEnrolling
	}
	return s.principal(owner, a.String()), nil
}

// retire removes the records of Matrix users whose server is no longer listed,
// and gives how many there were.
func (s *Service) retire(ctx context.Context, subs map[string]*subscriberRecord) (n int, err error) {
	for id, r := range subs {
		if !r.isOwn() || slices.ContainsFunc(r.Addresses, s.listedServer) {
			continue
		}
		if err := s.store.remove(ctx, id, ownOnly); err != nil && !errors.Is(err, errKeep) {
			return n, err
		}
		delete(subs, id)
		n++
	}
	return n, nil
}

func (s *Service) listedServer(address string) bool {
	a, err := schema.ParseAddress(address)
	return err == nil && a.IsMatrix() && slices.Contains(s.cfg.MatrixServers, a.Domain())
}

// ownOnly lets a record go that was made for a Matrix user.
func ownOnly(old *subscriberRecord) error {
	if old != nil && !old.isOwn() {
		return errKeep
	}
	return nil
}
