package directory

import (
	"sync"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// question is one that waits for a worker.
type question struct {
	from    *callv1.Identity
	q       *callv1.DirectoryRequest
	respond func(*callv1.DirectoryReply)
}

// Whose questions wait in which queue, as metrics name them.
const (
	ofStrangers = "strangers"
	ofCalls     = "calls"
)

// queues are what waits for workers. What anybody can have asked without having
// signed in waits apart, so that a flood of it holds no call up.
type queues map[string]chan question

func newQueues(size int) queues {
	return queues{ofStrangers: make(chan question, size), ofCalls: make(chan question, size)}
}

// run starts the workers of each queue; they end when it is closed.
func (q queues) run(workers int, running *sync.WaitGroup, answer func(question)) {
	for _, queue := range q {
		for range workers {
			running.Go(func() {
				for w := range queue {
					answer(w)
				}
			})
		}
	}
}

// put adds a question to its queue, and reports which that is and whether there
// was room. It does not block.
func (q queues) put(w question) (of string, ok bool) {
	of = ofCalls
	switch body := w.q.GetBody().(type) {
	case *callv1.DirectoryRequest_Authenticate:
		if body.Authenticate.GetCredentials().GetAsserted() == nil { // that one an adapter vouches for
			of = ofStrangers
		}
	case *callv1.DirectoryRequest_Domain: // asked before a sign-in
		of = ofStrangers
	}
	select {
	case q[of] <- w:
		return of, true
	default:
		return of, false
	}
}

func (q queues) close() {
	for _, queue := range q {
		close(queue)
	}
}
