package callstate_test

import (
	"testing"
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// All subscribers together place so many calls in a minute, and no more; what is
// refused is counted as overload.
func TestLimitOfAllCalls(t *testing.T) {
	r := newRig(t)
	r.cfg.TotalCallsPerMinute = 2
	counts := &refusals{counted: make(chan string, 64)}
	r.metrics = counts
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice, carol := a.attach("alice", false), a.attach("carol", false)
	a.attach("bob", false)
	a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	a.must(a.offer(carol, "1", "sip:bob@demo.test"))
	if reply := r.send(a.b, a.offer(carol, "2", "sip:bob@demo.test")); reply.GetError().GetCode() != callv1.Code_CODE_OVERLOAD {
		t.Errorf("the third call: %v", reply)
	}
	select {
	case outcome := <-counts.counted:
		if outcome != "overload" {
			t.Errorf("counted as %q", outcome)
		}
	case <-time.After(patience):
		t.Error("the refusal is not counted")
	}
}

// refusals tells the outcome of each refused offer.
type refusals struct {
	counted chan string
}

func (m *refusals) Command(kind, outcome string, _ time.Duration) {
	if kind == "offer" && outcome != "ok" {
		m.counted <- outcome
	}
}

func (*refusals) CallPlaced()                                     {}
func (*refusals) CallSetUp(string, string, string, time.Duration) {}
func (*refusals) CallEnded(string, string, string, time.Duration) {}
func (*refusals) Conflict()                                       {}
func (*refusals) EventRetry()                                     {}
func (*refusals) Live(int)                                        {}
func (*refusals) Partitions(int)                                  {}
func (*refusals) JournalUsed(float64)                             {}
