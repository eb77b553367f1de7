package kittest

import (
	"crypto/md5" //nolint:gosec // RFC 2617 digests are MD5
	"encoding/hex"
	"slices"
	"strings"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// The kit's subscribers. Domain and numbers are reserved for examples.
var (
	Alice = account("alice", "+12025550101")
	Bob   = account("bob", "+12025550102")
	Carol = account("carol", "+12025550103")
	// Nobody has well-formed addresses that the directory does not know.
	Nobody = account("nobody", "+12025550199")
)

// Domain is the one domain whose accounts may sign in.
const Domain = "example.com"

func account(name, msisdn string) Account {
	sum := md5.Sum([]byte(name + ":" + Domain + ":secret of " + name)) //nolint:gosec // as above
	return Account{
		Subscriber: name, AOR: name + "@" + Domain, HA1: hex.EncodeToString(sum[:]),
		MSISDN: msisdn, Token: "token-" + name, MXID: "@" + name + ":" + Domain,
	}
}

// Wrong is the account with credentials that are not its own.
func (a Account) Wrong() Account {
	a.HA1, a.Token = "00000000000000000000000000000000", "token-of-nobody"
	return a
}

func (a Account) party(preferTel bool) *callv1.Party {
	addresses := a.addresses()
	if preferTel {
		addresses[0], addresses[1] = addresses[1], addresses[0]
	}
	return &callv1.Party{Subscriber: a.Subscriber, Addresses: addresses, DisplayName: a.Subscriber}
}

// partyAs is the party with its Matrix address first.
func (a Account) partyAs(address string) *callv1.Party {
	p := a.party(false)
	p.Addresses = slices.DeleteFunc(p.Addresses, func(s string) bool { return s == address })
	p.Addresses = slices.Insert(p.Addresses, 0, address)
	return p
}

// addresses are all canonical addresses that name the account.
func (a Account) addresses() []string {
	return []string{"sip:" + a.AOR, "tel:" + a.MSISDN, "matrix:u/" + strings.TrimPrefix(a.MXID, "@")}
}
