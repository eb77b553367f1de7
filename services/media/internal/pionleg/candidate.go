package pionleg

import (
	"net/netip"
	"strings"

	"github.com/pion/ice/v4"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255}) //nolint:gochecknoglobals // a constant

// readCandidate gives a candidate in the form that pion takes, or why it is of
// no use: broken, not UDP, not RTP's component, or with a name that only the
// terminal's own network resolves (mDNS). A terminal behind such a name reaches
// us, and is found by its own checks.
func readCandidate(c *callv1.Candidate) (text, reason string) {
	return readCandidateText(c.GetCandidate())
}

func readCandidateText(text string) (_, reason string) {
	text = strings.TrimSpace(text)
	text = strings.TrimPrefix(strings.TrimPrefix(text, "a="), "candidate:")
	if text == "" {
		return "", "empty" // end-of-candidates of some clients
	}
	if len(text) > 1024 {
		return "", "too long"
	}
	f := strings.Fields(text)
	if len(f) < 8 {
		return "", "broken"
	}
	if f[1] != "1" {
		return "", "not RTP's component"
	}
	if !strings.EqualFold(f[2], "udp") {
		return "", "not UDP"
	}
	a, err := netip.ParseAddr(f[4])
	if err != nil {
		return "", "address is a name"
	}
	// Checks go where a candidate says: to one host, and not to all that listen.
	if a = a.Unmap(); a.IsMulticast() || a.IsUnspecified() || a == broadcast || f[5] == "0" {
		return "", "no host's address"
	}
	// Only the part of the grammar that means something to us goes on: other
	// extensions of the terminal may not parse.
	end := 8
	if len(f) >= 12 && f[8] == "raddr" && f[10] == "rport" {
		end = 12
	}
	text = strings.Join(f[:end], " ")
	if _, err := ice.UnmarshalCandidate(text); err != nil {
		return "", "broken"
	}
	return text, ""
}
