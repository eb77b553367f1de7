package directory

import (
	"slices"
	"testing"

	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestResolve(t *testing.T) {
	n := start(t, membus.NewServer(), config())
	dave := n.number(t, "dave@home")
	tests := []struct {
		address, who string
		code         callv1.Code
	}{
		{"sip:alice@example.org", "alice", 0},
		{"sip:al@example.org", "alice", 0},
		{"tel:+12025550101", "alice", 0},
		{"tel:+1-202-555-0101", "alice", 0},
		{"sip:+12025550101@example.org", "alice", 0},
		{"sip:+12025550103@alias.invalid", "carol", 0},
		{"matrix:u/carol:example.org", "carol", 0},
		{"sip:carol@alias.invalid", "carol", 0},
		{dave, "dave@home", 0},
		{"sip:dave-home@alias.invalid", "dave@home", 0},
		{"sip:+12025550101@elsewhere.example", "", callv1.Code_CODE_NOT_FOUND},
		{"sip:+12025550198@example.org", "", callv1.Code_CODE_NOT_FOUND},
		{"tel:+12025550198", "", callv1.Code_CODE_NOT_FOUND},
		{"sip:Alice@example.org", "", callv1.Code_CODE_NOT_FOUND}, // users are compared exactly
		{"matrix:u/alice:example.org", "", callv1.Code_CODE_NOT_FOUND},
		{"alice", "", callv1.Code_CODE_INVALID},
		{"", "", callv1.Code_CODE_INVALID},
	}
	for _, tt := range tests {
		t.Run(tt.address, func(t *testing.T) {
			p, err := n.resolve(tt.address)
			wantCode(t, err, tt.code)
			if p.GetSubscriber() != tt.who {
				t.Errorf("subscriber %q, want %q", p.GetSubscriber(), tt.who)
			}
		})
	}
}

func TestParty(t *testing.T) {
	n := start(t, membus.NewServer(), config())
	tests := map[string][]string{
		"sip:alice@example.org": {"sip:alice@example.org", "tel:+12025550101", "sip:al@example.org"},
		"tel:+12025550103":      {"tel:+12025550103", "matrix:u/carol:example.org", "sip:carol@alias.invalid"},
		"sip:bob@example.org":   {"sip:bob@example.org", n.number(t, "bob")},
	}
	for address, want := range tests {
		p, err := n.resolve(address)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(p.GetAddresses(), want) {
			t.Errorf("%s: addresses %v, want %v", address, p.GetAddresses(), want)
		}
		for _, a := range p.GetAddresses() {
			if !schema.IsCanonicalAddress(a) {
				t.Errorf("%s: %s is not canonical", address, a)
			}
			back, err := n.resolve(a)
			if err != nil || back.GetSubscriber() != p.GetSubscriber() {
				t.Errorf("%s cannot be dialled back: %v, %v", a, back, err)
			}
		}
	}
}

func TestDomain(t *testing.T) {
	n := start(t, membus.NewServer(), config())
	for domain, code := range map[string]callv1.Code{
		"example.org": 0, "example.net": callv1.Code_CODE_NOT_FOUND,
		"alias.invalid": callv1.Code_CODE_NOT_FOUND, "": callv1.Code_CODE_NOT_FOUND,
	} {
		_, err := n.question(&callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Domain{Domain: &callv1.Domain{Name: domain}}})
		wantCode(t, err, code)
	}
	_, err := n.question(&callv1.DirectoryRequest{})
	wantCode(t, err, callv1.Code_CODE_UNSUPPORTED)
}
