package directory

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// verifier takes the tokens that it is given.
type verifier struct {
	mu      sync.Mutex
	tokens  map[string]*Token
	err     error
	fetched chan struct{} // not nil: keys are to be fetched first
	asked   int
}

func (v *verifier) Verify(token string, _ time.Time) (*Token, <-chan struct{}, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	switch t := v.tokens[token]; {
	case v.fetched != nil:
		return nil, v.fetched, nil
	case v.err != nil:
		return nil, nil, v.err
	case t == nil:
		return nil, nil, schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "the token has expired")
	default:
		return t, nil, nil
	}
}

func (v *verifier) Run(ctx context.Context) { <-ctx.Done() }

// have ends a fetch.
func (v *verifier) have() {
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.fetched)
	v.fetched = nil
}

// signed is a text that looks like a token of an issuer.
func signed(name string) string { return "ey" + name + ".x.y" }

// withIssuer is the tests' directory with an issuer, and a product of it.
func withIssuer() Config {
	c := config()
	j := JWTIssuer{}
	j.SetDefaults()
	j.Issuer, j.JWKS = "idp", "keys.json"
	c.JWT = []JWTIssuer{j}
	c.ServiceTokens = append(c.ServiceTokens,
		ServiceToken{Name: "switchboard", Client: "sb", Subscribers: []string{"alice"}},
		ServiceToken{Name: "gateway", Client: "gw", Issuer: "idp", All: true})
	return c
}

func TestSignedTokens(t *testing.T) {
	v := &verifier{tokens: map[string]*Token{
		"number":    {Issuer: "idp", Number: "tel:+12025550101"},
		"nobody":    {Issuer: "idp", Number: "tel:+12025550198"},
		"id":        {Issuer: "idp", Subscriber: "bob"},
		"account":   {Issuer: "idp", Subscriber: "al@example.org"},
		"uri":       {Issuer: "idp", Subscriber: "matrix:u/carol:example.org"},
		"stranger":  {Issuer: "idp", Subscriber: "auth0|123"},
		"both":      {Issuer: "idp", Subscriber: "alice", Number: "tel:+12025550101"},
		"swapped":   {Issuer: "idp", Subscriber: "bob", Number: "tel:+12025550101"},
		"sub+phone": {Issuer: "idp", Subscriber: "auth0|123", Number: "tel:+12025550103"},
		"ambiguous": {Issuer: "idp", Subscriber: "bob@example.org"},
		"product":   {Issuer: "idp", Client: "sb"},
		"all":       {Issuer: "idp", Client: "gw"},
		"elsewhere": {Issuer: "other", Client: "gw"},
		"unknown":   {Issuer: "idp", Client: "x"},
		"covers":    {Issuer: "idp", Client: "x", Covers: []string{"tel:+12025550103", "tel:+12025550198"}},
		"empty":     {Issuer: "idp"},
	}}
	for name, token := range v.tokens {
		v.tokens[signed(name)] = token
	}
	cfg := withIssuer()
	cfg.Subscribers = append(cfg.Subscribers, Subscriber{ID: "bob@example.org"})
	n := start(t, membus.NewServer(), cfg, func(e *Env) { e.Tokens = v })
	const forbidden, wrong = callv1.Code_CODE_FORBIDDEN, callv1.Code_CODE_UNAUTHENTICATED
	for _, tt := range []struct {
		token, msisdn string
		code          callv1.Code
		who, first    string
	}{
		{"number", "", 0, "alice", "tel:+12025550101"},
		{"number", "12025550101", 0, "alice", "tel:+12025550101"},
		{"number", "+12025550103", forbidden, "", ""},
		{"number", "+12025550198", forbidden, "", ""},
		{"number", "alice", forbidden, "", ""},
		{"nobody", "", forbidden, "", ""},
		{"nobody", "+12025550101", forbidden, "", ""},
		{"id", "", 0, "bob", n.number(t, "bob")},
		{"id", strings.TrimPrefix(n.number(t, "bob"), "tel:"), 0, "bob", n.number(t, "bob")},
		{"id", "+12025550101", forbidden, "", ""},
		{"account", "", 0, "alice", "sip:al@example.org"},
		{"account", "+12025550101", 0, "alice", "tel:+12025550101"},
		{"uri", "", 0, "carol", "matrix:u/carol:example.org"},
		{"stranger", "", forbidden, "", ""},
		{"stranger", "+12025550101", forbidden, "", ""},
		{"both", "", 0, "alice", "tel:+12025550101"},
		{"swapped", "", forbidden, "", ""},
		{"swapped", "+12025550101", forbidden, "", ""},
		{"sub+phone", "", 0, "carol", "tel:+12025550103"},
		{"ambiguous", "", forbidden, "", ""},
		{"product", "", forbidden, "", ""},
		{"product", "+12025550101", 0, "alice", "tel:+12025550101"},
		{"product", "+12025550103", forbidden, "", ""},
		{"product", "+12025550198", forbidden, "", ""},
		{"all", "+12025550103", 0, "carol", "tel:+12025550103"},
		{"all", "+12025550198", forbidden, "", ""},
		{"elsewhere", "+12025550103", forbidden, "", ""},
		{"unknown", "+12025550101", forbidden, "", ""},
		{"covers", "", forbidden, "", ""},
		{"covers", "12025550103", 0, "carol", "tel:+12025550103"},
		{"covers", "+12025550101", forbidden, "", ""},
		{"covers", "+12025550198", forbidden, "", ""}, // covered, and nobody's
		{"empty", "", forbidden, "", ""},
		{"empty", "+12025550101", forbidden, "", ""},
		{"expired", "", wrong, "", ""},
	} {
		t.Run(tt.token+" "+tt.msisdn, func(t *testing.T) {
			p, err := n.token(signed(tt.token), tt.msisdn)
			wantCode(t, err, tt.code)
			if p.GetSubscriber() != tt.who {
				t.Fatalf("subscriber %q, want %q", p.GetSubscriber(), tt.who)
			}
			if tt.who != "" && p.GetParty().GetAddresses()[0] != tt.first {
				t.Errorf("addresses %v, want %s first", p.GetParty().GetAddresses(), tt.first)
			}
		})
	}
	// What does not look signed is a listed token, and the verifier never sees it.
	before := v.asked
	for token, code := range map[string]callv1.Code{"alice-token": 0, "number": wrong, "eynumber.x": wrong, "": wrong} {
		_, err := n.token(token, "")
		wantCode(t, err, code)
	}
	if v.asked != before {
		t.Error("the verifier was shown a listed token")
	}
	if n.counts.get("sylkrtc jwt ok") == 0 || n.counts.get("sylkrtc jwt forbidden") == 0 || n.counts.get("sylkrtc jwt unauthenticated") == 0 ||
		n.counts.get("sylkrtc token ok") != 1 {
		t.Errorf("counted: %v", n.counts.n)
	}
	if log := n.log.String(); strings.Contains(log, "eynumber") || !strings.Contains(log, "the token has expired") {
		t.Errorf("the log shows a token, or no reason:\n%s", log)
	}
}

// A listed token may look like a signed one.
func TestListedTokenThatLooksSigned(t *testing.T) {
	cfg := withIssuer()
	cfg.Subscribers[0].Tokens = []string{signed("listed")}
	v := &verifier{}
	n := start(t, membus.NewServer(), cfg, func(e *Env) { e.Tokens = v })
	if p, err := n.token(signed("listed"), ""); err != nil || p.GetSubscriber() != "alice" || v.asked != 0 {
		t.Errorf("%v, %v, asked %d", p, err, v.asked)
	}
}

// Sign-ins that wait for an issuer's keys hold nobody else up.
func TestFetchingKeysHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &verifier{tokens: map[string]*Token{signed("a"): {Issuer: "idp", Number: "tel:+12025550101"}}, fetched: make(chan struct{})}
		cfg := withIssuer()
		cfg.Workers, cfg.Queue = 1, 16 // a quarter may wait for keys
		n := start(t, membus.NewServer(), cfg, func(e *Env) { e.Tokens = v })
		defer n.stop()
		var waiting sync.WaitGroup
		for range 4 {
			waiting.Go(func() {
				if p, err := n.token(signed("a"), ""); err != nil || p.GetSubscriber() != "alice" {
					t.Errorf("once the keys are there: %v, %v", p, err)
				}
			})
		}
		synctest.Wait()
		if p, err := n.resolve("tel:+12025550101"); err != nil || p.GetSubscriber() != "alice" {
			t.Errorf("meanwhile: %v, %v", p, err)
		}
		if _, err := n.password("alice@example.org", "alice", "wonderland"); err != nil {
			t.Errorf("meanwhile: %v", err)
		}
		_, err := n.token(signed("a"), "") // one more than may wait
		wantCode(t, err, callv1.Code_CODE_RETRY)
		v.have()
		waiting.Wait()

		v.mu.Lock()
		v.fetched = make(chan struct{}) // never to come
		v.mu.Unlock()
		began := time.Now()
		_, err = n.token(signed("a"), "")
		wantCode(t, err, callv1.Code_CODE_RETRY)
		if took := time.Since(began); took != keyWait {
			t.Errorf("it waited %s", took)
		}
	})
}

func TestTokenLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := withIssuer()
		cfg.FailedSignIns, cfg.FailedSignInsPerMinute = 3, 6
		v := &verifier{tokens: map[string]*Token{signed("good"): {Issuer: "idp", Number: "tel:+12025550101"}}}
		n := start(t, membus.NewServer(), cfg, func(e *Env) { e.Tokens = v })
		defer n.stop()
		// The same wrong token again and again is not looked at any more.
		for range 3 {
			_, err := n.token(signed("bad"), "")
			wantCode(t, err, callv1.Code_CODE_UNAUTHENTICATED)
		}
		asked := v.asked
		_, err := n.token(signed("bad"), "")
		wantCode(t, err, callv1.Code_CODE_RATE_LIMITED)
		if v.asked != asked {
			t.Error("it was looked at")
		}
		// Many wrong ones for a number, listed or signed; the right one still passes.
		for i, token := range []string{signed("1"), "2", signed("3")} {
			if _, err := n.token(token, "+12025550101"); schema.CodeOf(err) != callv1.Code_CODE_UNAUTHENTICATED {
				t.Errorf("try %d: %v", i, err)
			}
		}
		for _, token := range []string{signed("4"), "5"} {
			_, err = n.token(token, "+12025550101")
			wantCode(t, err, callv1.Code_CODE_RATE_LIMITED)
		}
		for _, token := range []string{signed("good"), "alice-token"} {
			if _, err := n.token(token, "+12025550101"); err != nil {
				t.Errorf("the right token: %v", err)
			}
		}
		// Being forbidden is no guess, and no reason to be locked out.
		for range 10 {
			_, err := n.token("some-token", "+12025550198")
			wantCode(t, err, callv1.Code_CODE_FORBIDDEN)
		}
		time.Sleep(10 * time.Second)
		_, err = n.token(signed("bad"), "")
		wantCode(t, err, callv1.Code_CODE_UNAUTHENTICATED)
	})
}

func TestIssuersNeedAVerifier(t *testing.T) {
	broker := membus.NewServer()
	if _, err := New(withIssuer(), Env{Bus: start(t, broker, config()).bus, Log: discard()}); err == nil {
		t.Error("issuers without a verifier")
	}
}
