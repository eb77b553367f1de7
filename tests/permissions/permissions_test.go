package permissions

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// refusals is how many tries there are in all, by the number of adapter kinds:
// whoever changes the table or a role's rights changes this too.
var refusals = map[int]int{3: 948}

// A whole exchange, one process with one identity a role, places a call with
// media; the server refuses nothing that Tandem does. Then every identity is
// tried against everything that is another's, and all of it is refused.
func TestEachIdentityDoesItsWorkAndNothingElse(t *testing.T) {
	x := harness.StartExchange(t, binary, harness.Split, harness.Options{})
	call(t, x)
	if log := x.Processes["nats"].Log(); strings.Contains(log, "iolation") {
		t.Errorf("the server refused something that is needed:\n%s", log)
	}
	refused, kinds := 0, adapters(t, x)
	for _, role := range append(slices.Clone(services), kinds...) {
		i := steal(t, x, role)
		for _, o := range operations(kinds) {
			switch may, was := slices.Contains(o.by, role), i.try(o); {
			case may && was:
				t.Errorf("%s may not %s (%s)", role, o.does, o.subject)
			case !may && !was:
				t.Errorf("%s can %s (%s)", role, o.does, o.subject)
			case was:
				refused++
			}
		}
	}
	if want := refusals[len(kinds)]; refused != want {
		t.Errorf("%d operations were refused, want %d", refused, want)
	}
	call(t, x) // and nothing of it did any harm
}

// adapters lists the adapter kinds of the binary: who else has a key.
func adapters(t *testing.T, x *harness.Exchange) (kinds []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(x.Identities, "*.nk"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d keys, %v", len(files), err)
	}
	for _, f := range files {
		if role := strings.TrimSuffix(filepath.Base(f), ".nk"); !slices.Contains(services, role) {
			kinds = append(kinds, role)
		}
	}
	return kinds
}

// call has two phones talk to each other.
func call(t *testing.T, x *harness.Exchange) {
	t.Helper()
	const bob = "+12025550102"
	callee := x.Listen(t, "--count", "1", "--msisdn", bob, "--tone", "1000")
	caller := x.Call(t, bob, "--duration", "2s", "--tone", "440")
	caller.Outcome(30*time.Second, harness.ExitEstablished).Heard(t, 1000)
	callee.Outcome(30*time.Second, harness.ExitEstablished).Heard(t, 440)
}
