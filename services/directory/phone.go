package directory

import (
	"context"
	"strings"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// phone says which address is a subscriber's phone and whom it names. It never
// blocks.
func (s *Service) phone(id string, reply *callv1.DirectoryReply) error {
	s.cache.mu.RLock()
	r := s.cache.subs[id]
	address := ""
	if r != nil {
		address = s.phoneOf(r)
	}
	s.cache.mu.RUnlock()
	if address == "" {
		return errNoPhone
	}
	party, err := s.resolve(address)
	if err != nil {
		return errNoPhone
	}
	reply.Address, reply.Party, reply.Wakes = address, party, s.wakes(party.GetSubscriber())
	return nil
}

// phoneOf gives the address that was set, or else the number that a subscriber
// has at least as an alias. The caller holds the cache's mu.
func (s *Service) phoneOf(r *subscriberRecord) string {
	if r.Phone != "" {
		return r.Phone
	}
	return first(s.cache.party(r).GetAddresses(), schemeTel)
}

// SetPhone makes an address a subscriber's phone while the directory runs and
// returns once this node answers by it; an empty address is the default again.
// Errors: CODE_INVALID, CODE_NOT_FOUND, CODE_REJECTED for a subscriber that the
// configuration defines, CODE_RETRY.
func (s *Service) SetPhone(ctx context.Context, id, address string) error {
	if err := s.running(); err != nil {
		return err
	}
	if address = strings.TrimSpace(address); address != "" {
		a, err := canonical(address)
		if err != nil {
			return schema.Invalid("phone", "%q: %v", address, err)
		}
		address = a
	}
	err := s.store.change(ctx, id, func(r *subscriberRecord) error {
		if err := editable(id)(r); err != nil {
			return err
		}
		r.Phone = address
		if address == "" {
			r.Phone = defaultPhone(r.Addresses)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.catchUp(ctx)
}

// defaultPhone is the first number, or else the first address.
func defaultPhone(addresses []string) string {
	if tel := first(addresses, schemeTel); tel != "" || len(addresses) == 0 {
		return tel
	}
	return addresses[0]
}
