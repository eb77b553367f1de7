package bus

import "strings"

// Match reports whether a subject or key falls under a filter: tokens separated
// by ".", "*" stands for one token, a last ">" for one or more.
func Match(filter, subject string) bool {
	for {
		f, fRest, fMore := strings.Cut(filter, ".")
		s, sRest, sMore := strings.Cut(subject, ".")
		switch {
		case f == ">" && !fMore:
			return s != ""
		case f != "*" && f != s:
			return false
		case !fMore || !sMore:
			return fMore == sMore
		}
		filter, subject = fRest, sRest
	}
}

// ValidSubject reports whether s can be published on: tokens without wildcards,
// none empty, no white space or control characters.
func ValidSubject(s string) bool { return validTokens(s, false) }

// ValidFilter reports whether s can be subscribed to.
func ValidFilter(s string) bool { return validTokens(s, true) }

// ValidKey reports whether s can be a key of a bucket: a subject of
// [0-9A-Za-z_=.-].
func ValidKey(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' ||
			c == '_' || c == '-' || c == '=' || c == '.') {
			return false
		}
	}
	return ValidSubject(s)
}

func validTokens(s string, wildcards bool) bool {
	start := 0 // of the current token
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if s[i] <= ' ' || s[i] == 0x7f {
				return false
			}
			continue
		}
		switch t := s[start:i]; {
		case t == "":
			return false
		case t == "*" && !wildcards:
			return false
		case t == ">" && (!wildcards || i < len(s)):
			return false
		}
		start = i + 1
	}
	return true
}
