package matrixtest

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// GhostOf is the user that stands for an address (tel:+1…, sip:user@domain) on a
// homeserver.
func GhostOf(prefix, address, server string) string {
	scheme, rest, _ := strings.Cut(address, ":")
	if scheme == "tel" {
		return "@" + prefix + strings.TrimPrefix(rest, "+") + ":" + server
	}
	var b strings.Builder
	for _, x := range []byte(strings.ToLower(rest)) {
		if strings.IndexByte("abcdefghijklmnopqrstuvwxyz0123456789._-", x) >= 0 {
			b.WriteByte(x)
		} else {
			fmt.Fprintf(&b, "=%02x", x)
		}
	}
	return "@" + prefix + b.String() + ":" + server
}

// AddressOf is the address that a user stands for: that of a ghost, or the user's own.
func AddressOf(prefix, user string) string {
	localpart, server, _ := strings.Cut(strings.TrimPrefix(user, "@"), ":")
	name, ghost := strings.CutPrefix(localpart, prefix)
	if !ghost {
		return "matrix:u/" + localpart + ":" + server
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '=' && i+2 < len(name) {
			if x, err := hex.DecodeString(name[i+1 : i+3]); err == nil {
				b.Write(x)
				i += 2
				continue
			}
		}
		b.WriteByte(name[i])
	}
	if name = b.String(); strings.Contains(name, "@") {
		return "sip:" + name
	}
	return "tel:+" + name
}

// addressOf is the address that an account is called by, as a person would dial it.
func addressOf(aor, msisdn string) string {
	switch {
	case strings.Contains(aor, ":"): // an address already
		return aor
	case strings.Contains(aor, "@"):
		return "sip:" + aor
	case strings.HasPrefix(aor, "+"):
		return "tel:" + aor
	}
	return "tel:" + msisdn
}
