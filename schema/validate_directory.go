package schema

import callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"

func (v validator) directoryRequest(q *callv1.DirectoryRequest) *Error {
	if q == nil {
		return Invalid("", "no request")
	}
	switch b := q.GetBody().(type) {
	case *callv1.DirectoryRequest_Authenticate:
		return firstOf(
			v.credentials(b.Authenticate.GetCredentials()).in("credentials"),
			optional(b.Authenticate.GetKind(), "kind", checkToken),
		).in("authenticate")
	case *callv1.DirectoryRequest_Resolve:
		return checkAddress("resolve.address", b.Resolve.GetAddress())
	case *callv1.DirectoryRequest_Domain:
		if name, ok := normaliseHost(b.Domain.GetName()); !ok || name != b.Domain.GetName() {
			return Invalid("domain.name", "not a domain name in lower case")
		}
		return nil
	case *callv1.DirectoryRequest_Phone:
		return v.subscriber("phone.subscriber", b.Phone.GetSubscriber())
	case *callv1.DirectoryRequest_Wake:
		w := b.Wake
		return firstOf(
			v.subscriber("subscriber", w.GetSubscriber()),
			checkName("what", w.GetWhat()),
			checkName("id", w.GetId()),
			v.optionalParty("from", w.GetFrom()),
			checkText("account", w.GetAccount(), MaxAddress),
		).in("wake")
	case *callv1.DirectoryRequest_PutDevice:
		d := b.PutDevice
		return firstOf(
			v.subscriber("subscriber", d.GetSubscriber()),
			checkText("account", d.GetAccount(), MaxAddress),
			checkText("token", d.GetToken(), v.Secret),
			checkText("platform", d.GetPlatform(), maxName),
			checkText("device", d.GetDevice(), v.Ref),
			checkText("app", d.GetApp(), v.Ref),
		).in("put_device")
	}
	return noBody("body", q)
}

func (v validator) subscriber(field, s string) *Error {
	if s == "" {
		return Invalid(field, "missing")
	}
	return checkText(field, s, v.Subscriber)
}

// credentials checks sizes and control characters only: whether a proof is any
// good is the directory's to say, with CODE_UNAUTHENTICATED. An address that an
// adapter asserts is the adapter's own work.
func (v validator) credentials(c *callv1.Credentials) *Error {
	if c == nil {
		return Invalid("", "missing")
	}
	switch p := c.GetProof().(type) {
	case *callv1.Credentials_Ha1:
		return firstOf(
			checkText("account", p.Ha1.GetAccount(), MaxAddress),
			checkText("ha1", p.Ha1.GetHa1(), v.Secret),
		).in("ha1")
	case *callv1.Credentials_Bearer:
		return firstOf(
			checkText("token", p.Bearer.GetToken(), v.Secret),
			checkText("msisdn", p.Bearer.GetMsisdn(), maxName),
		).in("bearer")
	case *callv1.Credentials_Asserted:
		return firstOf(
			checkAddress("address", p.Asserted.GetAddress()),
			checkText("display_name", p.Asserted.GetDisplayName(), v.DisplayName),
		).in("asserted")
	}
	return noBody("proof", c)
}
