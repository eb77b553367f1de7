package directory

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// aliasTries bounds the search for a free alias. With half the range free the
// chance to fail is 2^-64.
const aliasTries = 64

// missing gives the schemes in which a subscriber has no address at all yet.
func (r *subscriberRecord) missing() (schemes []string) {
	for _, s := range []string{schemeTel, schemeSIP} {
		if first(r.Addresses, s) == "" && first(r.Aliases, s) == "" {
			schemes = append(schemes, s)
		}
	}
	return schemes
}

// alias gives the try-th candidate for a subscriber's alias. It depends on the
// id alone, so a subscriber that is removed and comes back gets the same alias
// unless another took it.
func (c Config) alias(scheme, id string, try int) string {
	if scheme == schemeSIP {
		user := aliasUser(id)
		if try > 0 {
			user = fmt.Sprintf("%s-%d", user, try+1)
		}
		return schemeSIP + user + "@" + c.AliasDomain
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "tandem alias v1 %d %s", try, id))
	span := uint64(1)
	for range c.AliasDigits {
		span *= 10
	}
	return fmt.Sprintf("%s%s%0*d", schemeTel, c.AliasPrefix, c.AliasDigits, binary.BigEndian.Uint64(sum[:8])%span)
}

// aliasUser makes a subscriber id the user part of a sip: address: lower case,
// and what would need escaping becomes "-". Two ids may meet; the claim decides.
func aliasUser(id string) string {
	return strings.Map(func(c rune) rune {
		if c == '@' || c == '+' {
			return '-'
		}
		return c
	}, strings.ToLower(id))
}
