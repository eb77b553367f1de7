package directory

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-rtc/tandem/bus/membus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestAuthenticate(t *testing.T) {
	n := start(t, membus.NewServer(), config())
	ha1 := func(user, password string) string { return makeHA1(user, "example.org", password).String() }
	dave := n.number(t, "dave@home")
	tests := []struct {
		name  string
		c     *callv1.Credentials
		code  callv1.Code
		who   string
		first string
	}{
		{"password", digest("alice@example.org", ha1("alice", "wonderland")), 0, "alice", "sip:alice@example.org"},
		{"digest in upper case", digest("alice@example.org", strings.ToUpper(ha1("alice", "wonderland"))), 0, "alice", "sip:alice@example.org"},
		{"second account", digest("al@example.org", ha1("al", "wonderland")), 0, "alice", "sip:al@example.org"},
		{"domain in upper case", digest("alice@EXAMPLE.org", ha1("alice", "wonderland")), 0, "alice", "sip:alice@example.org"},
		{"htdigest line", digest("bob@example.org", ha1("bob", "builder")), 0, "bob", "sip:bob@example.org"},
		{"another's digest", digest("al@example.org", ha1("alice", "wonderland")), callv1.Code_CODE_UNAUTHENTICATED, "", ""},
		{"wrong password", digest("alice@example.org", ha1("alice", "mirror")), callv1.Code_CODE_UNAUTHENTICATED, "", ""},
		{"unknown account", digest("zoe@example.org", ha1("zoe", "wonderland")), callv1.Code_CODE_UNAUTHENTICATED, "", ""},
		{"zero digest of an unknown account", digest("zoe@example.org", strings.Repeat("0", 32)), callv1.Code_CODE_UNAUTHENTICATED, "", ""},
		{"empty digest", digest("alice@example.org", ""), callv1.Code_CODE_UNAUTHENTICATED, "", ""},
		{"password in clear", digest("alice@example.org", "wonderland"), callv1.Code_CODE_UNAUTHENTICATED, "", ""},
		{"account that is no address", digest("alice", ha1("alice", "wonderland")), callv1.Code_CODE_UNAUTHENTICATED, "", ""},
		{"account without a password", digest("dave-home@alias.invalid", ""), callv1.Code_CODE_UNAUTHENTICATED, "", ""},
		{"nothing", &callv1.Credentials{}, callv1.Code_CODE_UNAUTHENTICATED, "", ""},
		{"no credentials at all", nil, callv1.Code_CODE_UNAUTHENTICATED, "", ""},

		{"user token", bearer("alice-token", ""), 0, "alice", "tel:+12025550101"},
		{"user token with its number", bearer("alice-token", "+12025550101"), 0, "alice", "tel:+12025550101"},
		{"number without plus", bearer("alice-token", "12025550101"), 0, "alice", "tel:+12025550101"},
		{"user token with another's number", bearer("alice-token", "+12025550103"), callv1.Code_CODE_FORBIDDEN, "", ""},
		{"user token with nobody's number", bearer("alice-token", "+12025550199"), callv1.Code_CODE_FORBIDDEN, "", ""},
		{"user token with no number at all", bearer("alice-token", "alice"), callv1.Code_CODE_FORBIDDEN, "", ""},
		{"user token of one with an alias number", bearer("dave-token", ""), 0, "dave@home", dave},
		{"user token with its alias number", bearer("dave-token", strings.TrimPrefix(dave, "tel:")), 0, "dave@home", dave},
		{"unknown token", bearer("nobody's", ""), callv1.Code_CODE_UNAUTHENTICATED, "", ""},
		{"unknown token for a number", bearer("nobody's", "+12025550101"), callv1.Code_CODE_UNAUTHENTICATED, "", ""},
		{"empty token", bearer("", "+12025550101"), callv1.Code_CODE_UNAUTHENTICATED, "", ""},

		{"service token", bearer("some-token", "12025550103"), 0, "carol", "tel:+12025550103"},
		{"service token for another", bearer("some-token", "+12025550101"), 0, "alice", "tel:+12025550101"},
		{"service token for one it does not cover", bearer("some-token", strings.TrimPrefix(dave, "tel:")), callv1.Code_CODE_FORBIDDEN, "", ""},
		{"service token for nobody", bearer("some-token", "+12025550199"), callv1.Code_CODE_FORBIDDEN, "", ""},
		{"service token without a number", bearer("some-token", ""), callv1.Code_CODE_FORBIDDEN, "", ""},
		{"service token for all", bearer("all-token", strings.TrimPrefix(dave, "tel:")), 0, "dave@home", dave},
		{"service token for all and nobody", bearer("all-token", "+12025550199"), callv1.Code_CODE_FORBIDDEN, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := n.authenticate(tt.c)
			wantCode(t, err, tt.code)
			if got := p.GetSubscriber(); got != tt.who {
				t.Fatalf("subscriber %q, want %q", got, tt.who)
			}
			if tt.who == "" {
				return
			}
			party := p.GetParty()
			if party.GetSubscriber() != tt.who || party.GetAddresses()[0] != tt.first {
				t.Errorf("party %v, want %s first", party, tt.first)
			}
			if first(party.GetAddresses(), schemeTel) == "" || first(party.GetAddresses(), schemeSIP) == "" {
				t.Errorf("party %v lacks a tel: or sip: address", party)
			}
			if all := slices.Sorted(slices.Values(party.GetAddresses())); len(slices.Compact(all)) != len(party.GetAddresses()) {
				t.Errorf("party %v lists an address twice", party)
			}
		})
	}
}

// number gives a subscriber's first number.
func (n *node) number(t *testing.T, id string) string {
	t.Helper()
	n.cache.mu.RLock()
	defer n.cache.mu.RUnlock()
	r := n.cache.subs[id]
	if r == nil {
		t.Fatalf("no subscriber %q", id)
	}
	return first(n.cache.party(r).GetAddresses(), schemeTel)
}

func TestCredentialsNeverLeave(t *testing.T) {
	broker := membus.NewServer()
	n := start(t, broker, config())
	for range 2 {
		_, _ = n.password("alice@example.org", "alice", "wonderland")
		_, _ = n.password("alice@example.org", "alice", "mirror")
		_, _ = n.token("alice-token", "")
		_, _ = n.token("guess-of-a-token", "+12025550101")
	}
	p, err := n.password("alice@example.org", "alice", "wonderland")
	if err != nil {
		t.Fatal(err)
	}
	stored := ""
	for key := range n.cache.keys {
		e, err := n.store.kv.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		stored += string(e.Value)
	}
	ha1 := makeHA1("alice", "example.org", "wonderland").String()
	shown := fmt.Sprint(p, n.List()) + n.log.String()
	for _, secret := range []string{"wonderland", "mirror", "alice-token", "guess-of-a-token", "some-token", "all-token"} {
		if strings.Contains(stored, secret) {
			t.Errorf("%q is stored", secret)
		}
		if strings.Contains(shown, secret) {
			t.Errorf("%q is shown or logged", secret)
		}
	}
	for _, secret := range []string{ha1, hashToken("alice-token").String(), makeHA1("alice", "example.org", "mirror").String()} {
		if strings.Contains(shown, secret) {
			t.Errorf("%q is shown or logged", secret)
		}
	}
	if !strings.Contains(n.log.String(), "sign-in refused") || !strings.Contains(n.log.String(), "alice@example.org") {
		t.Errorf("the log does not tell of refused sign-ins:\n%s", n.log.String())
	}
}

func TestSignInLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.FailedSignIns, cfg.FailedSignInsPerMinute = 3, 6
		n := start(t, membus.NewServer(), cfg)
		defer n.stop()
		for _, account := range []string{"alice", "zoe"} { // one exists, one does not: the same to see
			for range 3 {
				_, err := n.password(account+"@example.org", account, "wrong")
				wantCode(t, err, callv1.Code_CODE_UNAUTHENTICATED)
			}
			_, err := n.password(account+"@example.org", account, "wrong")
			wantCode(t, err, callv1.Code_CODE_RATE_LIMITED)
		}
		_, err := n.password("alice@example.org", "alice", "wonderland")
		wantCode(t, err, callv1.Code_CODE_RATE_LIMITED)
		if _, err := n.password("bob@example.org", "bob", "builder"); err != nil {
			t.Errorf("another account is limited too: %v", err)
		}
		time.Sleep(10 * time.Second) // virtual: one try comes back
		if _, err := n.password("alice@example.org", "alice", "wonderland"); err != nil {
			t.Errorf("after the pause: %v", err)
		}
		for range 20 { // signing in costs nothing
			if _, err := n.password("alice@example.org", "alice", "wonderland"); err != nil {
				t.Fatalf("right password: %v", err)
			}
		}
	})
}
