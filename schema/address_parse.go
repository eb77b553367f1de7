package schema

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Lengths of telephone numbers in digits: E.164 section 6.2.1 sets the upper
// one, the lower one keeps a stray "+1" from being taken for a number.
const (
	minDigits = 3
	maxDigits = 15
)

// maxHost is the longest DNS name in text (RFC 1035 section 3.1).
const maxHost = 253

// parseTel reads what follows "tel:" (RFC 3966 section 3, global-number).
func parseTel(s string) (Address, error) {
	if strings.ContainsRune(s, ';') {
		return Address{}, Invalid("address", "tel: parameters are not supported")
	}
	number, ok := normaliseNumber(s)
	if !ok {
		return Address{}, Invalid("address", "not a global telephone number: + and %d to %d digits", minDigits, maxDigits)
	}
	return Address{scheme: SchemeTel, user: number}, nil
}

// normaliseNumber removes the visual separators of RFC 3966 section 5.1.1 from
// a global number.
func normaliseNumber(s string) (string, bool) {
	if len(s) < 2 || s[0] != '+' || len(s) > MaxAddress {
		return "", false
	}
	b := make([]byte, 1, maxDigits+1)
	b[0] = '+'
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			if len(b) > maxDigits || len(b) == 1 && c == '0' { // no country code begins with 0
				return "", false
			}
			b = append(b, c)
		case c == '-' || c == '.' || c == '(' || c == ')':
		default:
			return "", false
		}
	}
	return string(b), len(b) > minDigits
}

// parseSIP reads what follows "sip:" or "sips:" (RFC 3261 section 25.1).
func parseSIP(s string) (Address, error) {
	user, host, ok := strings.Cut(s, "@")
	if !ok || user == "" {
		return Address{}, Invalid("address", "a SIP address is user@domain")
	}
	if strings.ContainsRune(user, ':') {
		return Address{}, Invalid("address", "a SIP address holds no password")
	}
	if strings.ContainsRune(host, '?') {
		return Address{}, Invalid("address", "a SIP address holds no headers")
	}
	host, _, _ = strings.Cut(host, ";")
	user, ok = unescape(user, isSIPUserByte)
	if !ok {
		return Address{}, Invalid("address", "a character that cannot stand in a SIP user name")
	}
	domain, ok := normaliseHost(host)
	if !ok {
		return Address{}, Invalid("address", "not a domain name")
	}
	return Address{scheme: SchemeSIP, user: user, domain: domain}, nil
}

// parseMatrix reads what follows "matrix:": u/localpart:server. "user" is the
// older spelling of "u" that MSC2312 keeps.
func parseMatrix(s string) (Address, error) {
	kind, id, ok := strings.Cut(s, "/")
	if !ok || kind != "u" && kind != "user" {
		return Address{}, Invalid("address", "not a Matrix user URI: matrix:u/localpart:server")
	}
	id, _, _ = strings.Cut(id, "?")
	id, ok = unescape(id, isMatrixPathByte)
	if !ok {
		return Address{}, Invalid("address", "a character that cannot stand in a Matrix user URI")
	}
	return matrixUser(id)
}

// matrixUser reads a user id without its "@": "localpart:server".
func matrixUser(id string) (Address, error) {
	user, server, ok := strings.Cut(id, ":")
	if !ok || user == "" {
		return Address{}, Invalid("address", "a Matrix user is @localpart:server")
	}
	// The specification's historical grammar, which servers still accept.
	for i := range len(user) {
		if user[i] < 0x21 || user[i] > 0x7e {
			return Address{}, Invalid("address", "a character that cannot stand in a Matrix user id")
		}
	}
	if !validServerName(server) {
		return Address{}, Invalid("address", "not a Matrix server name")
	}
	return Address{scheme: SchemeMatrix, user: user, domain: server}, nil
}

// normaliseHost gives a host in lower case, without the root's dot: a DNS name
// (RFC 1123 section 2.1), an IPv4 address, or an IPv6 address in brackets.
func normaliseHost(s string) (string, bool) {
	if strings.HasPrefix(s, "[") {
		ip, err := netip.ParseAddr(strings.TrimSuffix(s[1:], "]"))
		if err != nil || !strings.HasSuffix(s, "]") || !ip.Is6() || ip.Zone() != "" {
			return "", false
		}
		return "[" + ip.String() + "]", true
	}
	s = strings.TrimSuffix(s, ".")
	if !validHostName(s) { // before ToLower, which makes ASCII of some others
		return "", false
	}
	return strings.ToLower(s), true
}

// validHostName checks the labels of a DNS name or IPv4 address.
func validHostName(s string) bool {
	if s == "" || len(s) > maxHost {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !isAlphanumeric(c) && c != '-' {
				return false
			}
		}
	}
	return true
}

// validServerName checks a Matrix server name: a host with an optional port.
// Server names are compared as written, so nothing is changed.
func validServerName(s string) bool {
	host := s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		port := s[i+1:]
		if port == "" || len(port) > 5 {
			return false
		}
		for j := range len(port) {
			if port[j] < '0' || port[j] > '9' {
				return false
			}
		}
		host = s[:i]
	}
	if strings.HasPrefix(host, "[") {
		ip, err := netip.ParseAddr(strings.TrimSuffix(host[1:], "]"))
		return err == nil && strings.HasSuffix(host, "]") && ip.Is6() && ip.Zone() == ""
	}
	return validHostName(host)
}

// isSIPUserByte: RFC 3261 section 25.1, unreserved and user-unreserved.
func isSIPUserByte(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0
}

// isMatrixPathByte: RFC 3986 pchar without "%", which escapes.
func isMatrixPathByte(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// unescape decodes %XX. A byte that may not stand for itself must be escaped,
// but for UTF-8 outside ASCII. The result is UTF-8 without control characters.
func unescape(s string, plain func(byte) bool) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%':
			if i+2 >= len(s) {
				return "", false
			}
			hi, ok1 := unhex(s[i+1])
			lo, ok2 := unhex(s[i+2])
			if !ok1 || !ok2 {
				return "", false
			}
			c = hi<<4 | lo
			i += 2
		case c < utf8.RuneSelf && !plain(c):
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), utf8.ValidString(b.String()) && !hasControl(b.String())
}

// escape writes every byte that may not stand for itself as %XX.
func escape(s string, plain func(byte) bool) string {
	n := escapedLen(s, plain)
	if n == len(s) {
		return s
	}
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, n)
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}

func escapedLen(s string, plain func(byte) bool) int {
	n := len(s)
	for i := range len(s) {
		if !plain(s[i]) {
			n += 2
		}
	}
	return n
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
