package kittest

import (
	"crypto/md5" //nolint:gosec // RFC 2617 digests are MD5
	"encoding/hex"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
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
		MSISDN: msisdn, Token: "token-" + name,
	}
}

// Wrong is the account with credentials that are not its own.
func (a Account) Wrong() Account {
	a.HA1, a.Token = "00000000000000000000000000000000", "token-of-nobody"
	return a
}

func (a Account) party(preferTel bool) *callv1.Party {
	addresses := []string{"sip:" + a.AOR, "tel:" + a.MSISDN}
	if preferTel {
		addresses[0], addresses[1] = addresses[1], addresses[0]
	}
	return &callv1.Party{Subscriber: a.Subscriber, Addresses: addresses, DisplayName: a.Subscriber}
}

// serveDirectory answers the kit's three subscribers' questions.
func serveDirectory(b *bus.Bus) (bus.Subscription, error) {
	return b.ServeDirectory(func(_ *callv1.Identity, q *callv1.DirectoryRequest, respond func(*callv1.DirectoryReply)) {
		respond(lookUp(q))
	})
}

func lookUp(q *callv1.DirectoryRequest) *callv1.DirectoryReply {
	refuse := func(code callv1.Code) *callv1.DirectoryReply {
		return &callv1.DirectoryReply{Error: &callv1.Error{Code: code, Message: "the kit's directory says so"}}
	}
	known := []Account{Alice, Bob, Carol}
	switch b := q.GetBody().(type) {
	case *callv1.DirectoryRequest_Domain:
		if b.Domain.GetName() == Domain {
			return &callv1.DirectoryReply{}
		}
		return refuse(callv1.Code_CODE_NOT_FOUND)
	case *callv1.DirectoryRequest_Resolve:
		for _, a := range known {
			if to := b.Resolve.GetAddress(); to == "sip:"+a.AOR || to == "tel:"+a.MSISDN {
				return &callv1.DirectoryReply{Party: a.party(false)}
			}
		}
		return refuse(callv1.Code_CODE_NOT_FOUND)
	case *callv1.DirectoryRequest_Authenticate:
		ha1, bearer := b.Authenticate.GetCredentials().GetHa1(), b.Authenticate.GetCredentials().GetBearer()
		for _, a := range known {
			switch {
			case ha1 != nil && ha1.GetAccount() == a.AOR && ha1.GetHa1() == a.HA1:
				return &callv1.DirectoryReply{Principal: &callv1.Principal{Subscriber: a.Subscriber, Party: a.party(false)}}
			case bearer == nil || bearer.GetToken() != a.Token:
			case bearer.GetMsisdn() != "" && "+"+trimPlus(bearer.GetMsisdn()) != a.MSISDN:
				return refuse(callv1.Code_CODE_FORBIDDEN)
			default:
				return &callv1.DirectoryReply{Principal: &callv1.Principal{Subscriber: a.Subscriber, Party: a.party(true)}}
			}
		}
		return refuse(callv1.Code_CODE_UNAUTHENTICATED)
	}
	return &callv1.DirectoryReply{Error: schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "unknown question").Proto()}
}

func trimPlus(s string) string {
	if s != "" && s[0] == '+' {
		return s[1:]
	}
	return s
}
