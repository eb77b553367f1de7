package localbus

import (
	"math/rand"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/bus"
)

// TestTheTreeMatchesAsTheBusDoes compares it with bus.Match, while filters come
// and go.
func TestTheTreeMatchesAsTheBusDoes(t *testing.T) {
	r := rand.New(rand.NewSource(1)) //nolint:gosec // a test's
	some := func(tokens string, most int) string {
		var out []string
		for range 1 + r.Intn(most) {
			out = append(out, string(tokens[r.Intn(len(tokens))]))
		}
		return strings.Join(out, ".")
	}
	var root node
	present := map[*server]bool{}
	for range 5000 {
		filter := some("aab*", 3)
		if r.Intn(3) == 0 {
			filter += ".>"
		}
		s := &server{filter: filter}
		root.insert(filter, s)
		present[s] = true
		for s := range present {
			if r.Intn(4) == 0 {
				root.remove(s.filter, s)
				delete(present, s)
			}
		}
		subject, want := some("ab", 4), 0
		for s := range present {
			if bus.Match(s.filter, subject) {
				want++
			}
		}
		found, got := root.match(subject)
		if got != want || (found != nil) != (want > 0) || found != nil && !bus.Match(found.filter, subject) {
			t.Fatalf("%s: %d servers, want %d", subject, got, want)
		}
	}
	for s := range present {
		root.remove(s.filter, s)
	}
	if len(root.children) != 0 || root.any != nil || root.rest != nil {
		t.Error("something is left")
	}
}
