package directory

import (
	"errors"
	"strings"

	"github.com/tandem-rtc/tandem/schema"
)

// Schemes of canonical addresses.
const (
	schemeTel = "tel:"
	schemeSIP = "sip:"
)

// canonical gives the canonical form of an address URI.
func canonical(s string) (string, error) {
	a, err := schema.ParseAddress(s)
	if err != nil {
		var e *schema.Error
		if errors.As(err, &e) {
			return "", errors.New(e.Message) // the caller knows the field better
		}
		return "", err
	}
	return a.String(), nil
}

// telOf gives the canonical tel: address of a number written with or without
// "+", the two ways WG2 writes one; "" if it is none.
func telOf(msisdn string) string {
	a, err := schema.ParseAddress(schemeTel + "+" + strings.TrimPrefix(msisdn, "+"))
	if err != nil {
		return ""
	}
	return a.String()
}

// splitSIP gives user and domain of a canonical sip: address.
func splitSIP(address string) (user, domain string, ok bool) {
	rest, ok := strings.CutPrefix(address, schemeSIP)
	at := strings.LastIndexByte(rest, '@')
	if !ok || at < 1 {
		return "", "", false
	}
	return rest[:at], rest[at+1:], true
}

// reserved reports whether an address lies where only aliases are.
func (c Config) reserved(address string) bool {
	if _, domain, ok := splitSIP(address); ok {
		return domain == c.AliasDomain
	}
	digits, ok := strings.CutPrefix(address, schemeTel+c.AliasPrefix)
	return ok && len(digits) == c.AliasDigits
}

// first gives the first address with a scheme, or "".
func first(addresses []string, scheme string) string {
	for _, a := range addresses {
		if strings.HasPrefix(a, scheme) {
			return a
		}
	}
	return ""
}

// validName holds for subscriber ids and token names.
func validName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("._@+-", c) >= 0 {
			continue
		}
		return false
	}
	return true
}

// validDomain holds for lower-case host names (RFC 1123 section 2.1).
func validDomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '-' {
				return false
			}
		}
	}
	return true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
