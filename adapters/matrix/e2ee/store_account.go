//go:build goolm

package e2ee

import (
	"context"

	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/olm"
	"maunium.net/go/mautrix/id"
)

// record gives the account's record, which may be changed under mu.
func (s *store) record(ctx context.Context) (*row[accountRecord], error) {
	return s.accounts.get(ctx, "account")
}

// device gives the present device, made anew if there was none: its name follows
// from its keys.
func (s *store) device(ctx context.Context) (accountRecord, error) {
	account, err := s.GetAccount(ctx)
	if err != nil {
		return accountRecord{}, err
	}
	if account == nil {
		account = crypto.NewOlmAccount()
		err = s.PutAccount(ctx, account)
		if err != nil {
			return accountRecord{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.record(ctx)
	if err != nil {
		return accountRecord{}, err
	}
	return *r.val, nil
}

// change changes the account's record and saves it.
func (s *store) change(ctx context.Context, f func(*accountRecord)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.record(ctx)
	if err != nil {
		return err
	}
	f(r.val)
	return s.accounts.put(ctx, r)
}

// PutAccount implements crypto.Store.
func (s *store) PutAccount(ctx context.Context, account *crypto.OlmAccount) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account = account
	if s.held != nil {
		s.dirty.account = true
		return nil
	}
	return s.saveAccount(ctx)
}

func (s *store) saveAccount(ctx context.Context) error {
	r, err := s.record(ctx)
	if err != nil {
		return err
	}
	pickle, err := s.account.Internal.Pickle(s.key)
	if err != nil {
		return s.v.fail(err)
	}
	if r.val.Device == "" {
		r.val.User = s.self
		r.val.Device = id.DeviceID("TANDEM" + fingerprint(string(s.account.IdentityKey()))[:10])
	}
	r.val.Pickle, r.val.Shared = string(pickle), s.account.Shared
	return s.accounts.put(ctx, r)
}

// GetAccount implements crypto.Store.
func (s *store) GetAccount(ctx context.Context) (*crypto.OlmAccount, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.account != nil {
		return s.account, s.v.failed()
	}
	r, err := s.record(ctx)
	if err != nil || !r.stored {
		return nil, err
	}
	internal, err := olm.AccountFromPickled([]byte(r.val.Pickle), s.key)
	if err != nil {
		return nil, s.v.fail(err)
	}
	s.account = &crypto.OlmAccount{Internal: internal, Shared: r.val.Shared}
	return s.account, nil
}

// claim makes owner the one that reads to-device messages and gives the token of
// where to go on.
func (s *store) claim(ctx context.Context, owner string) (next string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.syncs.get(ctx, "sync")
	if err != nil {
		return "", err
	}
	r.val.Owner = owner
	return r.val.Next, s.syncs.put(ctx, r)
}

// setNext remembers how far to-device messages have been read. It conflicts if
// another has claimed them.
func (s *store) setNext(ctx context.Context, next string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.syncs.get(ctx, "sync")
	if err != nil {
		return err
	}
	r.val.Next = next
	return s.syncs.put(ctx, r)
}
