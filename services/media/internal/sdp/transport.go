package sdp

import (
	"strings"

	"github.com/pion/sdp/v3"
)

// readTransport takes the transport attributes at one level, over those of the
// level above.
func readTransport(attributes []sdp.Attribute, above Transport, limits Limits) Transport {
	t := above
	t.Candidates = nil
	best := -1
	for _, a := range attributes {
		switch a.Key {
		case "ice-ufrag":
			t.Ufrag = a.Value
		case "ice-pwd":
			t.Pwd = a.Value
		case "setup":
			t.Setup = a.Value
		case "fingerprint": // RFC 8122; several may be given, the strongest we know counts
			hash, value, ok := strings.Cut(a.Value, " ")
			rank := hashRank(hash)
			if ok && rank > best {
				best, t.FingerprintHash, t.Fingerprint = rank, strings.ToLower(hash), strings.TrimSpace(value)
			}
		case "candidate":
			if len(t.Candidates) < limits.Candidates {
				t.Candidates = append(t.Candidates, a.Value)
			}
		}
	}
	return t
}

func hashRank(hash string) int {
	switch strings.ToLower(hash) {
	case "sha-256":
		return 3
	case "sha-384":
		return 2
	case "sha-512":
		return 1
	default:
		return -1
	}
}

// complete reports whether a connection can be made with it: ICE credentials
// of RFC 8839 section 5.4 and a fingerprint.
func (t Transport) complete() bool {
	return iceText(t.Ufrag, 4) && iceText(t.Pwd, 22) && hexDigest(t.Fingerprint)
}

// same reports whether two lines name one transport, grouped or not.
func (t Transport) same(u Transport) bool {
	return t.Ufrag == u.Ufrag && t.Pwd == u.Pwd && t.Fingerprint == u.Fingerprint
}

func iceText(s string, least int) bool {
	if len(s) < least || len(s) > 256 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') &&
			// '-' and '_' are outside RFC 8839's ice-char, and in use.
			r != '+' && r != '/' && r != '-' && r != '_' && r != '='
	})
}

func hexDigest(s string) bool {
	return len(s) >= 59 && len(s) <= 191 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'f') && (r < 'A' || r > 'F') && r != ':'
	})
}
