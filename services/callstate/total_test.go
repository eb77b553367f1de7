package callstate_test

import (
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate"
)

// All subscribers together place so many calls in a minute, and have so many at
// once, and no more; what is refused is counted as overload.
func TestLimitOfAllCalls(t *testing.T) {
	for what, limit := range map[string]func(*callstate.Config){
		"in a minute": func(c *callstate.Config) { c.TotalCallsPerMinute = 2 },
		"at once":     func(c *callstate.Config) { c.MaxCalls = 2 },
	} {
		t.Run(what, func(t *testing.T) { limitOfAllCalls(t, limit) })
	}
}

func limitOfAllCalls(t *testing.T, limit func(*callstate.Config)) {
	t.Helper()
	r := newRig(t)
	limit(&r.cfg)
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

// A call that ends is counted once, by the name of its reason that alerts and the
// dashboard read, which is not the one of the ladder.
func TestEndsAreCountedByName(t *testing.T) {
	r := newRig(t)
	counts := &refusals{ended: make(chan string, 64)}
	r.metrics = counts
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice := a.attach("alice", false)
	if reply := r.send(a.b, a.offer(alice, "1", "sip:nobody@demo.test")); reply.GetError().GetCode() != callv1.Code_CODE_NOT_FOUND {
		t.Fatalf("a call to nobody: %v", reply)
	}
	select {
	case reason := <-counts.ended:
		if got, ok := schema.ParseReason(reason); !ok || got != callv1.Reason_REASON_NOT_FOUND {
			t.Errorf("counted as %q", reason)
		}
	case <-time.After(patience):
		t.Fatal("the end is not counted")
	}
	if len(counts.ended) != 0 {
		t.Errorf("counted again, as %q", <-counts.ended)
	}
}

// refusals tells the outcome of each refused offer, and the reason of each call
// that ended, where somebody listens.
type refusals struct {
	counted, ended chan string
}

func (m *refusals) Command(kind, outcome string, _ time.Duration) {
	if kind == "offer" && outcome != "ok" && m.counted != nil {
		m.counted <- outcome
	}
}

func (m *refusals) CallEnded(_, _, reason string, _ time.Duration) {
	if m.ended != nil {
		m.ended <- reason
	}
}

func (*refusals) CallPlaced()                                     {}
func (*refusals) CallSetUp(string, string, string, time.Duration) {}
func (*refusals) Conflict()                                       {}
func (*refusals) EventRetry()                                     {}
func (*refusals) Live(int)                                        {}
func (*refusals) Partitions(int)                                  {}
func (*refusals) JournalUsed(float64)                             {}
