package sylkrtc

import (
	"slices"
	"strings"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Wire to canonical. Everything in this file is pure.

// parseAOR reads an address of record: an optional sip: or sips: prefix is
// taken off, the rest must be user@domain.
func parseAOR(s string) (schema.Address, bool) {
	if scheme, rest, ok := strings.Cut(s, ":"); ok && (strings.EqualFold(scheme, "sip") || strings.EqualFold(scheme, "sips")) {
		s = rest
	}
	a, err := schema.ParseAddress("sip:" + s)
	return a, err == nil
}

// credentialsOf makes credentials of an account-add's password: an HA1 by the
// protocol; what cannot be one is taken for a bearer token.
func credentialsOf(aor schema.Address, password string) *callv1.Credentials {
	if isHA1(password) {
		return &callv1.Credentials{Proof: &callv1.Credentials_Ha1{Ha1: &callv1.HA1{
			Account: aor.AOR(), Ha1: strings.ToLower(password),
		}}}
	}
	return &callv1.Credentials{Proof: &callv1.Credentials_Bearer{Bearer: &callv1.Bearer{Token: password}}}
}

func isHA1(s string) bool {
	if len(s) != 32 {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// holds reports whether an address is one of a party's. A token proves who
// somebody is, not that the account named beside it is theirs.
func holds(p *callv1.Party, a schema.Address) bool {
	want := a.String()
	for _, s := range p.GetAddresses() {
		if s == want {
			return true
		}
	}
	return false
}

// canonicalHeaders gives a client's headers without those that it has no say in.
func canonicalHeaders(hs []header) []*callv1.Header {
	var out []*callv1.Header
	for _, h := range hs {
		if !vouched(h.name) {
			out = append(out, &callv1.Header{Name: h.name, Value: h.value})
		}
	}
	return out
}

// vouched reports whether a header says who calls or is called, or how the request
// came. In SIP a network vouches for those (RFC 3325), so whoever gets one believes
// it: here they are what was verified, and never a client's own.
func vouched(name string) bool {
	switch strings.ToLower(name) {
	case "from", "f", "to", "t", "contact", "m", "reply-to", "referred-by", "b", // with their compact forms, RFC 3261 section 7.3.3
		"via", "v", "route", "record-route", "path", "service-route", "call-id", "i", "cseq", "max-forwards",
		"authorization", "proxy-authorization", "authentication-info",
		"identity", "y", "identity-info", "privacy", "remote-party-id", "diversion", "history-info",
		"p-asserted-identity", "p-preferred-identity", "p-asserted-service", "p-preferred-service",
		"p-associated-uri", "p-called-party-id", "p-served-user", "p-profile-key", "p-user-database",
		"p-visited-network-id", "p-access-network-info", "p-charge-info", "p-charging-vector",
		"p-charging-function-addresses", "p-dcs-billing-info", "p-dcs-laes", "p-dcs-osps", "p-dcs-redirect",
		"p-dcs-trace-party-id", "p-private-network-indication":
		return true
	}
	return false
}

// canonicalCandidates turns a trickle's candidates. Browsers say the end of a
// generation by an empty candidate as well as by an empty list.
func canonicalCandidates(cs []candidate) *callv1.Candidates {
	out := &callv1.Candidates{End: len(cs) == 0}
	for _, c := range cs {
		if c.candidate == "" {
			out.End = true
			continue
		}
		out.Candidates = append(out.Candidates, &callv1.Candidate{
			Candidate: c.candidate, Mid: c.mid, MLine: c.mLine, Ufrag: ufragOf(c.candidate),
		})
	}
	return out
}

// ufragOf finds the ufrag extension of a candidate (RFC 8839 section 5.1: pairs
// of names and values follow the candidate's type).
func ufragOf(s string) string {
	words := strings.Fields(s)
	for i := 8; i+1 < len(words); i += 2 {
		if words[i] == "ufrag" {
			return words[i+1]
		}
	}
	return ""
}

// Canonical to wire.

// identityOf shows a party as an address of record, which every party has,
// given or as an alias that can be dialled back.
func identityOf(p *callv1.Party, domain string) identity {
	id := identity{URI: anonymous, DisplayName: p.GetDisplayName()}
	if a, ok := schema.FirstOf(p, schema.SchemeSIP); ok {
		id.URI = a.AOR()
	} else if a, ok := schema.FirstOf(p, schema.SchemeTel); ok {
		id.URI = a.E164() + "@" + domain // dialled as a number at any domain
	}
	return id
}

// wantedHeaders gives the headers that an account asked for by prefix, whatever
// their case, in the spelling of who sent them: applications look for X-Foo. The
// values of one that comes more than once are put together (RFC 3261 section
// 7.3.1), under the first spelling.
func wantedHeaders(hs []*callv1.Header, prefixes []string) map[string]string {
	var out, spelling map[string]string
	for _, h := range hs {
		name := strings.ToLower(h.GetName())
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		if out == nil {
			out, spelling = map[string]string{}, map[string]string{}
		}
		if first, again := spelling[name]; again {
			out[first] += ", " + h.GetValue()
			continue
		}
		spelling[name] = h.GetName()
		out[h.GetName()] = h.GetValue()
	}
	return out
}

// side is which end of a call a session is.
type side int

const (
	outgoing side = iota
	incoming
)

// endedText says why a session ended that its terminal did not end itself.
// Applications match on the code in front.
func endedText(r callv1.Reason, s side) string {
	switch r {
	case callv1.Reason_REASON_DECLINED:
		return textBusy // what a client's session-terminate means before the answer
	case callv1.Reason_REASON_ANSWERED_ELSEWHERE:
		return textCancelled
	case callv1.Reason_REASON_NO_ANSWER:
		if s == incoming {
			return textCancelled // who did not answer is told what a cancel is told
		}
	case callv1.Reason_REASON_UNSPECIFIED, callv1.Reason_REASON_EXPIRED:
		return textRemote // the exchange hangs up as the other side would
	case callv1.Reason_REASON_TERMINAL_LOST:
		return "480 Temporarily Unavailable"
	}
	info := schema.DescribeReason(r)
	return statusText(info.SIPStatus, info.SIPPhrase)
}

// ownEndText says how a session ended that its own terminal ended.
func ownEndText(r callv1.Reason, s side, unanswered bool) string {
	switch r {
	case callv1.Reason_REASON_CANCELLED:
		return textCancelled
	case callv1.Reason_REASON_DECLINED, callv1.Reason_REASON_BUSY:
		return textBusy
	case callv1.Reason_REASON_NORMAL:
		return textOwn
	case callv1.Reason_REASON_UNSPECIFIED:
		switch {
		case unanswered && s == incoming:
			return textBusy
		case unanswered:
			return textCancelled
		}
		return textOwn
	}
	return endedText(r, s)
}

// Reasons that every client knows.
const (
	textOwn         = "200 to BYE"
	textRemote      = "200 Session Terminated"
	textBusy        = "486 Busy Here"
	textCancelled   = "487 Request Terminated"
	textUnavailable = "503 Service Unavailable"
	textUnusable    = "488 Not Acceptable Here"
	textTimeout     = "408 Request Timeout"
	textRateLimited = "429 Too Many Requests" // RFC 6585
	// textCredentials ends with a space, as Sofia-SIP's does.
	textCredentials = "904 Operation has no matching challenge " //nolint:gosec // no credential
)

// refusedCall says how a call ended that was refused with a code. ok is false
// for what is the request's fault or the exchange's, and gets an error reply.
func refusedCall(c callv1.Code) (text string, ok bool) {
	switch c {
	case callv1.Code_CODE_UNAUTHENTICATED:
		return textCredentials, true
	case callv1.Code_CODE_NOT_FOUND:
		return "404 Not Found", true
	case callv1.Code_CODE_FORBIDDEN:
		return "403 Forbidden", true
	case callv1.Code_CODE_REJECTED, callv1.Code_CODE_GONE, callv1.Code_CODE_UNSUPPORTED:
		return "480 Temporarily Unavailable", true
	case callv1.Code_CODE_NOT_ACCEPTABLE:
		return textUnusable, true
	case callv1.Code_CODE_BUSY:
		return textBusy, true
	case callv1.Code_CODE_OVERLOAD:
		return textUnavailable, true
	case callv1.Code_CODE_RATE_LIMITED:
		return textRateLimited, true
	}
	return "", false
}

// refusedUpdate says why an update failed that was refused with a code. ok is
// false for what is the request's fault, and gets an error reply.
func refusedUpdate(c callv1.Code) (text string, ok bool) {
	switch c {
	case callv1.Code_CODE_INVALID, callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_ENDED, callv1.Code_CODE_UNSPECIFIED:
		return "", false
	case callv1.Code_CODE_NOT_ACCEPTABLE:
		return textUnusable, true
	case callv1.Code_CODE_CONFLICT, callv1.Code_CODE_REJECTED, callv1.Code_CODE_BUSY:
		return "491 Request Pending", true // RFC 3261 section 14.1
	case callv1.Code_CODE_UNSUPPORTED:
		return "501 Not Implemented", true
	case callv1.Code_CODE_FORBIDDEN, callv1.Code_CODE_UNAUTHENTICATED:
		return "403 Forbidden", true
	case callv1.Code_CODE_RATE_LIMITED:
		return textRateLimited, true
	case callv1.Code_CODE_INTERNAL:
		return "500 Server Internal Error", true
	}
	return textUnavailable, true
}

// refusedRegistration says why a registration failed.
func refusedRegistration(c callv1.Code) string {
	switch c {
	case callv1.Code_CODE_UNAUTHENTICATED:
		return textCredentials
	case callv1.Code_CODE_FORBIDDEN:
		return "403 Forbidden"
	case callv1.Code_CODE_NOT_FOUND:
		return "404 Not Found"
	case callv1.Code_CODE_INTERNAL:
		return "500 Server Internal Error"
	}
	return textUnavailable
}

// errorText says to a client what a refusal of any other request is.
func errorText(err error) string {
	switch schema.CodeOf(err) {
	case callv1.Code_CODE_RETRY, callv1.Code_CODE_OVERLOAD, callv1.Code_CODE_GONE:
		return textUnavailable
	case callv1.Code_CODE_RATE_LIMITED:
		return textTooMany
	case callv1.Code_CODE_UNAUTHENTICATED:
		return "Account not authenticated"
	case callv1.Code_CODE_FORBIDDEN:
		return "403 Forbidden"
	}
	return "Internal error"
}

const textTooMany = "Too many requests"

func statusText(code int, phrase string) string {
	return string([]byte{'0' + byte(code/100), '0' + byte(code/10%10), '0' + byte(code%10), ' '}) + phrase
}
