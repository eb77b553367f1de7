package e2ee

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// storeTimeout bounds one use of the store.
const storeTimeout = 10 * time.Second

// maxRecord is the largest record that is stored, sealed.
const maxRecord = 900 << 10

// vault holds one user's records in the adapter's store, each sealed and bound to
// its name. After the first failure, whatever it was, it does nothing any more:
// what is in the store is then not known to be what its user believes, and the
// user must begin anew with another vault.
type vault struct {
	store  kit.Store
	prefix string
	aead   cipher.AEAD
	onFail func(error)

	mu  sync.Mutex
	err error
}

// derive gives n bytes that follow from the secret, for one purpose and user.
func derive(secret []byte, purpose, user string, n int) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, nil, "tandem matrix "+purpose+"\x00"+user, n)
}

// fingerprint is a name for what may not be one: 20 characters.
func fingerprint(s string) string {
	sum := sha256.Sum256([]byte(s))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:20])
}

func newVault(store kit.Store, secret []byte, user string, onFail func(error)) (*vault, error) {
	key, err := derive(secret, "seal", user, 32)
	if err != nil {
		return nil, err
	}
	mark, err := derive(secret, "place", "", 16)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &vault{store: store, aead: aead, onFail: onFail, prefix: "olm/" + fingerprint(string(mark)) + "/" + fingerprint(user) + "/"}, nil
}

// failed gives the failure after which nothing is done any more.
func (v *vault) failed() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

// fail makes err the vault's failure, unless it has one, and returns that.
func (v *vault) fail(err error) error {
	v.mu.Lock()
	first := v.err == nil
	if first {
		v.err = err
	}
	err = v.err
	v.mu.Unlock()
	if first && v.onFail != nil {
		v.onFail(err)
	}
	return err
}

// detached lets a use of the store go on although its caller gives up: its
// outcome must be known.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
}

// load reads a record: nil and the revision to save it with if it is not there.
func (v *vault) load(ctx context.Context, name string) (plain []byte, revision uint64, err error) {
	if err := v.failed(); err != nil {
		return nil, 0, err
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	sealed, revision, err := v.store.Get(ctx, v.prefix+name)
	switch {
	case schema.CodeOf(err) == callv1.Code_CODE_NOT_FOUND:
		return nil, 0, nil
	case err != nil:
		return nil, 0, v.fail(err)
	case len(sealed) == 0: // see remove
		return nil, revision, nil
	case len(sealed) < v.aead.NonceSize():
		return nil, 0, v.fail(v.corrupt(name))
	}
	nonce, sealed := sealed[:v.aead.NonceSize()], sealed[v.aead.NonceSize():]
	plain, err = v.aead.Open(nil, nonce, sealed, []byte(v.prefix+name))
	if err != nil {
		return nil, 0, v.fail(v.corrupt(name))
	}
	return plain, revision, nil
}

func (v *vault) corrupt(name string) error {
	return schema.Errorf(callv1.Code_CODE_INTERNAL, "the record %s cannot be opened", v.prefix+name)
}

// save writes a record that must still have the revision.
func (v *vault) save(ctx context.Context, name string, plain []byte, revision uint64) (uint64, error) {
	if err := v.failed(); err != nil {
		return 0, err
	}
	nonce := make([]byte, v.aead.NonceSize(), v.aead.NonceSize()+len(plain)+v.aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return 0, v.fail(err)
	}
	sealed := v.aead.Seal(nonce, nonce, plain, []byte(v.prefix+name))
	if len(sealed) > maxRecord {
		return 0, v.fail(schema.Errorf(callv1.Code_CODE_INTERNAL, "the record %s has %d bytes", v.prefix+name, len(sealed)))
	}
	return v.put(ctx, name, sealed, revision)
}

func (v *vault) put(ctx context.Context, name string, sealed []byte, revision uint64) (uint64, error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	revision, err := v.store.Put(ctx, v.prefix+name, sealed, revision)
	switch {
	case schema.CodeOf(err) == callv1.Code_CODE_CONFLICT:
		return 0, v.fail(schema.Errorf(callv1.Code_CODE_CONFLICT, "another node has written %s: %w", v.prefix+name, err))
	case err != nil:
		return 0, v.fail(err)
	}
	return revision, nil
}

// remove removes a record that must still have the revision. The store removes
// whatever is there, so it is emptied first.
func (v *vault) remove(ctx context.Context, name string, revision uint64) error {
	if err := v.failed(); err != nil {
		return err
	}
	if _, err := v.put(ctx, name, nil, revision); err != nil {
		return err
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	if err := v.store.Delete(ctx, v.prefix+name); err != nil {
		return v.fail(err)
	}
	return nil
}
