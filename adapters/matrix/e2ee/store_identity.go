//go:build goolm

package e2ee

import (
	"context"
	"maps"

	"maunium.net/go/mautrix/id"
)

// PutCrossSigningKey implements crypto.Store. Others' identities decide nothing
// here, so they are not kept.
func (s *store) PutCrossSigningKey(context.Context, id.UserID, id.CrossSigningUsage, id.Ed25519) error {
	return nil
}

// GetCrossSigningKeys implements crypto.Store.
func (s *store) GetCrossSigningKeys(context.Context, id.UserID) (map[id.CrossSigningUsage]id.CrossSigningKey, error) {
	return map[id.CrossSigningUsage]id.CrossSigningKey{}, nil
}

// ResetMasterKeyTOFU implements crypto.Store.
func (s *store) ResetMasterKeyTOFU(context.Context, id.UserID, id.Ed25519) error { return nil }

// PutSignature implements crypto.Store. The user's own are kept, because they go
// into what we send.
func (s *store) PutSignature(ctx context.Context, signedUser id.UserID, signed id.Ed25519, signer id.UserID, key id.Ed25519, signature string) error {
	if signedUser != s.self || signer != s.self {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.record(ctx)
	if err != nil || r.val.Signatures[signed][key] == signature {
		return err
	}
	if r.val.Signatures == nil {
		r.val.Signatures = map[id.Ed25519]map[id.Ed25519]string{}
	}
	if r.val.Signatures[signed] == nil {
		r.val.Signatures[signed] = map[id.Ed25519]string{}
	}
	if len(r.val.Signatures) > maxOlmKeys || len(r.val.Signatures[signed]) > maxOlmKeys {
		return nil
	}
	r.val.Signatures[signed][key] = signature
	return s.accounts.put(ctx, r)
}

// GetSignaturesForKeyBy implements crypto.Store.
func (s *store) GetSignaturesForKeyBy(ctx context.Context, user id.UserID, key id.Ed25519, signer id.UserID) (map[id.Ed25519]string, error) {
	if user != s.self || signer != s.self {
		return map[id.Ed25519]string{}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.record(ctx)
	if err != nil {
		return nil, err
	}
	return maps.Clone(r.val.Signatures[key]), nil
}

// IsKeySignedBy implements crypto.Store.
func (s *store) IsKeySignedBy(ctx context.Context, user id.UserID, key id.Ed25519, signer id.UserID, signerKey id.Ed25519) (bool, error) {
	found, err := s.GetSignaturesForKeyBy(ctx, user, key, signer)
	_, ok := found[signerKey]
	return ok, err
}

// DropSignaturesByKey implements crypto.Store.
func (s *store) DropSignaturesByKey(context.Context, id.UserID, id.Ed25519) (int64, error) {
	return 0, nil
}

// PutSecret implements crypto.Store; no secrets are asked for.
func (s *store) PutSecret(context.Context, id.Secret, string) error { return errUnused }

// GetSecret implements crypto.Store; none is given away.
func (s *store) GetSecret(context.Context, id.Secret) (string, error) { return "", nil }

// DeleteSecret implements crypto.Store.
func (s *store) DeleteSecret(context.Context, id.Secret) error { return nil }
