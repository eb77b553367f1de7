package callstate

import (
	"errors"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

// journalUse is what is done with the journal.
type journalUse int

const (
	journalRead journalUse = iota
	journalWrite
	journalLease // the leases of partitions, which are kept beside it
	journalUses
)

// journalState is how reading and writing the journal went last: a disk that is full
// or broken, or too few servers of NATS, are to be seen, although this process is well
// and the bus is there.
type journalState struct {
	mu     sync.Mutex
	failed [journalUses]error // nil: went well, or was not tried yet
	at     [journalUses]time.Time
}

// journalStale is how long a failure is told of after which nothing was tried: the
// next try may be another node's.
const journalStale = time.Minute

// went notes an outcome. A write that another was faster than went well, and so did
// the search for what is not there.
func (j *journalState) went(use journalUse, now time.Time, err error) {
	if errors.Is(err, bus.ErrConflict) || errors.Is(err, bus.ErrNotFound) {
		err = nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failed[use], j.at[use] = err, now
}

// problems says what cannot be done, for people.
func (j *journalState) problems(now time.Time) (out []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for use, what := range []string{
		journalRead: "the journal cannot be read", journalWrite: "the journal cannot be written",
		journalLease: "partitions cannot be taken",
	} {
		if err := j.failed[use]; err != nil && now.Sub(j.at[use]) <= journalStale {
			out = append(out, what+", and calls wait: "+err.Error()+"; the log of NATS may say why")
		}
	}
	return out
}
