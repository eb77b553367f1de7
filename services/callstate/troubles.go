package callstate

import (
	"errors"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

// need is what the service cannot do without.
type need int

const (
	needRead      need = iota // the journal
	needWrite                 // the same
	needLease                 // of partitions, which are kept beside it
	needDirectory             // to answer what an address stands for
	needs
)

// troubles is how it went last with what the service needs: a disk that is full or
// broken, too few servers of NATS, or a directory that is not there are to be seen,
// although this process is well and the bus is there.
type troubles struct {
	mu     sync.Mutex
	failed [needs]error // nil: went well, or was not tried yet
	at     [needs]time.Time
}

// troubleStale is how long a failure is told of after which nothing was tried: the
// next try may be another node's.
const troubleStale = time.Minute

// went notes an outcome. A write that another was faster than went well, and so did
// the search for what is not there.
func (j *troubles) went(use need, now time.Time, err error) {
	if errors.Is(err, bus.ErrConflict) || errors.Is(err, bus.ErrNotFound) {
		err = nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failed[use], j.at[use] = err, now
}

// problems says what cannot be done, for people.
func (j *troubles) problems(now time.Time) (out []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for use, what := range []string{
		needRead: "the journal cannot be read", needWrite: "the journal cannot be written",
		needLease: "partitions cannot be taken", needDirectory: "the directory does not answer",
	} {
		if err := j.failed[use]; err != nil && now.Sub(j.at[use]) <= troubleStale {
			out = append(out, what+", and calls wait: "+err.Error())
		}
	}
	return out
}
