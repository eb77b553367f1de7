package schema

import (
	"strings"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// MaxAddress is the longest canonical address in bytes.
const MaxAddress = 255

// maxAddressInput bounds what is looked at at all: escapes and what
// normalisation removes make a spelling longer than its canonical form.
const maxAddressInput = 4 * MaxAddress

// Scheme is an address's URI scheme.
type Scheme string

// The schemes of addresses.
const (
	// SchemeTel is a global telephone number (RFC 3966, E.164).
	SchemeTel Scheme = "tel"
	// SchemeSIP is a SIP address of record (RFC 3261 section 10.3).
	SchemeSIP Scheme = "sip"
	// SchemeMatrix is a Matrix user id (MSC2312, Matrix specification appendix
	// "matrix: URI scheme").
	SchemeMatrix Scheme = "matrix"
)

// Address is the canonical form of whom somebody calls or is. Two addresses
// name the same party if and only if they are equal (==). The zero Address
// names nobody.
//
// The canonical forms are
//
//	tel:+12025550101              digits only, no parameters
//	sip:alice@example.com         domain in lower case, no port, no parameters
//	matrix:u/alice:example.org    for @alice:example.org
//
// What stands before a SIP domain, and a whole Matrix user id, is compared
// exactly, upper and lower case apart, as RFC 3261 section 19.1.4 and the
// Matrix specification say.
type Address struct {
	scheme Scheme
	user   string // tel: "+digits"; sip and matrix: unescaped
	domain string // tel: empty
}

// ParseAddress reads an address URI in any spelling and gives its canonical
// form. ParseAddress(a.String()) is a again.
//
//   - tel: global numbers, "+" and 3 to 15 digits; visual separators are
//     removed. Local numbers and parameters (an extension names somebody else
//     than the number does) are refused.
//   - sip: and sips: both give sip:. URI parameters are removed, as RFC 3261
//     section 10.3 has it for addresses of record; a password, a port and
//     headers are refused. The domain is a host name in ASCII (an
//     internationalised one in its xn-- form) or an IP address.
//   - matrix: user URIs; the query is removed, everything else is refused.
//
// The error is a *Error with CODE_INVALID.
func ParseAddress(uri string) (Address, error) {
	if len(uri) > maxAddressInput {
		return Address{}, Invalid("address", "longer than %d bytes", MaxAddress)
	}
	scheme, rest, ok := cutScheme(uri)
	if !ok {
		return Address{}, Invalid("address", "not a tel:, sip: or matrix: URI")
	}
	var (
		a   Address
		err error
	)
	switch scheme {
	case SchemeTel:
		a, err = parseTel(rest)
	case SchemeSIP:
		a, err = parseSIP(rest)
	default:
		a, err = parseMatrix(rest)
	}
	if err != nil {
		return Address{}, err
	}
	if a.size() > MaxAddress {
		return Address{}, Invalid("address", "longer than %d bytes", MaxAddress)
	}
	return a, nil
}

// IsCanonicalAddress reports whether s is an address in canonical form.
func IsCanonicalAddress(s string) bool {
	a, err := ParseAddress(s)
	return err == nil && a.String() == s
}

// FirstOf gives the first of a party's addresses that has the scheme.
func FirstOf(p *callv1.Party, scheme Scheme) (Address, bool) {
	for _, s := range p.GetAddresses() {
		if have, _, ok := cutScheme(s); !ok || have != scheme {
			continue
		}
		if a, err := ParseAddress(s); err == nil {
			return a, true
		}
	}
	return Address{}, false
}

// String gives the canonical URI; the zero Address gives "".
func (a Address) String() string {
	switch a.scheme {
	case SchemeTel:
		return "tel:" + a.user
	case SchemeSIP:
		return "sip:" + escape(a.user, isSIPUserByte) + "@" + a.domain
	case SchemeMatrix:
		return "matrix:u/" + escape(a.user, isMatrixPathByte) + ":" + escape(a.domain, isMatrixPathByte)
	}
	return ""
}

// IsZero reports whether the address names nobody.
func (a Address) IsZero() bool { return a.scheme == "" }

// Scheme gives the URI scheme, "" for the zero Address.
func (a Address) Scheme() Scheme { return a.scheme }

// IsTel reports whether the address is a telephone number.
func (a Address) IsTel() bool { return a.scheme == SchemeTel }

// IsSIP reports whether the address is a SIP address of record.
func (a Address) IsSIP() bool { return a.scheme == SchemeSIP }

// IsMatrix reports whether the address is a Matrix user.
func (a Address) IsMatrix() bool { return a.scheme == SchemeMatrix }

// E164 gives a telephone number as "+12025550101", else "".
func (a Address) E164() string {
	if a.scheme != SchemeTel {
		return ""
	}
	return a.user
}

// AOR gives a SIP address of record without its scheme, "alice@example.com",
// else "".
func (a Address) AOR() string {
	if a.scheme != SchemeSIP {
		return ""
	}
	return strings.TrimPrefix(a.String(), "sip:")
}

// MatrixID gives a Matrix user id, "@alice:example.org", else "".
func (a Address) MatrixID() string {
	if a.scheme != SchemeMatrix {
		return ""
	}
	return "@" + a.user + ":" + a.domain
}

// User gives what stands before the domain, unescaped: "alice"; of a telephone
// number the whole of it with its plus sign.
func (a Address) User() string { return a.user }

// Domain gives the SIP domain or the Matrix server name, "" for a number.
func (a Address) Domain() string { return a.domain }

// MarshalText implements encoding.TextMarshaler with the canonical URI.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with ParseAddress. Empty
// text gives the zero Address.
func (a *Address) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*a = Address{}
		return nil
	}
	parsed, err := ParseAddress(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

// size is the length of String() without making it.
func (a Address) size() int {
	switch a.scheme {
	case SchemeTel:
		return len("tel:") + len(a.user)
	case SchemeSIP:
		return len("sip:@") + escapedLen(a.user, isSIPUserByte) + len(a.domain)
	case SchemeMatrix:
		return len("matrix:u/:") + escapedLen(a.user, isMatrixPathByte) + escapedLen(a.domain, isMatrixPathByte)
	}
	return 0
}

// cutScheme splits off a known scheme, in any case (RFC 3986 section 3.1).
func cutScheme(uri string) (scheme Scheme, rest string, ok bool) {
	head, rest, ok := strings.Cut(uri, ":")
	switch {
	case !ok:
	case strings.EqualFold(head, "tel"):
		return SchemeTel, rest, true
	case strings.EqualFold(head, "sip"), strings.EqualFold(head, "sips"):
		return SchemeSIP, rest, true
	case strings.EqualFold(head, "matrix"):
		return SchemeMatrix, rest, true
	}
	return "", "", false
}
