package callstate

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

// A failure is told of until the next success, and for a minute after the last try.
func TestJournalState(t *testing.T) {
	var j journalState
	at, broken := time.Now(), errors.New("broken")
	for i, step := range []struct {
		use  journalUse
		err  error
		told string
	}{
		{journalRead, nil, ""},
		{journalWrite, broken, "written"},
		{journalRead, nil, "written"},
		{journalWrite, bus.ErrConflict, ""}, // another wrote: it can be written
		{journalRead, broken, "read"},
		{journalRead, bus.ErrNotFound, ""},
	} {
		j.went(step.use, at, step.err)
		if told := strings.Join(j.problems(at.Add(journalStale)), " "); !strings.Contains(told, step.told) || (step.told == "") != (told == "") {
			t.Errorf("step %d: %q", i, told)
		}
	}
	j.went(journalWrite, at, broken)
	if told := j.problems(at.Add(journalStale + 1)); len(told) != 0 {
		t.Errorf("stale: %q", told)
	}
}
