package schema

import (
	"strings"
	"unicode/utf8"
)

// hasControl reports a control character of ASCII or, in UTF-8, of C1.
func hasControl(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c == 0x7f {
			return true
		}
		// C1 is U+0080 to U+009F: C2 80 to C2 9F.
		if c == 0xc2 && i+1 < len(s) && s[i+1] >= 0x80 && s[i+1] <= 0x9f {
			return true
		}
	}
	return false
}

// CleanText makes any text fit for a field or a terminal that people read:
// valid UTF-8 of at most limit bytes, each control character a space.
func CleanText(s string, limit int) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, string(utf8.RuneError))
	}
	if hasControl(s) {
		s = strings.Map(func(r rune) rune {
			if r < ' ' || r >= 0x7f && r <= 0x9f {
				return ' '
			}
			return r
		}, s)
	}
	if len(s) <= limit {
		return s
	}
	cut := max(limit, 0)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}
