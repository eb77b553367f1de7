package callstate

import "time"

// Metrics takes what the service counts. Methods must not block.
type Metrics interface {
	// Command counts one command by kind of body and outcome ("ok", a code, or
	// "unanswered" where the journal did not let itself be used in time).
	Command(kind, outcome string, took time.Duration)
	// CallPlaced counts an offer that was committed and rings.
	CallPlaced()
	// CallSetUp counts a call that has come to a stage ("alerting", "answered",
	// "established"), by the protocols of both sides; took is since its offer.
	CallSetUp(callerKind, calleeKind, stage string, took time.Duration)
	// CallEnded counts a call by the protocols of both sides and its reason, as
	// schema.ReasonName has it; duration is answer to end, 0 if it never was answered.
	CallEnded(callerKind, calleeKind, reason string, duration time.Duration)
	// Conflict counts a compare-and-set that found another writer.
	Conflict()
	// EventRetry counts an event that had to be sent again.
	EventRetry()
	// Live is the present number of live calls.
	Live(n int)
	// Partitions is how many partitions the node holds the lease of now.
	Partitions(n int)
	// JournalUsed is the share of the journal's room that is used.
	JournalUsed(share float64)
}

// outcomeUnanswered is that of a command which was given up without one.
const outcomeUnanswered = "unanswered"

type noMetrics struct{}

func (noMetrics) Command(string, string, time.Duration)           {}
func (noMetrics) CallPlaced()                                     {}
func (noMetrics) CallSetUp(string, string, string, time.Duration) {}
func (noMetrics) CallEnded(string, string, string, time.Duration) {}
func (noMetrics) Conflict()                                       {}
func (noMetrics) EventRetry()                                     {}
func (noMetrics) Live(int)                                        {}
func (noMetrics) Partitions(int)                                  {}
func (noMetrics) JournalUsed(float64)                             {}
