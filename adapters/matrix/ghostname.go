package matrix

import (
	"strconv"
	"strings"

	"github.com/tandem-rtc/tandem/schema"
)

// A ghost's localpart is the prefix and the address it stands for: a number's
// digits, or a SIP address of record in which what may not stand in a localpart is
// written as "=" and two hex digits, as the Matrix specification recommends for
// names from elsewhere (appendix "User identifiers"). The two never meet, since an
// address of record has an "@". Pure, one to one.

// maxLocalpart leaves room for a server name in the 255 bytes of a user id.
const maxLocalpart = 200

// ghostLocalpart gives the localpart of an address's ghost; false if it has none.
func ghostLocalpart(prefix string, a schema.Address) (string, bool) {
	var name string
	switch {
	case a.IsTel():
		name = strings.TrimPrefix(a.E164(), "+")
	case a.IsSIP():
		name = escapeLocalpart(a.AOR())
	default:
		return "", false
	}
	return prefix + name, name != "" && len(prefix)+len(name) <= maxLocalpart
}

// ghostAddress reads the address that a ghost's localpart stands for; false if it
// is no ghost's.
func ghostAddress(prefix, localpart string) (schema.Address, bool) {
	name, ok := strings.CutPrefix(localpart, prefix)
	if !ok || name == "" {
		return schema.Address{}, false
	}
	if allDigits(name) {
		a, err := schema.ParseAddress("tel:+" + name)
		return a, err == nil
	}
	plain, ok := unescapeLocalpart(name)
	if !ok {
		return schema.Address{}, false
	}
	a, err := schema.ParseDialled(plain, "")
	if err != nil || !a.IsSIP() {
		return schema.Address{}, false
	}
	// A ghost has one name: another spelling is not it.
	back, ok := ghostLocalpart(prefix, a)
	return a, ok && back == localpart
}

func escapeLocalpart(s string) string {
	const hexDigits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('=')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}

func unescapeLocalpart(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '=' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
