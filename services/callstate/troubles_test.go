package callstate

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

// A failure is told of until the next success, and for a minute after the last try.
func TestTroubles(t *testing.T) {
	var j troubles
	at, broken := time.Now(), errors.New("broken")
	for i, step := range []struct {
		use  need
		err  error
		told string
	}{
		{needRead, nil, ""},
		{needWrite, broken, "written"},
		{needRead, nil, "written"},
		{needWrite, bus.ErrConflict, ""}, // another wrote: it can be written
		{needRead, broken, "read"},
		{needRead, bus.ErrNotFound, ""},
		{needDirectory, broken, "the directory"},
		{needDirectory, nil, ""},
	} {
		j.went(step.use, at, step.err)
		if told := strings.Join(j.problems(at.Add(troubleStale)), " "); !strings.Contains(told, step.told) || (step.told == "") != (told == "") {
			t.Errorf("step %d: %q", i, told)
		}
	}
	j.went(needWrite, at, broken)
	if told := j.problems(at.Add(troubleStale + 1)); len(told) != 0 {
		t.Errorf("stale: %q", told)
	}
}
