package kittest

import (
	"slices"
	"sync"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// directory answers questions about the kit's three subscribers. Alice's and Bob's
// phone is Carol; Carol has none.
type directory struct {
	mu     sync.Mutex
	before func(*callv1.DirectoryRequest) *callv1.DirectoryReply
}

func newDirectory() *directory { return &directory{} }

func (d *directory) serve(b *bus.Bus) error {
	_, err := b.ServeDirectory(func(from *callv1.Identity, q *callv1.DirectoryRequest, respond func(*callv1.DirectoryReply)) {
		d.mu.Lock()
		before := d.before
		d.mu.Unlock()
		if before != nil {
			if r := before(q); r != nil {
				respond(r)
				return
			}
		}
		respond(lookUp(from, q))
	})
	return err //nolint:wrapcheck // the bus says what failed
}

// first has f asked first; what it gives no answer to the directory answers.
func (d *directory) first(f func(*callv1.DirectoryRequest) *callv1.DirectoryReply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = f
}

func noReply(code callv1.Code) *callv1.DirectoryReply {
	return &callv1.DirectoryReply{Error: &callv1.Error{Code: code, Message: "the kit's directory says so"}}
}

func lookUp(from *callv1.Identity, q *callv1.DirectoryRequest) *callv1.DirectoryReply {
	switch b := q.GetBody().(type) {
	case *callv1.DirectoryRequest_Domain:
		if b.Domain.GetName() == Domain {
			return &callv1.DirectoryReply{}
		}
		return noReply(callv1.Code_CODE_NOT_FOUND)
	case *callv1.DirectoryRequest_Resolve:
		for _, a := range known() {
			if slices.Contains(a.addresses(), b.Resolve.GetAddress()) {
				return &callv1.DirectoryReply{Party: a.party(false)}
			}
		}
		return noReply(callv1.Code_CODE_NOT_FOUND)
	case *callv1.DirectoryRequest_Phone:
		if s := b.Phone.GetSubscriber(); s == Alice.Subscriber || s == Bob.Subscriber {
			return &callv1.DirectoryReply{Party: Carol.party(false), Address: "sip:" + Carol.AOR}
		}
		return noReply(callv1.Code_CODE_NOT_FOUND)
	case *callv1.DirectoryRequest_Wake, *callv1.DirectoryRequest_PutDevice:
		return &callv1.DirectoryReply{}
	case *callv1.DirectoryRequest_Authenticate:
		if c := b.Authenticate.GetCredentials(); c.GetAsserted() != nil {
			return asserted(from.GetKind(), c.GetAsserted().GetAddress())
		}
		return authenticate(b.Authenticate.GetCredentials())
	}
	return &callv1.DirectoryReply{Error: schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "unknown question").Proto()}
}

func known() []Account { return []Account{Alice, Bob, Carol} }

func authenticate(c *callv1.Credentials) *callv1.DirectoryReply {
	ha1, bearer := c.GetHa1(), c.GetBearer()
	for _, a := range known() {
		switch {
		case ha1 != nil && ha1.GetAccount() == a.AOR && ha1.GetHa1() == a.HA1:
			return &callv1.DirectoryReply{Principal: &callv1.Principal{Subscriber: a.Subscriber, Party: a.party(false)}}
		case bearer == nil || bearer.GetToken() != a.Token:
		case bearer.GetMsisdn() != "" && "+"+trimPlus(bearer.GetMsisdn()) != a.MSISDN:
			return noReply(callv1.Code_CODE_FORBIDDEN)
		default:
			return &callv1.DirectoryReply{Principal: &callv1.Principal{Subscriber: a.Subscriber, Party: a.party(true)}}
		}
	}
	return noReply(callv1.Code_CODE_UNAUTHENTICATED)
}

// asserted believes an adapter whose kind speaks for Matrix.
func asserted(kind, address string) *callv1.DirectoryReply {
	who, err := schema.ParseAddress(address)
	if err != nil || !schema.MayAssert(kind, who.Scheme()) {
		return noReply(callv1.Code_CODE_FORBIDDEN)
	}
	for _, a := range known() {
		if slices.Contains(a.addresses(), who.String()) {
			return &callv1.DirectoryReply{Principal: &callv1.Principal{Subscriber: a.Subscriber, Party: a.partyAs(who.String())}}
		}
	}
	return noReply(callv1.Code_CODE_FORBIDDEN)
}

func trimPlus(s string) string {
	if s != "" && s[0] == '+' {
		return s[1:]
	}
	return s
}
