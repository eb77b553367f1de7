package pionleg

import (
	"slices"
	"time"

	"github.com/pion/ice/v4"
)

// roamPairs is the most pairs of a leg that are remembered.
const roamPairs = checksSources

// roam follows a terminal whose address changes under it, as a NAT that forgets
// its binding makes it: the terminal notices nothing and nominates nothing. It is
// used by the ICE agent's goroutine alone.
type roam struct {
	// quiet is how long every other address must have been silent.
	quiet time.Duration
	pairs []*ice.CandidatePair
	// chosen is the pair last changed to.
	chosen *ice.CandidatePair
}

// follow takes note of a check on a pair, and reports whether to change to the
// pair. Only one that has answered a check of ours is taken, lest the terminal
// aims its media at somebody else (RFC 8445 section 7.3.1.4). A leg whose terminal
// did not offer sends no such checks once it is connected, and stays as it is.
func (r *roam) follow(pair *ice.CandidatePair, connected bool, now time.Time) bool {
	if !slices.Contains(r.pairs, pair) {
		if len(r.pairs) == roamPairs {
			r.pairs = slices.Delete(r.pairs, 0, 1)
		}
		r.pairs = append(r.pairs, pair)
	}
	if !connected || pair == r.chosen || pair.LastResponseReceivedAt().IsZero() {
		return false
	}
	others := 0
	for _, p := range r.pairs {
		if p.Remote.Equal(pair.Remote) {
			continue
		}
		if others++; now.Sub(p.Remote.LastReceived()) < r.quiet {
			return false
		}
	}
	if others == 0 {
		return false
	}
	r.chosen = pair
	return true
}
