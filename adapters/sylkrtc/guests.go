package sylkrtc

import (
	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// guest is who an account is whose password nobody checks: a party outside the
// directory, which can call and not be called. It is never shown as somebody of
// this exchange: who claims to be one is refused as without guests, and a name in
// a domain that is served here, where this exchange says who is who, is not shown.
func (p *peer) guest(a *account) (*callv1.Principal, error) {
	names := []string{a.aor.String()}
	if dialled, err := schema.ParseDialled(a.aor.AOR(), a.aor.Domain()); err == nil && dialled != a.aor {
		names = append(names, dialled.String()) // a number at any domain is that number
	}
	for _, name := range names {
		switch _, err := p.a.host.LookUp(p.ctx, name); schema.CodeOf(err) {
		case callv1.Code_CODE_NOT_FOUND:
		case callv1.Code_CODE_UNSPECIFIED:
			return nil, schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "the account is a subscriber's")
		default:
			return nil, err
		}
	}
	served, err := p.a.host.ServesDomain(p.ctx, a.aor.Domain())
	if err != nil {
		return nil, err
	}
	shown := &callv1.Party{Addresses: []string{a.aor.String()}, DisplayName: a.displayName}
	if served {
		shown = &callv1.Party{Addresses: []string{"sip:" + anonymous}}
	}
	if a.guestID == "" {
		// Nobody can tell that the next who uses the name is the same: calls of one
		// guest are not for another to take up.
		a.guestID = "guest:" + schema.NewID()
	}
	return &callv1.Principal{Subscriber: a.guestID, Party: shown}, nil
}

// anonymous is who wants not to be known (RFC 3261 section 8.1.1.3).
const anonymous = "anonymous@anonymous.invalid"

// party is how the account's calls show their caller: as the directory says,
// with the client's own display name where it has none.
func (a *account) party(principal *callv1.Principal) *callv1.Party {
	shown := principal.GetParty()
	if shown.GetSubscriber() == "" || shown.GetDisplayName() != "" || a.displayName == "" {
		return shown
	}
	shown = proto.CloneOf(shown)
	shown.DisplayName = a.displayName
	return shown
}
