package harness

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	uuid    = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	columns = regexp.MustCompile(`\s{2,}`)
	ordinal = regexp.MustCompile(` #\d+$`)
)

// LiveCall gives the id of the one call that "tandem calls" lists.
func (x *Exchange) LiveCall(t testing.TB) string {
	t.Helper()
	var ids []string
	Eventually(t, 5*time.Second, "one live call", func() (bool, string) {
		out := x.calls(t)
		ids = slices.Compact(uuid.FindAllString(out, -1))
		return len(ids) == 1, out
	})
	return ids[0]
}

// AwaitNoCall waits until "tandem calls" lists no call.
func (x *Exchange) AwaitNoCall(t testing.TB) {
	t.Helper()
	Eventually(t, 15*time.Second, "no live call", func() (bool, string) {
		out := x.calls(t)
		return !uuid.MatchString(out), out
	})
}

// AwaitLadder waits until "tandem calls show" prints the rungs in this order,
// others between them allowed. A rung is "from → to: what", where a leg is
// named without its ordinal: "alice sylkrtc → tandem: offer".
func (x *Exchange) AwaitLadder(t testing.TB, id string, rungs ...string) {
	t.Helper()
	Eventually(t, 10*time.Second, "ladder of call "+id, func() (bool, string) {
		out := x.calls(t, "show", id)
		rest := ladder(out)
		for _, want := range rungs {
			i := slices.Index(rest, want)
			if i < 0 {
				return false, "missing " + want + " in:\n" + out
			}
			rest = rest[i+1:]
		}
		return true, ""
	})
}

// ladder reads the rungs of a printed call.
func ladder(out string) (rungs []string) {
	for line := range strings.Lines(out) {
		cells := columns.Split(strings.TrimSpace(line), -1)
		if len(cells) >= 5 && cells[2] == "→" {
			from, to := ordinal.ReplaceAllString(cells[1], ""), ordinal.ReplaceAllString(cells[3], "")
			rungs = append(rungs, from+" → "+to+": "+cells[4])
		}
	}
	return rungs
}

// calls runs "tandem calls".
func (x *Exchange) calls(t testing.TB, args ...string) string {
	t.Helper()
	return x.Operate(t, "callstate", append([]string{"calls"}, args...)...)
}

// Operate runs a command of an operator's against the process that has a role, and
// gives its output. It fails the test if the command fails.
func (x *Exchange) Operate(t testing.TB, role string, args ...string) string {
	t.Helper()
	return x.binary.Run(t, append(args, "--admin", x.adminOf(role))...)
}
