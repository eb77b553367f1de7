package schema

import "strings"

// ParseDialled normalises what a user dialled, in any protocol's form, to an
// address:
//
//	+1 (202) 555-0101            tel:+12025550101
//	+12025550101@any.domain      tel:+12025550101 (a global number is the same everywhere)
//	bob@example.com              sip:bob@example.com
//	@bob:example.org             matrix:u/bob:example.org
//	bob                          sip:bob@defaultDomain, if there is one
//
// and every address URI. Digits without a plus sign are refused: without a
// dial plan nobody can say whether 0012025550101 is a number from abroad.
// The error is a *Error with CODE_INVALID.
func ParseDialled(s, defaultDomain string) (Address, error) {
	s = strings.TrimSpace(s)
	if _, _, ok := cutScheme(s); ok {
		a, err := ParseAddress(s)
		if err == nil && a.scheme == SchemeSIP {
			a = numberOf(a)
		}
		return a, err
	}
	user, _, hasDomain := strings.Cut(s, "@")
	switch {
	case s == "":
		return Address{}, Invalid("address", "nothing dialled")
	case len(s) > maxAddressInput:
		return Address{}, Invalid("address", "longer than %d bytes", MaxAddress)
	case s[0] == '@':
		return sized(matrixUser(s[1:]))
	case !hasDomain && s[0] == '+':
		return parseTel(strings.ReplaceAll(s, " ", ""))
	case hasDomain:
		a, err := sized(parseSIP(escapeDialled(s)))
		if err != nil {
			return Address{}, err
		}
		return numberOf(a), nil
	case onlyDigits(user):
		return Address{}, Invalid("address", "a number needs + and its country code")
	case defaultDomain == "":
		return Address{}, Invalid("address", "a name needs a domain: user@domain")
	}
	return sized(parseSIP(escapeDialled(s) + "@" + defaultDomain))
}

// numberOf gives the telephone number that a SIP address carries as its user
// (RFC 3261 section 19.1.6), or the address itself.
func numberOf(a Address) Address {
	if number, ok := normaliseNumber(a.user); ok {
		return Address{scheme: SchemeTel, user: number}
	}
	return a
}

func sized(a Address, err error) (Address, error) {
	if err == nil && a.size() > MaxAddress {
		return Address{}, Invalid("address", "longer than %d bytes", MaxAddress)
	}
	return a, err
}

// escapeDialled lets a user type a space inside a number at a domain.
func escapeDialled(s string) string {
	if strings.HasPrefix(s, "+") {
		return strings.ReplaceAll(s, " ", "")
	}
	return s
}

// onlyDigits reports whether s is a number without a plus sign, however
// separated.
func onlyDigits(s string) bool {
	digits := false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits = true
		case strings.IndexByte("-.() *#", c) < 0:
			return false
		}
	}
	return digits
}
