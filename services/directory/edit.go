package directory

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Listed is a subscriber as shown to the operator: no credentials.
type Listed struct {
	ID          string   `json:"id"`
	DisplayName string   `json:"display_name,omitempty"`
	Addresses   []string `json:"addresses,omitempty"`
	Aliases     []string `json:"aliases,omitempty"`
	Phone       string   `json:"phone,omitempty"`
	// Accounts are the addresses that can sign in with a password.
	Accounts []string `json:"accounts,omitempty"`
	// Tokens is how many bearer tokens sign in as the subscriber.
	Tokens int `json:"tokens,omitempty"`
	// Source is "config", "admin", or "matrix" for a user of a listed Matrix server
	// that was heard of.
	Source string `json:"source"`
}

// List gives all subscribers in order of their ids, from memory.
func (s *Service) List() []Listed {
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	out := make([]Listed, 0, len(s.cache.subs))
	for _, r := range s.cache.subs {
		out = append(out, Listed{
			ID: r.ID, DisplayName: r.DisplayName, Addresses: slices.Clone(r.Addresses), Aliases: slices.Clone(r.Aliases),
			Phone: r.Phone, Accounts: slices.Sorted(maps.Keys(r.HA1)), Tokens: len(r.Tokens), Source: r.Source,
		})
	}
	slices.SortFunc(out, func(a, b Listed) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Put adds or replaces a subscriber while the directory runs and returns once
// this node answers by it. Errors: CODE_INVALID with the field, CODE_CONFLICT
// for an address or token of somebody else, CODE_REJECTED for a subscriber that
// the configuration defines, CODE_OVERLOAD, CODE_RETRY.
func (s *Service) Put(ctx context.Context, sub Subscriber) error {
	if err := s.running(); err != nil {
		return err
	}
	r, err := s.cfg.record(sub, sourceAdmin)
	if err != nil {
		return err
	}
	if err := s.roomFor(r); err != nil {
		return err
	}
	if _, err := s.store.put(ctx, r, editable(sub.ID)); err != nil {
		return err
	}
	return s.catchUp(ctx)
}

// Remove deletes a subscriber while the directory runs and returns once this
// node answers by it. Errors: CODE_NOT_FOUND, CODE_REJECTED for one that the
// configuration defines, CODE_RETRY.
func (s *Service) Remove(ctx context.Context, id string) error {
	if err := s.running(); err != nil {
		return err
	}
	err := s.store.remove(ctx, id, func(old *subscriberRecord) error {
		if old == nil {
			return schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no subscriber %q", id)
		}
		return editable(id)(old)
	})
	if err != nil {
		return err
	}
	return s.catchUp(ctx)
}

func editable(id string) func(*subscriberRecord) error {
	return func(old *subscriberRecord) error {
		if old != nil && old.Source == sourceConfig {
			return schema.Errorf(callv1.Code_CODE_REJECTED, "subscriber %q is defined by the configuration: change it there", id)
		}
		return nil
	}
}

func (s *Service) running() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.serving {
		return schema.Errorf(callv1.Code_CODE_RETRY, "the directory is not running")
	}
	return nil
}

// roomFor checks what only the whole directory can tell.
func (s *Service) roomFor(r *subscriberRecord) error {
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	if s.cache.subs[r.ID] == nil && len(s.cache.subs) >= s.cfg.MaxSubscribers {
		return schema.Errorf(callv1.Code_CODE_OVERLOAD, "the directory holds max_subscribers %d already", s.cfg.MaxSubscribers)
	}
	for _, text := range r.Tokens {
		h, _ := parseTokenHash(text)
		for _, o := range s.cache.tokens[h] {
			if o.subscriber != r.ID {
				return schema.Errorf(callv1.Code_CODE_CONFLICT, "a token of subscriber %q is in use already", r.ID)
			}
		}
	}
	return nil
}
