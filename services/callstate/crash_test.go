package callstate_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-rtc/tandem/bus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// dying is a driver that dies, as a process killed with SIGKILL would, at the
// n-th point it passes: before or after a commit, before or after a delivery.
type dying struct {
	bus.Driver
	mu     sync.Mutex
	points int
	at     int
	where  string
	dead   chan struct{}
}

// point passes one; it reports false once the process is dead.
func (d *dying) point(what string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.dead:
		return false
	default:
	}
	d.points++
	if d.points != d.at {
		return true
	}
	d.where = what
	close(d.dead)
	return false
}

func (d *dying) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	if !strings.HasPrefix(subject, "call.v1.ev.") {
		return d.Driver.Request(ctx, subject, data)
	}
	if !d.point("before a delivery") {
		return nil, bus.ErrClosed
	}
	answer, err := d.Driver.Request(ctx, subject, data)
	if !d.point("after a delivery") {
		return nil, bus.ErrClosed
	}
	return answer, err
}

func (d *dying) Records() bus.Records { return dyingRecords{d.Driver.Records(), d} }

type dyingRecords struct {
	bus.Records
	d *dying
}

func (r dyingRecords) Commit(ctx context.Context, w ...bus.Write) ([]uint64, error) {
	if !r.d.point("before a commit") {
		return nil, bus.ErrClosed
	}
	seqs, err := r.Records.Commit(ctx, w...)
	if !r.d.point("after a commit") {
		return nil, bus.ErrClosed
	}
	return seqs, err
}

// TestKilledAtEveryStep kills call state at every point of a call in turn and
// starts it again: the call is answered, established and hung up as if nothing
// had happened, and no terminal gets an event twice or misses one.
func TestKilledAtEveryStep(t *testing.T) {
	for n := 1; ; n++ {
		if where := killedAt(t, n); where == "" {
			if n < 12 {
				t.Fatalf("only %d points in a whole call", n-1)
			}
			return
		}
	}
}

// killedAt runs one call with a death at point n; "" if there is no such point.
func killedAt(t *testing.T, n int) (where string) {
	t.Run(fmt.Sprint("point ", n), func(t *testing.T) {
		r := newRig(t)
		d := &dying{at: n, dead: make(chan struct{})}
		kill := r.startCallState(func(inner bus.Driver) bus.Driver { d.Driver = inner; return d })
		again := make(chan struct{})
		go func() { // the one who starts it again
			defer close(again)
			select {
			case <-d.dead:
				kill()
				r.startCallState(nil)
			case <-t.Context().Done():
			}
		}()
		oneCall(r, t)
		d.mu.Lock()
		where = d.where
		d.mu.Unlock()
		if where != "" {
			wait(t, again, "second start")
			t.Log("died", where)
		}
	})
	return where
}

// oneCall is a whole call, each party retrying as an adapter's host does.
func oneCall(r *rig, t *testing.T) {
	a := r.startAdapter("loopback", "n1")
	alice, bob := a.attach("alice", false), a.attach("bob", false)
	placed := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	in := a.event(bob, "incoming", isIncoming)
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Ringing{}))
	a.event(alice, "alerting", isAlerting)
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Answer{Sdp: "v=0"}))
	a.event(alice, "answered", isAnswered)
	r.connected(in.GetCallId(), placed.GetLegId(), 1)
	r.connected(in.GetCallId(), in.GetLegId(), 1)
	a.event(alice, "established", isEstablished)
	a.event(bob, "established", isEstablished)
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.HangUp{}))
	a.event(alice, "ended", isEnded)
	for what, fits := range map[string]func(*callv1.Event) bool{
		"incoming": isIncoming, "alerting": isAlerting, "answered": isAnswered, "ended": isEnded,
	} {
		if n := a.count(fits); n != 1 {
			t.Errorf("%d events %q", n, what)
		}
	}
	if n := a.count(isEstablished); n != 2 {
		t.Errorf("%d events established", n)
	}
	if c := record(t, a.b, in.GetCallId()); c.GetState() != callv1.CallState_CALL_STATE_ENDED {
		t.Errorf("record %v", c.GetState())
	}
}
