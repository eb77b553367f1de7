package callstate_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// sick is a driver whose journal takes no writes while fail is set; tried gets a
// value for each that it refused.
type sick struct {
	bus.Driver
	mu    sync.Mutex
	fail  error
	tried chan struct{}
}

func (d *sick) Records() bus.Records { return sickRecords{d.Driver.Records(), d} }

func (d *sick) set(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
}

type sickRecords struct {
	bus.Records
	d *sick
}

func (r sickRecords) Commit(ctx context.Context, w ...bus.Write) ([]uint64, error) {
	r.d.mu.Lock()
	err := r.d.fail
	r.d.mu.Unlock()
	if err == nil {
		return r.Records.Commit(ctx, w...)
	}
	select {
	case r.d.tried <- struct{}{}:
	default:
	}
	return nil, err
}

// While the journal takes no writes, as with a full disk, calls wait, the node says
// so where it is asked, and its log does not repeat it with every attempt. Then they
// go on.
func TestAJournalThatTakesNoWrites(t *testing.T) {
	r := newRig(t)
	log := &logLines{more: make(chan struct{}, 1)}
	r.log = slog.New(slog.NewTextHandler(log, nil))
	d := &sick{tried: make(chan struct{}, 64)}
	r.startCallState(func(inner bus.Driver) bus.Driver { d.Driver = inner; return d })
	a := r.startAdapter("loopback", "n1")
	alice, bob := a.attach("alice", false), a.attach("bob", false)
	if problems := r.service.Problems(); len(problems) != 0 {
		t.Errorf("before: %q", problems)
	}
	d.set(fmt.Errorf("no space: %w", bus.ErrTimeout))
	placed := make(chan struct{})
	go func() {
		defer close(placed)
		r.send(a.b, a.offer(alice, "1", "sip:bob@demo.test"))
	}()
	for range 5 {
		wait(t, d.tried, "an attempt to write")
	}
	problems := strings.Join(r.service.Problems(), "\n")
	if !strings.Contains(problems, "the journal cannot be written") || !strings.Contains(problems, "no space") {
		t.Errorf("meanwhile: %q", problems)
	}
	if n := strings.Count(log.await(t, ""), "record not written"); n != 1 {
		t.Errorf("%d lines about one command", n)
	}
	d.set(nil)
	wait(t, placed, "the call")
	a.event(bob, "incoming", isIncoming)
	if problems := r.service.Problems(); len(problems) != 0 {
		t.Errorf("afterwards: %q", problems)
	}
}

// A command that is given up is counted, since nothing else of it is.
func TestACommandThatIsGivenUpIsCounted(t *testing.T) {
	r := newRig(t)
	counts := &refusals{counted: make(chan string, 64)}
	r.metrics = counts
	d := &sick{tried: make(chan struct{}, 64)}
	r.startCallState(func(inner bus.Driver) bus.Driver { d.Driver = inner; return d })
	a := r.startAdapter("loopback", "n1")
	alice := a.attach("alice", false)
	a.attach("bob", false)
	d.set(bus.ErrClosed) // which is not tried again
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	offer := a.offer(alice, schema.NewID(), "sip:bob@demo.test")
	go func() { _, _ = a.b.Command(ctx, offer) }() // nobody answers
	select {
	case outcome := <-counts.counted:
		if outcome != "unanswered" {
			t.Errorf("counted as %q", outcome)
		}
	case <-time.After(patience):
		t.Error("not counted")
	}
}

// A directory that is away is told of until it answers again.
func TestADirectoryThatIsAway(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice := a.attach("alice", false)
	a.attach("bob", false)
	r.dir.stop()
	reply, err := a.b.Command(t.Context(), a.offer(alice, "1", "sip:bob@demo.test"))
	if err != nil || reply.GetError().GetCode() != callv1.Code_CODE_RETRY {
		t.Fatalf("%v, %v", reply, err)
	}
	if problems := strings.Join(r.service.Problems(), " "); !strings.Contains(problems, "the directory does not answer") {
		t.Errorf("away: %q", problems)
	}
	r.startDirectory()
	a.must(a.offer(alice, "2", "sip:bob@demo.test"))
	if problems := r.service.Problems(); len(problems) != 0 {
		t.Errorf("back: %q", problems)
	}
}
