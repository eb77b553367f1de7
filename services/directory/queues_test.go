package directory

import (
	"sync"
	"testing"

	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// held are metrics that hold up whoever counts a sign-in.
type held struct {
	*counter
	release, refused chan struct{}
}

func (h held) SignIn(kind, proof, outcome string) {
	h.counter.SignIn(kind, proof, outcome)
	<-h.release
}

func (h held) Refused(of string) {
	h.counter.Refused(of)
	h.refused <- struct{}{}
}

// A flood of sign-ins holds up what calls ask for neither by its work nor by its
// place in the queue.
func TestSignInsHoldNoCallUp(t *testing.T) {
	cfg := config()
	cfg.Workers, cfg.Queue = 1, 2
	const flood = 8 // one in work, two that wait
	h := held{&counter{n: map[string]int{}}, make(chan struct{}), make(chan struct{}, flood)}
	n := start(t, membus.NewServer(), cfg, func(e *Env) { e.Metrics = h })
	defer n.stop()
	var waiting sync.WaitGroup
	for range flood {
		waiting.Go(func() {
			switch _, err := n.token("wrong", ""); schema.CodeOf(err) {
			case callv1.Code_CODE_UNAUTHENTICATED, callv1.Code_CODE_RETRY:
			default:
				t.Errorf("a sign-in of the flood: %v", err)
			}
		})
	}
	defer waiting.Wait()
	defer close(h.release)
	for range flood - 3 {
		<-h.refused
	}
	_, err := n.question(&callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Domain{Domain: &callv1.Domain{Name: "example.org"}}})
	wantCode(t, err, callv1.Code_CODE_RETRY)
	if got := h.get("refused strangers"); got != flood-2 {
		t.Errorf("%d refusals are counted, want %d", got, flood-2)
	}
	if p, err := n.resolve("tel:+12025550101"); err != nil || p.GetSubscriber() != "alice" {
		t.Errorf("a call's question: %v, %v", p, err)
	}
	if got := h.get("refused calls"); got != 0 {
		t.Errorf("%d questions of calls were refused", got)
	}
}
