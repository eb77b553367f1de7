package schema

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

const (
	// maxName bounds short names of others' making: command ids, mids, numbers.
	maxName = 128
	// maxUfrag: RFC 8839 section 5.4, ice-ufrag is 4 to 256 characters.
	maxUfrag = 256
)

// at puts the element of a repeated field before the path.
func (e *Error) at(field string, i int) *Error {
	if e == nil {
		return nil
	}
	return e.in(field + "[" + strconv.Itoa(i) + "]")
}

// optional checks a field only if it is set.
func optional(s, field string, check func(field, s string) *Error) *Error {
	if s == "" {
		return nil
	}
	return check(field, s)
}

// checkText: UTF-8 without control characters, for everything that is shown to
// people or written to a wire.
func checkText(field, s string, limit int) *Error {
	if e := checkFreeText(field, s, limit); e != nil {
		return e
	}
	if hasControl(s) {
		return Invalid(field, "a control character")
	}
	return nil
}

// checkFreeText: UTF-8. For text that whoever shows it cleans (CleanText),
// because refusing the message for it would do more harm.
func checkFreeText(field, s string, limit int) *Error {
	if len(s) > limit {
		return Invalid(field, "longer than %d bytes", limit)
	}
	if !utf8.ValidString(s) {
		return Invalid(field, "not UTF-8")
	}
	return nil
}

// checkName: 1 to maxName visible ASCII characters.
func checkName(field, s string) *Error {
	if s == "" {
		return Invalid(field, "missing")
	}
	if len(s) > maxName {
		return Invalid(field, "longer than %d bytes", maxName)
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return Invalid(field, "a character that is not visible ASCII")
		}
	}
	return nil
}

// checkToken: a name that stands in subjects and keys.
func checkToken(field, s string) *Error {
	if s == "" {
		return Invalid(field, "missing")
	}
	if !ValidToken(s) {
		return Invalid(field, "not 1 to 64 of [0-9A-Za-z_-]")
	}
	return nil
}

func checkCallID(field, s string) *Error {
	if s == "" {
		return Invalid(field, "missing")
	}
	if !isUUID(s) {
		return Invalid(field, "not a UUID in lower case with hyphens")
	}
	if s[32:] != "0000" {
		return Invalid(field, "the id of a leg, not of a call")
	}
	return nil
}

func checkLegID(field, s string) *Error {
	if s == "" {
		return Invalid(field, "missing")
	}
	if !isUUID(s) {
		return Invalid(field, "not a UUID in lower case with hyphens")
	}
	if s[32:] == "0000" {
		return Invalid(field, "the id of a call, not of a leg")
	}
	return nil
}

// isUUID reports whether s is canonical UUID text (RFC 9562 section 4, in the
// lower case that it recommends).
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range 36 {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func checkTime(field string, t *timestamppb.Timestamp) *Error {
	if t != nil && !t.IsValid() {
		return Invalid(field, "not a time")
	}
	return nil
}

func checkReason(field string, r callv1.Reason) *Error {
	if callv1.Reason_name[int32(r)] == "" {
		return Invalid(field, "not a reason of the closed set")
	}
	return nil
}

func checkRevision(field string, revision uint32) *Error {
	if revision == 0 {
		return Invalid(field, "revisions begin with 1")
	}
	return nil
}

func checkAddress(field, s string) *Error {
	if s == "" {
		return Invalid(field, "missing")
	}
	if !IsCanonicalAddress(s) {
		return Invalid(field, "not a canonical address")
	}
	return nil
}

// sdp bounds a session description; its lines are text (RFC 8866 section 5).
func (v validator) sdp(field, s string) *Error {
	if s == "" {
		return Invalid(field, "missing")
	}
	if e := checkFreeText(field, s, v.SDP); e != nil {
		return e
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\r' && c != '\n' && c != '\t' {
			return Invalid(field, "a control character")
		}
	}
	return nil
}

// headers refuses whatever could end a header line or begin another.
func (v validator) optionalSDP(field, s string) *Error {
	if s == "" {
		return nil
	}
	return v.sdp(field, s)
}

func (v validator) headers(headers []*callv1.Header) *Error {
	if len(headers) > v.Headers {
		return Invalid("headers", "more than %d", v.Headers)
	}
	total := 0
	for i, h := range headers {
		if e := firstOf(v.headerName(h.GetName()), checkText("value", h.GetValue(), v.HeaderValue)); e != nil {
			return e.at("headers", i)
		}
		total += len(h.GetName()) + len(h.GetValue())
	}
	if total > v.HeadersTotal {
		return Invalid("headers", "longer than %d bytes together", v.HeadersTotal)
	}
	return nil
}

// headerName checks for an RFC 3261 section 25.1 token. Names are compared
// without regard to case (section 7.3.1), and carried as their sender wrote them.
func (v validator) headerName(s string) *Error {
	if s == "" {
		return Invalid("name", "missing")
	}
	if len(s) > v.HeaderName {
		return Invalid("name", "longer than %d bytes", v.HeaderName)
	}
	for i := range len(s) {
		c := s[i]
		if !isAlphanumeric(c) && strings.IndexByte("-.!%*_+`'~", c) < 0 {
			return Invalid("name", "a character that cannot stand in a header name")
		}
	}
	return nil
}

func (v validator) terminal(t *callv1.Terminal) *Error {
	if t == nil {
		return Invalid("", "missing")
	}
	return firstOf(
		checkToken("id", t.GetId()),
		checkToken("kind", t.GetKind()),
		checkToken("node", t.GetNode()),
		checkToken("instance", t.GetInstance()),
		checkText("subscriber", t.GetSubscriber(), v.Subscriber),
	)
}

func (v validator) party(p *callv1.Party) *Error {
	if p == nil {
		return Invalid("", "missing")
	}
	if len(p.GetAddresses()) == 0 {
		return Invalid("addresses", "missing")
	}
	if len(p.GetAddresses()) > v.Addresses {
		return Invalid("addresses", "more than %d", v.Addresses)
	}
	for i, a := range p.GetAddresses() {
		if !IsCanonicalAddress(a) {
			return Invalid("", "not a canonical address").at("addresses", i)
		}
	}
	return firstOf(
		checkText("subscriber", p.GetSubscriber(), v.Subscriber),
		checkText("display_name", p.GetDisplayName(), v.DisplayName),
	)
}

func (v validator) optionalParty(field string, p *callv1.Party) *Error {
	if p == nil {
		return nil
	}
	return v.party(p).in(field)
}
