package callstate

import "time"

// Metrics takes what the service counts. Methods must not block.
type Metrics interface {
	// Command counts one command by kind of body and outcome ("ok" or a code).
	Command(kind, outcome string, took time.Duration)
	// CallPlaced counts an offer that was committed and rings.
	CallPlaced()
	// CallEnded counts a call by the protocols of both sides and its reason;
	// setup is offer to answer, 0 if it never was answered.
	CallEnded(callerKind, calleeKind, reason string, setup, duration time.Duration)
	// Conflict counts a compare-and-set that found another writer.
	Conflict()
	// EventRetry counts an event that had to be sent again.
	EventRetry()
	// Live is the present number of live calls.
	Live(n int)
}

type noMetrics struct{}

func (noMetrics) Command(string, string, time.Duration)                          {}
func (noMetrics) CallPlaced()                                                    {}
func (noMetrics) CallEnded(string, string, string, time.Duration, time.Duration) {}
func (noMetrics) Conflict()                                                      {}
func (noMetrics) EventRetry()                                                    {}
func (noMetrics) Live(int)                                                       {}
