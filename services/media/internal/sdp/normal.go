package sdp

import (
	"fmt"
	"strings"
)

// name is what an m-line is called: its media and its protocol as written.
type name struct{ kind, proto string }

// Stand-ins for media and protocols that the parser has no table entry for. A
// line of any kind keeps its place and is refused with port 0 (RFC 3264 section
// 6); it must not cost the lines that can be used.
const (
	otherKind  = "application"
	otherProto = "UDP/TLS/RTP/SAVPF"
)

// normal gives a description as the parser wants it: lines that end in CRLF, only
// those that we read, and m-lines that it knows, whose own names come apart.
func normal(text string) (string, []name, error) {
	lines := strings.FieldsFunc(strings.TrimSpace(text), func(r rune) bool { return r == '\r' || r == '\n' })
	var names []name
	var b strings.Builder
	b.Grow(len(text) + 2*len(lines))
	for _, l := range lines {
		if rest, ok := strings.CutPrefix(l, "m="); ok {
			f := strings.Fields(rest)
			if len(f) < 3 || !token(f[0]) || !token(strings.ReplaceAll(f[2], "/", "")) {
				return "", nil, fmt.Errorf("%w: media line %d", ErrMalformed, len(names))
			}
			names = append(names, name{f[0], f[2]})
			if f[0] != Audio && f[0] != Video {
				f[0] = otherKind
			}
			f[2] = otherProto
			l = "m=" + strings.Join(f, " ")
		}
		// Connection, bandwidth and the like say nothing to us; the parser refuses
		// what it does not know there.
		if len(l) < 2 || l[1] != '=' || strings.IndexByte("vostma", l[0]) >= 0 {
			b.WriteString(l)
			b.WriteString("\r\n")
		}
	}
	return b.String(), names, nil
}

// token is RFC 8866 section 9's.
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]`, r)
	})
}
