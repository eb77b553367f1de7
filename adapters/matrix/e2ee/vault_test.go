package e2ee

import (
	"errors"
	"net/http"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/matrix/e2ee/storetest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func openVault(t *testing.T, store *storetest.Node, secret, user string) *vault {
	t.Helper()
	v, err := newVault(store, []byte(secret), user, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVault(t *testing.T) {
	t.Parallel()
	ctx, data := t.Context(), &storetest.Data{}
	v := openVault(t, data.Open(-1, false), "a secret of the service", "@a:example.org")
	revision, err := v.save(ctx, "x/y", []byte("plain text"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if data.Contains("plain text") || data.Contains("example.org") {
		t.Error("the store has it in clear")
	}
	if got, r, err := v.load(ctx, "x/y"); string(got) != "plain text" || r != revision || err != nil {
		t.Errorf("load: %q, %d, %v", got, r, err)
	}
	for _, other := range []*vault{
		openVault(t, data.Open(-1, false), "another secret of it", "@a:example.org"),
		openVault(t, data.Open(-1, false), "a secret of the service", "@b:example.org"),
	} {
		if got, _, err := other.load(ctx, "x/y"); got != nil || err != nil {
			t.Errorf("another's vault: %q, %v", got, err)
		}
	}
	if err := v.remove(ctx, "x/y", revision); err != nil {
		t.Fatal(err)
	}
	if keys, _ := data.Keys(""); len(keys) != 0 {
		t.Errorf("left behind: %v", keys)
	}
	if _, err := v.save(ctx, "x/y", []byte("again"), 0); err != nil {
		t.Errorf("a name used again: %v", err)
	}
}

// What was sealed for one name cannot be read under another.
func TestVaultSealsNames(t *testing.T) {
	t.Parallel()
	ctx, data := t.Context(), &storetest.Data{}
	store := data.Open(-1, false)
	v := openVault(t, store, "a secret of the service", "@a:example.org")
	if _, err := v.save(ctx, "x", []byte("plain"), 0); err != nil {
		t.Fatal(err)
	}
	sealed, _, err := store.Get(ctx, v.prefix+"x")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string][]byte{"moved": sealed, "short": sealed[:5], "bent": append([]byte{sealed[0] ^ 1}, sealed[1:]...)} {
		v := openVault(t, store, "a secret of the service", "@a:example.org")
		if _, err := store.Put(ctx, v.prefix+name, value, 0); err != nil {
			t.Fatal(err)
		}
		if got, _, err := v.load(ctx, name); schema.CodeOf(err) != callv1.Code_CODE_INTERNAL {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// After a failure nothing is written and nothing is sent.
func TestVaultFailsForGood(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, late := range []bool{false, true} {
		var told error
		data := &storetest.Data{}
		v, err := newVault(data.Open(1, late), []byte("a secret of the service"), "@a:example.org", func(err error) { told = err })
		if err != nil {
			t.Fatal(err)
		}
		sent := 0
		g := gate{v, roundTripper(func(*http.Request) (*http.Response, error) { sent++; return nil, errors.New("away") })}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.RoundTrip(req); sent != 1 { //nolint:bodyclose // there is none
			t.Errorf("not sent: %v", err)
		}
		for i := range 2 {
			_, err = v.save(ctx, "x", nil, uint64(i)) //nolint:gosec // small
		}
		if schema.CodeOf(err) != callv1.Code_CODE_RETRY || told == nil {
			t.Errorf("late %t: %v", late, err)
		}
		if _, _, err := v.load(ctx, "x"); err == nil {
			t.Error("it reads again")
		}
		if _, err := g.RoundTrip(req); sent != 1 || err == nil { //nolint:bodyclose // there is none
			t.Error("sent after the failure")
		}
	}
	v := openVault(t, (&storetest.Data{}).Open(-1, false), "a secret of the service", "@b:example.org")
	if _, err := v.save(ctx, "large", make([]byte, maxRecord), 0); err == nil {
		t.Error("a record that the store may refuse")
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
