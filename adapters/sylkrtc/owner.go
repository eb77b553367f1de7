package sylkrtc

import (
	"context"
	"strings"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// What is kept for an account is its subscriber's: who gets the address next starts
// afresh, and reads nothing of what the one before had there. So it lies under the
// address and the subscriber together, and a connection that is still one's is told
// nothing of what happens to the other.

// ownerOf names an address in a subscriber's hands. Canonical addresses have no
// spaces.
func ownerOf(address, subscriber string) string { return address + " " + subscriber }

// addressOf gives the address of an owner.
func addressOf(owner string) string {
	address, _, _ := strings.Cut(owner, " ")
	return address
}

// owner names the account, which must be verified, for what is kept for it. It is
// called on the connection's request goroutine.
func (a *account) owner() string { return ownerOf(a.aor.String(), a.principal.GetSubscriber()) }

// ownerNow names an address in the hands of who has it now. CODE_NOT_FOUND: nobody.
func (m *messaging) ownerNow(ctx context.Context, address string) (string, error) {
	if address == "" {
		return "", schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no address")
	}
	party, err := m.a.host.LookUp(ctx, address)
	if err != nil {
		return "", err
	}
	return ownerOf(address, party.GetSubscriber()), nil
}
